#![allow(clippy::unwrap_used)]
use super::*;
use crate::GateMode;
use crate::{GateKind, Granularity, InferenceGate, Temperature};
use l0gm_ops::Generator;
use proptest::prelude::*;
use std::fs;

const FIELDS: Interface = Interface::Fields { fields: 3, dim: 4 };
const TAU: Temperature = Temperature(0.3);

fn gate() -> Gate {
    let config = GateConfig {
        kind: GateKind::Static,
        granularity: Granularity::Group,
        inference: InferenceGate::Threshold,
        pi: 0.25,
        ..GateConfig::default()
    };
    let log_alpha = Tensor::new(&[-1.5f32, 0.1, 7.25], &Device::Cpu).unwrap();
    Gate::from_log_alpha(FIELDS, &config, &log_alpha, TAU).unwrap()
}

fn load_error(content: &[u8]) -> String {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("gate.safetensors");
    fs::write(&path, content).unwrap();
    let text = Gate::load(&path, &Device::Cpu).unwrap_err().to_string();
    assert!(text.contains("gate.safetensors"), "{text}");
    text
}

/// The bytes of a file with this metadata and one tensor of these values.
fn file(metadata: &[(&str, &str)], name: &str, values: &[f32]) -> Vec<u8> {
    let bytes: Vec<u8> = values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    let view = TensorView::new(Dtype::F32, vec![values.len()], &bytes).unwrap();
    let metadata = metadata
        .iter()
        .map(|(key, value)| (key.to_string(), value.to_string()))
        .collect();
    safetensors::serialize([(name, view)], Some(metadata)).unwrap()
}

#[test]
fn a_saved_gate_is_read_back_whole() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("gate.safetensors");
    let saved = gate();
    saved.save(&path).unwrap();
    saved.save(&path).unwrap(); // Replaces.
    let loaded = Gate::load(&path, &Device::Cpu).unwrap();
    assert_eq!(loaded.interface(), saved.interface());
    assert_eq!(loaded.temperature(), Some(TAU));
    assert_eq!(loaded.config(), saved.config());
    assert_eq!(
        loaded.deterministic().unwrap(),
        saved.deterministic().unwrap()
    );
    assert_eq!(
        loaded.open_probability().unwrap(),
        saved.open_probability().unwrap()
    );
    let names: Vec<_> = fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, ["gate.safetensors"], "no temporary file is left");
}

/// What a gate makes of a batch in use, as bits.
fn in_use(gate: &Gate, r: &Tensor) -> Vec<u32> {
    let gated = gate.forward(r, GateMode::Eval).unwrap();
    let values: Vec<f32> = gated.flatten_all().unwrap().to_vec1().unwrap();
    values.into_iter().map(f32::to_bits).collect()
}

/// Writes a gate to a file and reads it. Nothing but the file is passed on.
fn read_back(gate: &Gate) -> Gate {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("gate.safetensors");
    gate.save(&path).unwrap();
    Gate::load(&path, &Device::Cpu).unwrap()
}

const RULES: [InferenceGate; 3] = [
    InferenceGate::Median,
    InferenceGate::Threshold,
    InferenceGate::HardSigmoid,
];

#[test]
fn the_temperature_in_the_file_decides_what_a_gate_opens() {
    // The same 32 numbers open ever fewer channels as the temperature falls. A reloaded gate opens as many as before.
    let values: Vec<f32> = (0..32).map(|i| -4.0 + 0.125 * i as f32).collect();
    let log_alpha = Tensor::new(values, &Device::Cpu).unwrap();
    let interface = Interface::Flat { dim: 32 };
    let config = GateConfig::default();
    let opened = |tau: f64| {
        let gate = Gate::from_log_alpha(interface, &config, &log_alpha, Temperature(tau)).unwrap();
        let open = |gate: &Gate| gate.hard_mask().unwrap().iter().filter(|o| **o).count();
        assert_eq!(open(&read_back(&gate)), open(&gate));
        open(&gate)
    };
    assert_eq!([0.1, 2.0 / 3.0, 2.0].map(opened), [1, 12, 32]);
}

#[test]
fn a_conditional_gate_decides_the_same_after_it_was_saved() {
    let mut generator = Generator::new(3);
    let mut draw = |shape: (usize, usize)| {
        generator
            .normal_tensor(shape, 0.0, 2.0, candle_core::DType::F32, &Device::Cpu)
            .unwrap()
    };
    let (log_alpha, weight, r) = (draw((1, 6)).squeeze(0).unwrap(), draw((6, 6)), draw((9, 6)));
    for inference in RULES {
        let config = GateConfig {
            kind: GateKind::Conditional,
            inference,
            ..GateConfig::default()
        };
        let interface = Interface::Flat { dim: 6 };
        let saved =
            Gate::from_parameters(interface, &config, &log_alpha, Some(&weight), TAU).unwrap();
        assert_eq!(in_use(&read_back(&saved), &r), in_use(&saved, &r));
    }
}

