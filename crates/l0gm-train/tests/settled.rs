//! The recipe `settled`: warm-up, closing, and a phase in which training and prediction use the same gates.

#![allow(clippy::unwrap_used)]

mod support;

use candle_core::Device;
use l0gm_gate::{GateConfig, GateKind, InferenceGate};
use l0gm_train::{
    Error, LambdaUnit, Outcome, Progress, ProgressEvent, Recipe, RunDir, SelectBy, StopFlag,
    TrainConfig, Training, train,
};
use std::path::Path;
use support::{Model, Synthetic, bits, config, model};

fn small() -> Synthetic {
    Synthetic::new([512, 256, 256], 8, 3, 1)
}

fn settled(epochs: usize, lambda: f64) -> TrainConfig {
    TrainConfig {
        recipe: Recipe::Settled,
        ..config(epochs, lambda)
    }
}

fn fit(
    model: &Model,
    config: &TrainConfig,
    dir: &Path,
    progress: &mut dyn Progress,
    stop: &StopFlag,
) -> Result<Outcome, Error> {
    let task = small();
    let training = Training {
        task: &task,
        model,
        config,
        seed: 0,
        device: &Device::Cpu,
    };
    train(training, &RunDir::open(dir).unwrap(), progress, stop)
}

fn whole(model: &Model, config: &TrainConfig) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    fit(model, config, folder.path(), &mut (), &StopFlag::default()).unwrap()
}

#[test]
fn training_and_prediction_see_the_same_gates_at_the_end_with_lambda_and_with_a_target() {
    for kind in [GateKind::Static, GateKind::PerExample] {
        for inference in [InferenceGate::Median, InferenceGate::Threshold] {
            for (lambda, target) in [(3e-3, None), (0.0, Some("25%"))] {
                let gate = GateConfig {
                    kind,
                    inference,
                    ..GateConfig::default()
                };
                let model = model(8, 32, Some(&gate), 0);
                let config = TrainConfig {
                    target: target.map(|target| target.parse().unwrap()),
                    ..settled(20, lambda)
                };
                let outcome = whole(&model, &config);
                let open = model.gate.active_fraction().unwrap().0;
                let expected = model.gate.expected_l0().unwrap() / 32.0;
                assert!((open - expected).abs() < 0.001, "{open} {expected}");
                if target.is_some() {
                    assert_eq!(open, 0.25);
                }
                // The gates settle after 70% of 20 epochs and do not move after that.
                let late = outcome.history.iter().filter(|epoch| epoch.epoch > 14);
                assert!(late.map(|epoch| epoch.active_fraction).all(|a| a == open));
                assert!(outcome.best_epoch >= 14, "{}", outcome.best_epoch);
            }
        }
    }
}

#[test]
fn the_weights_go_on_learning_under_the_settled_gates_and_the_gates_stay() {
    let config = TrainConfig {
        checkpoint_seconds: 0,
        target: Some("10%".parse().unwrap()),
        ..settled(20, 0.0)
    };
    let folder = tempfile::tempdir().unwrap();
    let model = model(8, 32, Some(&GateConfig::default()), 0);
    let stop = StopFlag::default();
    // Eight steps an epoch: one epoch after the gates have settled.
    let mut until = StopAfter(8 * 15, stop.clone());
    let stopped = fit(&model, &config, folder.path(), &mut until, &stop);
    assert!(matches!(stopped, Err(Error::Stopped)));
    let then = bits(&model);
    let stop = StopFlag::default();
    let mut until = StopAfter(8 * 18, stop.clone());
    let stopped = fit(&model, &config, folder.path(), &mut until, &stop);
    assert!(matches!(stopped, Err(Error::Stopped)));
    for ((name, before), (_, now)) in then.iter().zip(bits(&model)) {
        assert_eq!(*before == now, name.contains("log_alpha"), "{name}");
    }
}

#[test]
fn by_accuracy_the_epoch_with_the_highest_validation_accuracy_is_selected() {
    let config = TrainConfig {
        select_by: SelectBy::Accuracy,
        ..settled(12, 0.0)
    };
    let outcome = whole(&model(8, 16, None, 0), &config);
    let history = &outcome.history;
    let highest = history.iter().map(|e| e.valid_accuracy).fold(0.0, f64::max);
    let first = history.iter().filter(|e| e.valid_accuracy == highest);
    let best = first.min_by(|a, b| a.valid_loss.total_cmp(&b.valid_loss));
    assert_eq!(outcome.best_epoch, best.unwrap().epoch);
    let selection = outcome.selection.unwrap();
    assert_eq!(selection.by, SelectBy::Accuracy);
    assert_eq!(selection.chosen, best.unwrap().valid_loss);
}

