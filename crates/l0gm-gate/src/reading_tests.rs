#![allow(clippy::unwrap_used)]
use super::*;
use crate::{GateConfig, Temperature};
use candle_core::{Device, Tensor};

/// Written by a run of October 2026, shortened to two fields of two dimensions.
const RECORDED: &str = r#"{"kind":"per-example","granularity":"interface","inference":"hard-sigmoid","active_fraction":0.75,"expected_l0":2.5,"open_dims":3,"total_dims":4,"z":[0.0,0.25,1.0,1.0],"open_probability":[0.1,0.6,0.9,0.9],"fields":[["age",1],["sex",2]]}"#;
const RECORDED_DENSE: &str = r#"{"kind":"none","granularity":"none","inference":"none","active_fraction":1.0,"expected_l0":4.0,"open_dims":4,"total_dims":4,"z":[],"open_probability":[],"fields":[]}"#;

const FIELDS: Interface = Interface::Fields { fields: 2, dim: 2 };

fn gate(log_alpha: &[f32]) -> Gate {
    let dim = log_alpha.len();
    let log_alpha = Tensor::new(log_alpha, &Device::Cpu).unwrap();
    let interface = match dim {
        4 => FIELDS,
        dim => Interface::Flat { dim },
    };
    let tau = Temperature(2.0 / 3.0);
    Gate::from_log_alpha(interface, &GateConfig::default(), &log_alpha, tau).unwrap()
}

#[test]
fn a_reading_is_written_and_read_as_records_have_it() {
    for text in [RECORDED, RECORDED_DENSE] {
        let reading: GateReading = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&reading).unwrap(), text);
    }
    let reading: GateReading = serde_json::from_str(RECORDED).unwrap();
    assert_eq!(reading.inference, Some(InferenceGate::HardSigmoid));
    assert_eq!(reading.kind_name(), "per-example");
    let unknown = RECORDED.replace("per-example", "per-batch");
    let error = serde_json::from_str::<GateReading>(&unknown).unwrap_err();
    assert!(error.to_string().contains("per-batch"), "{error}");
}

#[test]
fn the_identity_reads_as_all_open_without_gates() {
    let mut reading = Gate::identity(FIELDS).reading().unwrap();
    assert_eq!(
        serde_json::to_string(&reading).unwrap(),
        RECORDED_DENSE,
        "as a dense run's record"
    );
    let names = ["age".to_owned(), "sex".to_owned()];
    reading.count_fields(FIELDS, &names).unwrap();
    assert_eq!(reading.fields[1], ("sex".to_owned(), 2));
}

#[test]
fn gates_together_weigh_by_their_dimensions() {
    let (small, large) = (gate(&[9.0, -9.0]), gate(&[9.0, 9.0, 9.0, -9.0]));
    let readings = [small.reading().unwrap(), large.reading().unwrap()];
    let expected_l0 = readings[0].expected_l0 + readings[1].expected_l0;
    let all = GateReading::together(readings).unwrap();
    assert_eq!((all.open_dims, all.total_dims), (4, 6));
    assert!((all.active_fraction - 4.0 / 6.0).abs() < 1e-12);
    assert_eq!(all.expected_l0, expected_l0);
    assert_eq!((all.z.len(), all.open_probability.len()), (6, 6));
    assert!(GateReading::together([]).is_none());
}

#[test]
fn open_dimensions_are_counted_field_by_field() {
    let mut reading = gate(&[-9.0, 0.5, -9.0, -9.0]).reading().unwrap();
    let names = ["age".to_owned(), "sex".to_owned()];
    reading.count_fields(FIELDS, &names).unwrap();
    assert_eq!(
        reading.fields,
        [("age".to_owned(), 1), ("sex".to_owned(), 0)]
    );
    let error = reading.count_fields(FIELDS, &names[..1]).unwrap_err();
    assert!(error.to_string().contains("1 field names"), "{error}");
    let mut flat = gate(&[9.0; 3]).reading().unwrap();
    flat.count_fields(Interface::Flat { dim: 3 }, &names)
        .unwrap();
    assert!(flat.fields.is_empty());
}
