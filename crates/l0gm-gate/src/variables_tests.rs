#![allow(clippy::unwrap_used)]
use super::*;
use crate::GateMode;
use candle_nn::{AdamW, Optimizer, VarMap};
use l0gm_ops::Generator;
use std::collections::HashMap;

const FLAT: Interface = Interface::Flat { dim: 6 };
const CPU: Device = Device::Cpu;

fn builder(variables: &VarMap) -> VarBuilder<'static> {
    VarBuilder::from_varmap(variables, DType::F32, &CPU).pp("gate")
}

fn hard(temperature: f64) -> Schedule {
    Schedule {
        start_temperature: temperature,
        end_temperature: temperature,
        ..Schedule::default()
    }
}

fn config(kind: GateKind, inference: InferenceGate) -> GateConfig {
    GateConfig {
        kind,
        inference,
        pi: 0.3,
        gamma: -0.25,
        zeta: 1.3,
        ..GateConfig::default()
    }
}

fn ramp(gate: &Gate) {
    let values = Tensor::new(&[-3f32, -1.0, -0.3, 0.2, 1.0, 4.0], &CPU).unwrap();
    gate.log_alpha().unwrap().set(&values).unwrap();
}

fn in_use(gate: &Gate) -> Vec<u32> {
    let r = Generator::new(3)
        .normal_tensor((4, 6), 1.0, 1.0, DType::F32, &CPU)
        .unwrap();
    let gated = gate.forward(&r, GateMode::Eval).unwrap();
    let values: Vec<f32> = gated.flatten_all().unwrap().to_vec1().unwrap();
    values.into_iter().map(f32::to_bits).collect()
}

#[test]
fn the_gate_starts_as_one_without_a_map_does_and_shares_its_variables_with_the_map() {
    let variables = VarMap::new();
    let config = GateConfig::default();
    let gate = Gate::new_in(FLAT, &config, &Schedule::default(), builder(&variables)).unwrap();
    let alone = Gate::new(FLAT, &config, &Schedule::default(), &CPU).unwrap();
    let values = |gate: &Gate| gate.log_alpha().unwrap().to_vec1::<f32>().unwrap();
    assert_eq!(values(&gate), values(&alone));
    assert_eq!(gate.temperature(), alone.temperature());
    let held = variables.data().lock().unwrap()["gate.log_alpha"].clone();
    held.set(&Tensor::zeros(6, DType::F32, &CPU).unwrap())
        .unwrap();
    assert_eq!(values(&gate), [0.0; 6]);
    // The same place gives the same gate.
    let again = Gate::new_in(FLAT, &config, &Schedule::default(), builder(&variables)).unwrap();
    assert_eq!(values(&again), [0.0; 6]);
}

#[test]
fn an_optimiser_of_all_variables_moves_the_gate_and_leaves_its_settings_alone() {
    for kind in [
        GateKind::Static,
        GateKind::PerExample,
        GateKind::Conditional,
    ] {
        let variables = VarMap::new();
        let config = config(kind, InferenceGate::Median);
        let gate = Gate::new_in(FLAT, &config, &hard(0.4), builder(&variables)).unwrap();
        let mut optimiser = AdamW::new_lr(variables.all_vars(), 0.1).unwrap();
        let mut noise = Generator::new(1);
        let r = noise
            .normal_tensor((16, 6), 1.0, 1.0, DType::F32, &CPU)
            .unwrap();
        let before = gate.log_alpha().unwrap().to_vec1::<f32>().unwrap();
        for _ in 0..3 {
            let gated = gate
                .pass(&r, GateMode::train(Temperature(0.4), &mut noise))
                .unwrap();
            let task = gated.value.sqr().unwrap().mean_all().unwrap();
            let penalty = gate.penalty_of(&gated, Temperature(0.4)).unwrap();
            optimiser.backward_step(&(task + penalty).unwrap()).unwrap();
        }
        let after = gate.log_alpha().unwrap().to_vec1::<f32>().unwrap();
        assert!(before.iter().zip(&after).all(|(b, a)| a < b), "{after:?}");
        if let Some(weight) = gate.weight() {
            let weight: Vec<f32> = weight.flatten_all().unwrap().to_vec1().unwrap();
            assert!(weight.iter().all(|w| *w != 0.0));
        }
        assert_eq!(gate.temperature(), Some(Temperature(0.4)));
        in_use(&gate); // The settings are still its own.
    }
}