#[test]
fn a_dense_model_may_be_selected_at_any_epoch_and_even_before_the_first() {
    let mut config = settled(12, 0.0);
    let outcome = whole(&model(8, 16, None, 0), &config);
    let selection = outcome.selection.unwrap();
    assert_eq!(selection.gap(), 0.0);
    assert_eq!(selection.best_seen_epoch, outcome.best_epoch);
    // A learning rate that destroys the model: what it started from is the best.
    config.optimiser.learning_rate = 30.0;
    config.optimiser.clip_norm = 0.0;
    let ruined = model(8, 16, None, 0);
    let before = bits(&ruined);
    let outcome = whole(&ruined, &config);
    assert_eq!(outcome.best_epoch, 0);
    assert_eq!(bits(&ruined), before);
    let selection = outcome.selection.unwrap();
    assert_eq!(selection.start, Some(selection.chosen));
}

#[test]
fn the_settled_phase_starts_from_the_better_weights_where_the_model_got_worse_before() {
    // Noise features and few rows: with this learning rate the loss is best early and rises long before the gates
    // settle.
    let task = Synthetic::new([64, 256, 64], 24, 2, 5);
    let mut config = TrainConfig {
        target: Some("75%".parse().unwrap()),
        batch_size: 16,
        ..settled(40, 0.0)
    };
    config.optimiser.cosine = false;
    let run = |config: &TrainConfig| {
        let folder = tempfile::tempdir().unwrap();
        let model = model(24, 32, Some(&GateConfig::default()), 0);
        let training = Training {
            task: &task,
            model: &model,
            config,
            seed: 0,
            device: &Device::Cpu,
        };
        let run = RunDir::open(folder.path()).unwrap();
        train(training, &run, &mut (), &StopFlag::default()).unwrap()
    };
    let outcome = run(&config);
    let before = outcome.history.iter().filter(|epoch| epoch.epoch <= 28);
    let best = before.map(|e| e.valid_loss).fold(f64::INFINITY, f64::min);
    let at_28 = outcome.history[27].valid_loss;
    assert!(
        best < 0.95 * at_28,
        "the test needs an overfit: {best} {at_28}"
    );
    let chosen = outcome.selection.unwrap().chosen;
    assert!(chosen < at_28, "{chosen} {at_28}");
    config.recipe = Recipe::Algorithm1;
    let paper = run(&config).selection.unwrap().chosen;
    assert!(chosen < paper, "{chosen} {paper}");
}

#[test]
fn a_training_too_short_to_settle_settles_at_its_end() {
    let model = model(8, 32, Some(&GateConfig::default()), 0);
    let config = TrainConfig {
        batch_size: 512,
        ..settled(1, 1e-3)
    };
    whole(&model, &config);
    let open = model.gate.active_fraction().unwrap().0;
    assert!((open - model.gate.expected_l0().unwrap() / 32.0).abs() < 0.001);
}

/// Requests a stop after this many steps.
struct StopAfter(usize, StopFlag);

impl Progress for StopAfter {
    fn event(&mut self, event: &ProgressEvent) {
        if event.stage == "training" && event.step >= self.0 {
            self.1.stop();
        }
    }
}

#[test]
fn a_training_that_is_cut_off_in_any_phase_ends_with_the_same_bits() {
    for (kind, average_epochs, lambda_unit) in [
        (GateKind::PerExample, 0.0, LambdaUnit::Nat),
        (GateKind::PerExample, 1.5, LambdaUnit::Force),
        (GateKind::Conditional, 0.0, LambdaUnit::Nat),
        (GateKind::Conditional, 1.5, LambdaUnit::Force),
    ] {
        let gate = GateConfig {
            kind,
            ..GateConfig::default()
        };
        let config = TrainConfig {
            checkpoint_seconds: 0,
            average_epochs,
            lambda_unit,
            ..settled(10, 1e-3)
        };
        let straight = model(8, 32, Some(&gate), 0);
        let first = whole(&straight, &config);
        let parts = tempfile::tempdir().unwrap();
        // Eight steps an epoch: in the warm-up, while gates close, and in the settled phase.
        for steps in [3, 30, 65] {
            let model = model(8, 32, Some(&gate), 0);
            let stop = StopFlag::default();
            let mut until = StopAfter(steps, stop.clone());
            let stopped = fit(&model, &config, parts.path(), &mut until, &stop);
            assert!(matches!(stopped, Err(Error::Stopped)));
        }
        let resumed = model(8, 32, Some(&gate), 0);
        let stop = StopFlag::default();
        let last = fit(&resumed, &config, parts.path(), &mut (), &stop).unwrap();
        assert_eq!(bits(&straight), bits(&resumed), "{kind:?}");
        assert_eq!(first.selection, last.selection);
    }
}