proptest! {
    // Every case waits for the disk.
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_loaded_gate_is_the_saved_one_bit_by_bit(
        log_alpha in prop::collection::vec(-9.0f32..9.0, 12), tau in 0.02f64..3.0, which in 0..3usize,
        pi in 0.01f64..0.99, gamma in -0.9f64..-0.01, zeta in 1.01f64..1.9,
    ) {
        let config = GateConfig { inference: RULES[which], pi, gamma, zeta, ..GateConfig::default() };
        let log_alpha = Tensor::new(log_alpha, &Device::Cpu).unwrap();
        let saved = Gate::from_log_alpha(FIELDS, &config, &log_alpha, Temperature(tau)).unwrap();
        let loaded = read_back(&saved);
        prop_assert_eq!(loaded.config(), Some(&config));
        prop_assert_eq!(loaded.temperature(), Some(Temperature(tau)));
        let r = Tensor::ones((1, 3, 4), candle_core::DType::F32, &Device::Cpu).unwrap();
        prop_assert_eq!(in_use(&loaded, &r), in_use(&saved, &r));
    }
}

#[test]
fn a_gate_a_group_of_a_flat_interface_is_read_back_with_its_groups() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("gate.safetensors");
    let config = GateConfig {
        granularity: Granularity::Group,
        group_width: 4,
        ..GateConfig::default()
    };
    let log_alpha = Tensor::new(&[-9.0f32, 0.1, 9.0], &Device::Cpu).unwrap();
    let saved =
        Gate::from_log_alpha(Interface::Flat { dim: 12 }, &config, &log_alpha, TAU).unwrap();
    saved.save(&path).unwrap();
    let loaded = Gate::load(&path, &Device::Cpu).unwrap();
    assert_eq!(loaded.config(), Some(&config));
    assert_eq!(
        loaded.deterministic().unwrap(),
        saved.deterministic().unwrap()
    );
    assert_eq!(
        loaded.hard_mask().unwrap()[..5],
        [false, false, false, false, true]
    );
}

#[test]
fn a_file_from_before_gates_kept_their_temperature_is_read_where_it_is_given() {
    let interface = serde_json::to_string(&FIELDS).unwrap();
    let metadata = [
        ("format", FORMAT),
        ("interface", interface.as_str()),
        ("config", "{}"),
    ];
    let old = file(&metadata, LOG_ALPHA, &[-1.0; 12]);
    assert!(load_error(&old).contains("Gate::load_at"));
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("old.safetensors");
    fs::write(&path, old).unwrap();
    let loaded = Gate::load_at(&path, TAU, &Device::Cpu).unwrap();
    assert_eq!(loaded.temperature(), Some(TAU));
    // A file that contains a temperature cannot be read with another one.
    loaded.save(&path).unwrap();
    let error = Gate::load_at(&path, Temperature(2.0), &Device::Cpu).unwrap_err();
    assert!(
        error.to_string().contains("temperature 0.3, but 2 was"),
        "{error}"
    );
    assert!(Gate::load_at(&path, TAU, &Device::Cpu).is_ok());
}

#[test]
fn the_identity_gate_is_read_back_as_the_identity() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("identity.safetensors");
    Gate::identity(FIELDS).save(&path).unwrap();
    let loaded = Gate::load(&path, &Device::Cpu).unwrap();
    assert!(loaded.is_identity());
    assert_eq!(loaded.interface(), FIELDS);
}

#[test]
fn a_file_cut_off_anywhere_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("whole.safetensors");
    gate().save(&path).unwrap();
    let content = fs::read(&path).unwrap();
    for length in 0..content.len() {
        let text = load_error(&content[..length]);
        assert!(text.contains("cut off"), "{length} bytes: {text}");
    }
}

#[test]
fn other_files_are_refused_with_what_is_wrong() {
    let interface = serde_json::to_string(&FIELDS).unwrap();
    let good = [
        ("format", FORMAT),
        ("interface", interface.as_str()),
        ("config", "{}"),
        ("temperature", "0.5"),
    ];
    assert!(load_error(b"log_alpha,1,2,3\n not safetensors at all").contains("something else"));
    assert!(load_error(&file(&[], "weight", &[1.0])).contains("not a gate's"));
    assert!(
        load_error(&file(&[("format", "l0gm-gate 9")], LOG_ALPHA, &[1.0])).contains("l0gm-gate 9")
    );
    assert!(load_error(&file(&good[..2], LOG_ALPHA, &[1.0])).contains("lacks \"config\""));
    assert!(load_error(&file(&good, "weight", &[1.0; 12])).contains("\"weight\""));
    assert!(load_error(&file(&good, LOG_ALPHA, &[1.0; 5])).contains("12 gates"));
    assert!(load_error(&file(&good, LOG_ALPHA, &[f32::NAN; 12])).contains("finite"));
    let with = |config: &'static str| [good[0], good[1], ("config", config), good[3]];
    assert!(
        load_error(&file(&with(r#"{"gamma": 0.5}"#), LOG_ALPHA, &[1.0; 12]))
            .contains("gamma is 0.5")
    );
    assert!(load_error(&file(&with(r#"{"gama": -0.1}"#), LOG_ALPHA, &[1.0; 12])).contains("gama"));
    let hot = [good[0], good[1], good[2], ("temperature", "hot")];
    assert!(load_error(&file(&hot, LOG_ALPHA, &[1.0; 12])).contains("expected a number"));
    let absent = Gate::load("/nowhere/gate.safetensors", &Device::Cpu)
        .unwrap_err()
        .to_string();
    assert!(
        absent.contains("/nowhere/gate.safetensors") && absent.contains("cannot be read"),
        "{absent}"
    );
}

#[test]
fn a_folder_that_cannot_be_written_is_named_and_nothing_is_left() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("absent").join("gate.safetensors");
    let text = gate().save(&path).unwrap_err().to_string();
    assert!(
        text.contains("absent") && text.contains("cannot be written"),
        "{text}"
    );
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
}