#[test]
fn a_saved_map_gives_the_same_gate_whatever_the_program_would_have_chosen() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.safetensors");
    for kind in KINDS.into_iter().filter(|kind| *kind != GateKind::Fixed) {
        for inference in RULES {
            for tau in [0.1, 0.3, 2.0] {
                let variables = VarMap::new();
                let config = config(kind, inference);
                let gate = Gate::new_in(FLAT, &config, &hard(tau), builder(&variables)).unwrap();
                ramp(&gate);
                variables.save(&path).unwrap();

                // Only the interface is known.
                let file = candle_core::safetensors::load(&path, &CPU).unwrap();
                let reader = VarBuilder::from_tensors(file, DType::F32, &CPU);
                let read = Gate::saved_in(FLAT, reader.pp("gate")).unwrap();
                assert_eq!(read.config(), Some(&config));
                assert_eq!(read.temperature(), Some(Temperature(tau)));
                assert_eq!(in_use(&read), in_use(&gate));

                // The same program builds the same model and loads the file.
                let mut other = VarMap::new();
                let same = Gate::new_in(FLAT, &config, &hard(tau), builder(&other)).unwrap();
                other.load(&path).unwrap();
                assert_eq!(in_use(&same), in_use(&gate));
            }
        }
    }
}

#[test]
fn loading_into_a_gate_of_another_temperature_or_rule_is_an_error_when_it_is_used() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.safetensors");
    let saved = config(GateKind::PerExample, InferenceGate::Median);
    let variables = VarMap::new();
    let gate = Gate::new_in(FLAT, &saved, &hard(0.3), builder(&variables)).unwrap();
    variables.save(&path).unwrap();
    let load = |config: &GateConfig, schedule: &Schedule| {
        let mut variables = VarMap::new();
        let gate = Gate::new_in(FLAT, config, schedule, builder(&variables)).unwrap();
        variables.load(&path).unwrap();
        gate
    };
    let threshold = config(GateKind::PerExample, InferenceGate::Threshold);
    for (gate, said) in [
        (load(&saved, &hard(0.5)), "temperature 0.3, not 0.5"),
        (
            load(&threshold, &hard(0.3)),
            "inference median, not threshold",
        ),
    ] {
        let r = Tensor::ones((2, 6), DType::F32, &CPU).unwrap();
        for error in [
            gate.forward(&r, GateMode::Eval).unwrap_err(),
            gate.deterministic().unwrap_err(),
            gate.open_probability().unwrap_err(),
            gate.save(dir.path().join("gate.safetensors")).unwrap_err(),
        ] {
            let text = error.to_string();
            assert!(text.contains(said) && text.contains("saved_in"), "{text}");
        }
    }
    // Building on a map that holds another gate is the same error, at once.
    let error = Gate::new_in(FLAT, &saved, &hard(0.5), builder(&variables)).unwrap_err();
    assert!(
        error.to_string().contains("temperature 0.3, not 0.5"),
        "{error}"
    );
    // What matters in training only may differ.
    let other = GateConfig {
        initial_open: 0.5,
        penalty: PenaltyReduction::Mean,
        ..saved.clone()
    };
    assert_eq!(in_use(&load(&other, &hard(0.3))), in_use(&gate));
    // A gate that is read at another temperature on purpose is not checked.
    in_use(&gate.at_temperature(Temperature(0.5)).unwrap());
}

