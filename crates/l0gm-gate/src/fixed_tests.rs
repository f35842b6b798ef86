#![allow(clippy::unwrap_used)]
use super::*;
use crate::{
    ActiveFraction, GateMode, Gates, Granularity, Target, Temperature, harden, settle,
    settle_likely,
};
use candle_core::Var;
use l0gm_ops::Generator;

const FIELDS: Interface = Interface::Fields { fields: 2, dim: 3 };
const OPEN: [bool; 6] = [true, false, true, false, false, true];

fn gate() -> Gate {
    Gate::fixed(FIELDS, &OPEN, &Device::Cpu).unwrap()
}

#[test]
fn a_fixed_gate_is_the_same_in_training_and_in_use_and_the_closed_dimensions_get_no_gradient() {
    let gate = gate();
    let r = Var::ones((4, 2, 3), candle_core::DType::F32, &Device::Cpu).unwrap();
    let mut noise = Generator::new(1);
    let trained = gate
        .forward(r.as_tensor(), GateMode::train(Temperature(0.5), &mut noise))
        .unwrap();
    let used = gate.forward(r.as_tensor(), GateMode::Eval).unwrap();
    let values = |x: &Tensor| x.flatten_all().unwrap().to_vec1::<f32>().unwrap();
    assert_eq!(values(&trained), values(&used));
    let expected = [1f32, 0.0, 1.0, 0.0, 0.0, 1.0].repeat(4);
    assert_eq!(values(&trained), expected);
    let gradients = trained.sum_all().unwrap().backward().unwrap();
    assert_eq!(values(gradients.get(r.as_tensor()).unwrap()), expected);
    assert!(gradients.get(gate.log_alpha().unwrap()).is_none());
}

#[test]
fn a_fixed_gate_reads_as_its_mask_and_costs_nothing() {
    let gate = gate();
    assert_eq!(gate.hard_mask().unwrap(), OPEN);
    let mut reading = gate.reading().unwrap();
    reading
        .count_fields(FIELDS, &["a".to_owned(), "b".to_owned()])
        .unwrap();
    assert_eq!(reading.active_fraction, 0.5);
    assert_eq!((reading.expected_l0, reading.open_dims), (3.0, 3));
    assert_eq!(reading.open_probability, [1.0, 0.0, 1.0, 0.0, 0.0, 1.0]);
    assert_eq!(reading.fields, [("a".to_owned(), 2), ("b".to_owned(), 1)]);
    assert_eq!(reading.kind_name(), "fixed");
    let penalty = gate.penalty(Temperature(1.0)).unwrap();
    assert_eq!(penalty.to_scalar::<f32>().unwrap(), 0.0);
}

#[test]
fn settling_counts_fixed_gates_and_leaves_them_as_they_are() {
    let fixed = gate();
    let log_alpha = Tensor::new(&[3f32, 2.0, 1.0, 0.0, -4.0, -5.0], &Device::Cpu).unwrap();
    let config = GateConfig::default();
    let trained =
        Gate::from_log_alpha(FIELDS, &config, &log_alpha, Temperature(2.0 / 3.0)).unwrap();
    // Three of twelve dimensions are open for good; two more make 5/12.
    let gates = [&fixed, &trained];
    let open = settle(&gates, Target::new(5.0 / 12.0).unwrap()).unwrap();
    assert_eq!(open, ActiveFraction(5.0 / 12.0));
    assert_eq!(trained.hard_mask().unwrap()[..3], [true, true, false]);
    harden(&gates).unwrap();
    settle_likely(&gates).unwrap();
    assert_eq!(fixed.hard_mask().unwrap(), OPEN);
    assert_eq!(settle_likely(&[&fixed]).unwrap(), ActiveFraction(0.5));
    let all = Gates::new(gates);
    assert_eq!(all.variables().len(), 1);
    assert_eq!(all.active_fraction().unwrap(), ActiveFraction(5.0 / 12.0));
}

#[test]
fn a_fixed_gate_survives_its_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("gate.safetensors");
    gate().save(&path).unwrap();
    let read = Gate::load(&path, &Device::Cpu).unwrap();
    assert!(read.is_fixed());
    assert_eq!(read.hard_mask().unwrap(), OPEN);
}

#[test]
fn wrong_masks_and_the_kind_as_a_setting_are_refused() {
    let text = |error: Error| error.to_string();
    let short = Gate::fixed(FIELDS, &OPEN[..5], &Device::Cpu).unwrap_err();
    assert!(text(short).contains("5 values"));
    assert!(gate().set_open(&[true]).is_err());
    let config = GateConfig {
        kind: GateKind::Fixed,
        granularity: Granularity::Group,
        ..GateConfig::default()
    };
    let asked = Gate::new(FIELDS, &config, &Schedule::default(), &Device::Cpu).unwrap_err();
    assert!(text(asked).contains("kind is fixed"));
    let trained = Gate::new(
        FIELDS,
        &GateConfig::default(),
        &Schedule::default(),
        &Device::Cpu,
    );
    assert!(trained.unwrap().set_open(&OPEN).is_err());
}
