//! Training behind a gate that is fixed from the start: what is open stays open, and nothing else depends on the gate.

#![allow(clippy::unwrap_used)]

mod support;

use candle_core::Device;
use l0gm_gate::{Gate, Interface};
use l0gm_train::{ParameterKind, Recipe, RunDir, StopFlag, TrainConfig, Training, train};
use support::{Synthetic, bits, config, model};

fn trained(
    config: &TrainConfig,
    open: &[bool],
) -> (support::Model, l0gm_train::Outcome, Vec<(String, Vec<u32>)>) {
    let task = Synthetic::new([512, 256, 256], 8, 3, 1);
    let mut model = model(8, 32, None, 0);
    model.gate = Gate::fixed(Interface::Flat { dim: 32 }, open, &Device::Cpu).unwrap();
    let before = bits(&model);
    let folder = tempfile::tempdir().unwrap();
    let training = Training {
        task: &task,
        model: &model,
        config,
        seed: 0,
        device: &Device::Cpu,
    };
    let run = RunDir::open(folder.path()).unwrap();
    let outcome = train(training, &run, &mut (), &StopFlag::default()).unwrap();
    (model, outcome, before)
}

#[test]
fn a_fixed_gate_stays_as_it_is_under_every_recipe_and_whatever_target_the_settings_name() {
    let open: Vec<bool> = (0..32).map(|at| at % 4 == 0).collect();
    for recipe in [Recipe::Algorithm1, Recipe::Settled] {
        let config = TrainConfig {
            recipe,
            target: Some("50%".parse().unwrap()),
            ..config(6, 0.0)
        };
        let (model, outcome, before) = trained(&config, &open);
        assert_eq!(model.gate.hard_mask().unwrap(), open);
        assert!(
            outcome
                .history
                .iter()
                .all(|epoch| epoch.active_fraction == 0.25)
        );
        assert!(outcome.history.iter().all(|epoch| epoch.lambda == 0.0));
        let gate = model
            .parameters()
            .into_iter()
            .find(|p| p.name == "gate.log_alpha");
        assert_eq!(gate.unwrap().kind, ParameterKind::Fixed);
        for ((name, before), (_, after)) in before.iter().zip(bits(&model)) {
            assert_eq!(*before != after, name != "gate.log_alpha", "{name}");
        }
        let best = outcome.history.iter().map(|epoch| epoch.valid_accuracy);
        assert!(best.fold(0.0, f64::max) > 0.8);
    }
}