#[test]
fn a_gate_in_a_map_can_be_saved_alone_too() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("gate.safetensors");
    let config = config(GateKind::Conditional, InferenceGate::HardSigmoid);
    let gate = Gate::new_in(FLAT, &config, &hard(0.3), builder(&VarMap::new())).unwrap();
    ramp(&gate);
    gate.save(&path).unwrap();
    assert_eq!(in_use(&Gate::load(&path, &CPU).unwrap()), in_use(&gate));
}

#[test]
fn what_is_missing_or_does_not_fit_is_named() {
    let empty: HashMap<String, Tensor> = HashMap::new();
    let reader = |tensors| VarBuilder::from_tensors(tensors, DType::F32, &CPU).pp("gate");
    let error = Gate::saved_in(FLAT, reader(empty)).unwrap_err().to_string();
    assert!(
        error.contains("\"gate\"") && error.contains("settings"),
        "{error}"
    );

    let variables = VarMap::new();
    let config = config(GateKind::Static, InferenceGate::Median);
    Gate::new_in(FLAT, &config, &hard(0.3), builder(&variables)).unwrap();
    let wide = Interface::Flat { dim: 7 };
    let error = Gate::new_in(wide, &config, &hard(0.3), builder(&variables)).unwrap_err();
    assert!(error.to_string().contains("gate.log_alpha"), "{error}");

    let held = |name: &str| variables.data().lock().unwrap()[name].as_tensor().detach();
    let file = |log_alpha: &Tensor, settings: &Tensor| {
        let file = [("gate.log_alpha", log_alpha), ("gate.settings", settings)];
        let file = file.map(|(name, tensor)| (name.to_owned(), tensor.clone()));
        Gate::saved_in(FLAT, reader(HashMap::from(file)))
    };
    let (log_alpha, settings) = (held("gate.log_alpha"), held("gate.settings"));
    file(&log_alpha, &settings).unwrap();
    let error = file(&(&log_alpha * f64::NAN).unwrap(), &settings).unwrap_err();
    assert!(error.to_string().contains("log_alpha[0] is NaN"), "{error}");
    let mut numbers: Vec<f64> = settings.to_vec1().unwrap();
    numbers[3] = 7.0;
    let error = file(&log_alpha, &Tensor::new(numbers.clone(), &CPU).unwrap()).unwrap_err();
    assert!(error.to_string().contains("7 as its inference"), "{error}");
    (numbers[3], numbers[7]) = (0.0, -1.0);
    let error = file(&log_alpha, &Tensor::new(numbers, &CPU).unwrap()).unwrap_err();
    assert!(error.to_string().contains("temperature is -1"), "{error}");
}

#[test]
fn the_variables_are_single_precision_whatever_the_builders() {
    let variables = VarMap::new();
    let half = VarBuilder::from_varmap(&variables, DType::F16, &CPU);
    let config = GateConfig::default();
    let gate = Gate::new_in(FLAT, &config, &Schedule::default(), half).unwrap();
    assert_eq!(gate.log_alpha().unwrap().dtype(), DType::F32);
}

#[test]
fn a_gaussian_gate_is_read_back_as_one_and_its_variables_are_no_hard_concrete_gates() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("model.safetensors");
    let config = GateConfig {
        distribution: GateDistribution::Gaussian,
        sigma: 0.3,
        ..GateConfig::default()
    };
    let variables = VarMap::new();
    let gate = Gate::new_in(FLAT, &config, &hard(0.5), builder(&variables)).unwrap();
    variables.save(&path).unwrap();
    let file = candle_core::safetensors::load(&path, &CPU).unwrap();
    let reader = VarBuilder::from_tensors(file, DType::F32, &CPU);
    let read = Gate::saved_in(FLAT, reader.pp("gate")).unwrap();
    assert_eq!(read.config(), Some(&config));
    assert_eq!(in_use(&read), in_use(&gate));
    let usual = GateConfig::default();
    assert!(Gate::new_in(FLAT, &usual, &hard(0.5), builder(&variables)).is_err());
}
