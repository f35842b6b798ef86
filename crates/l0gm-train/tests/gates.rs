//! The training loop with the various gates: kinds, a calibration term, a requested active fraction, schedules.

#![allow(clippy::unwrap_used)]

mod support;

use candle_core::Device;
use l0gm_gate::{CouplingKind, GateConfig, GateKind, InferenceGate, ScheduleKind, Target};
use l0gm_train::{
    Error, Outcome, Progress, ProgressEvent, RunDir, StopFlag, TrainConfig, Training, train,
};
use std::path::Path;
use support::{Model, Synthetic, bits, config, model};

fn fit(
    task: &Synthetic,
    model: &Model,
    config: &TrainConfig,
    dir: &Path,
) -> Result<Outcome, Error> {
    let run = RunDir::open(dir).unwrap();
    let stop = StopFlag::default();
    train(
        Training {
            task,
            model,
            config,
            seed: 0,
            device: &Device::Cpu,
        },
        &run,
        &mut (),
        &stop,
    )
}

fn small() -> Synthetic {
    Synthetic::new([512, 256, 256], 8, 3, 1)
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

fn conditional() -> GateConfig {
    GateConfig {
        kind: GateKind::Conditional,
        ..GateConfig::default()
    }
}

#[test]
fn one_step_moves_a_conditional_gates_bias_and_weight() {
    let folder = tempfile::tempdir().unwrap();
    let model = model(8, 16, Some(&conditional()), 0);
    let before = bits(&model);
    let config = TrainConfig {
        batch_size: 512,
        ..config(1, 1e-3)
    };
    fit(&small(), &model, &config, folder.path()).unwrap();
    let names: Vec<&String> = before.iter().map(|(name, _)| name).collect();
    assert!(names.contains(&&"gate.weight".to_owned()), "{names:?}");
    for ((name, a), (_, b)) in before.iter().zip(&bits(&model)) {
        assert_ne!(a, b, "{name} did not move");
    }
}

#[test]
fn a_calibration_term_changes_what_is_learned_and_leaves_no_parameter_still() {
    let task = small();
    let mut found = Vec::new();
    for kind in [
        CouplingKind::None,
        CouplingKind::SoftEce,
        CouplingKind::Mmce,
    ] {
        for weight in [0.1, 1.0] {
            let folder = tempfile::tempdir().unwrap();
            let model = model(8, 16, Some(&GateConfig::default()), 0);
            let before = bits(&model);
            let mut config = config(2, 1e-3);
            config.objective.coupling.kind = kind;
            config.objective.coupling.weight = weight;
            fit(&task, &model, &config, folder.path()).unwrap();
            let after = bits(&model);
            for ((name, a), (_, b)) in before.iter().zip(&after) {
                assert_ne!(a, b, "{name} did not move");
            }
            found.push(after);
        }
    }
    // With kind None the weight has no effect, so the first two agree; every other pair must differ.
    assert_eq!(found[0], found[1]);
    for i in 1..found.len() {
        for j in 0..i {
            assert!((i, j) == (1, 0) || found[i] != found[j], "{i} {j}");
        }
    }
}

/// Trains 30 epochs with a target and returns the model and the outcome.
fn aimed(gate: &GateConfig, target: &str, folder: &Path) -> (Model, Outcome) {
    let mut config = config(30, 0.0);
    config.target = Some(target.parse().unwrap());
    let model = model(8, 64, Some(gate), 0);
    let outcome = fit(&small(), &model, &config, folder).unwrap();
    (model, outcome)
}

#[test]
fn a_target_is_reached_within_a_point_for_every_kind_of_gate_and_held_to_the_end() {
    for kind in [
        GateKind::Static,
        GateKind::PerExample,
        GateKind::Conditional,
    ] {
        for inference in [InferenceGate::Median, InferenceGate::Threshold] {
            for target in ["10%", "0.25"] {
                let folder = tempfile::tempdir().unwrap();
                let gate = GateConfig {
                    kind,
                    inference,
                    ..GateConfig::default()
                };
                let (_, outcome) = aimed(&gate, target, folder.path());
                let wanted: f64 = target.parse::<Target>().unwrap().active();
                let settled = outcome.history.iter().filter(|record| record.epoch > 21);
                for record in settled {
                    let off = (record.active_fraction - wanted).abs();
                    assert!(off < 0.01, "{kind:?} {inference:?} {target}: {record:?}");
                }
                assert!(outcome.best_epoch > 21, "{}", outcome.best_epoch);
                let best = &outcome.history[outcome.best_epoch - 1];
                assert!(best.valid_accuracy > 0.8, "{kind:?}: {best:?}");
            }
        }
    }
}

#[test]
fn an_aimed_run_that_is_cut_off_ends_with_the_same_bits() {
    for kind in [GateKind::PerExample, GateKind::Conditional] {
        let gate = GateConfig {
            kind,
            ..GateConfig::default()
        };
        let mut config = TrainConfig {
            checkpoint_seconds: 0,
            ..config(10, 0.0)
        };
        config.target = Some("25%".parse().unwrap());
        let whole = tempfile::tempdir().unwrap();
        let first = model(8, 32, Some(&gate), 0);
        fit(&small(), &first, &config, whole.path()).unwrap();
        // Stop once while the multiplier moves, and once after the gates have settled.
        let parts = tempfile::tempdir().unwrap();
        let run = RunDir::open(parts.path()).unwrap();
        for steps in [30, 65] {
            let second = model(8, 32, Some(&gate), 0);
            let stop = StopFlag::default();
            let mut until = StopAfter(steps, stop.clone());
            let error = train(
                Training {
                    task: &small(),
                    model: &second,
                    config: &config,
                    seed: 0,
                    device: &Device::Cpu,
                },
                &run,
                &mut until,
                &stop,
            );
            assert!(matches!(error, Err(Error::Stopped)));
        }
        let third = model(8, 32, Some(&gate), 0);
        drop(run);
        fit(&small(), &third, &config, parts.path()).unwrap();
        assert_eq!(bits(&first), bits(&third), "{kind:?}");
    }
}

#[test]
fn a_target_beside_a_warm_up_that_leaves_no_time_is_refused() {
    let mut config = config(2, 0.0);
    config.target = Some("25%".parse().unwrap());
    config.schedule.warmup = 0.6;
    let text = config.check().unwrap_err().to_string();
    assert!(
        text.contains("controller.reach") && text.contains("0.6"),
        "{text}"
    );
    config.target = None;
    config.check().unwrap();
}

#[test]
fn the_schedule_without_annealing_and_hardening_below_two_thirds_train_to_what_they_say() {
    let end = |change: &dyn Fn(&mut TrainConfig)| {
        let folder = tempfile::tempdir().unwrap();
        let mut model = model(8, 16, Some(&GateConfig::default()), 0);
        let mut config = config(10, 1e-2);
        change(&mut config);
        let used = config.schedule.final_temperature();
        model.gate = model.gate.at_temperature(used).unwrap();
        let outcome = fit(&small(), &model, &config, folder.path()).unwrap();
        (outcome.history[0].clone(), outcome.history[9].clone())
    };
    let (first, last) = end(&|c| c.schedule.kind = ScheduleKind::None);
    assert_eq!((first.lambda, last.lambda), (1e-2, 1e-2));
    assert_eq!(first.temperature, last.temperature);
    let (first, last) = end(&|c| c.schedule.end_temperature = 0.1);
    assert!(first.lambda < 1e-2 && last.lambda == 1e-2);
    assert!((last.temperature - 0.1).abs() < 1e-9 && first.temperature > 0.6);
    assert!(last.valid_loss.is_finite() && last.active_fraction > 0.0);
}

#[test]
fn a_gate_for_another_temperature_than_the_schedule_ends_at_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let model = model(8, 16, Some(&GateConfig::default()), 0);
    let mut config = config(2, 1e-2);
    config.schedule.end_temperature = 0.1;
    let text = fit(&small(), &model, &config, folder.path())
        .unwrap_err()
        .to_string();
    assert!(
        text.contains("temperature 0.6666") && text.contains("ends at 0.1"),
        "{text}"
    );
}
