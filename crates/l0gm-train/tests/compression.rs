//! Every technique of `l0gm_train::compression` in the common training loop: how much it leaves, that what it removed is
//! 0, that all the rest learns, and that a run which was cut off goes on to the same result.

#![allow(clippy::unwrap_used)]

mod support;

use candle_core::Device;
use l0gm_gate::Target;
use l0gm_train::{
    Encoder, Error, Kept, OptimiserConfig, Outcome, Progress, ProgressEvent, Recipe, RunDir,
    RunSpec, StopFlag, TECHNIQUES, Technique, TrainConfig, Training, Unit, train,
};
use serde_json::json;
use std::path::Path;
use support::{Model, Synthetic, bits, config, model, spec};

const WIDTH: usize = 8;
const DIM: usize = 20;
const SHARE: f64 = 0.3;

fn task() -> Synthetic {
    Synthetic::new([512, 256, 64], WIDTH, 3, 1)
}

/// The techniques that remove something.
fn removing() -> impl Iterator<Item = &'static Technique> {
    let removes = |technique: &&Technique| technique.info().has_knob();
    TECHNIQUES.into_iter().filter(removes)
}

/// An untrained model for a technique, and the settings by which it trains.
fn ready(technique: &Technique, base: TrainConfig) -> (Model, TrainConfig) {
    let mut config = TrainConfig {
        target: Some(Target::new(SHARE).unwrap()),
        ..base
    };
    let spec = RunSpec {
        settings: json!({ RunSpec::METHOD_SETTINGS: technique.settings() }),
        ..spec(None, 0, &config)
    };
    technique.apply(&spec, &mut config).unwrap();
    let mut model = model(WIDTH, DIM, None, 0);
    let interface = model.encoder.interface();
    model.gate = technique
        .interior()
        .gate(interface, &config, &Device::Cpu)
        .unwrap();
    (model, config)
}

fn fit(
    model: &Model,
    config: &TrainConfig,
    dir: &Path,
    progress: &mut dyn Progress,
    stop: &StopFlag,
) -> l0gm_train::Result<Outcome> {
    let training = Training {
        task: &task(),
        model,
        config,
        seed: 5,
        device: &Device::Cpu,
    };
    train(training, &RunDir::open(dir).unwrap(), progress, stop)
}

fn whole(model: &Model, config: &TrainConfig) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    fit(model, config, folder.path(), &mut (), &StopFlag::default()).unwrap()
}

/// Numbers that are not 0 among the weights (not the biases) of the model.
fn weights_left(model: &Model) -> usize {
    let all = bits(model).into_iter();
    let weights = all.filter(|(name, _)| name.ends_with(".weight"));
    weights
        .flat_map(|(_, values)| values)
        .filter(|bits| f32::from_bits(*bits) != 0.0)
        .count()
}

#[test]
fn each_technique_leaves_exactly_the_share_that_was_asked_for() {
    for technique in removing() {
        let name = technique.info().name;
        for recipe in [Recipe::Algorithm1, Recipe::Settled] {
            let mut base = config(8, 0.0);
            base.recipe = recipe;
            base.average_epochs = if recipe == Recipe::Settled { 1.5 } else { 0.0 };
            let (model, config) = ready(technique, base);
            let outcome = whole(&model, &config);
            let Kept { unit, kept, of } = outcome.kept.unwrap();
            let share = kept as f64 / of as f64;
            assert!(
                (share - SHARE).abs() < 0.5 / of as f64 + 1e-9,
                "{name}: {share}"
            );
            match unit {
                Unit::Weights => {
                    assert_eq!(of, DIM * (WIDTH + 2), "{name}");
                    let left = weights_left(&model);
                    // L0 gates may leave a weight with a gate that is nearly closed, and any weight may reach 0.
                    assert!(left <= kept && left + 2 >= kept, "{name}: {left} of {kept}");
                }
                Unit::Dimensions => {
                    assert_eq!(of, DIM, "{name}");
                    let open = model.gate.hard_mask().unwrap();
                    assert_eq!(open.iter().filter(|open| **open).count(), kept, "{name}");
                }
            }
            let best = outcome.history.iter().map(|epoch| epoch.valid_accuracy);
            let best = best.fold(0.0, f64::max);
            assert!(best > 0.75, "{name}: accuracy {best}");
            assert!(outcome.best_epoch as f64 >= 0.4 * 8.0, "{name}");
        }
    }
}

#[test]
fn a_run_of_one_step_meets_the_target_too() {
    for technique in removing() {
        let mut base = config(1, 0.0);
        base.batch_size = 4096;
        let (model, config) = ready(technique, base);
        let kept = whole(&model, &config).kept.unwrap();
        let name = technique.info().name;
        assert!(
            (kept.share() - SHARE).abs() < 0.5 / kept.of as f64 + 1e-9,
            "{name}"
        );
    }
}

#[test]
fn what_is_left_learns_and_what_was_removed_stays_0_under_momentum_and_decay() {
    for technique in removing() {
        let name = technique.info().name;
        let mut base = config(8, 0.0);
        base.optimiser = OptimiserConfig {
            weight_decay: 0.1,
            ..base.optimiser
        };
        let (model, config) = ready(technique, base);
        let before = bits(&model);
        let kept = whole(&model, &config).kept.unwrap();
        for ((name_of, before), (_, after)) in before.iter().zip(bits(&model)) {
            if name_of.starts_with("gate.") {
                continue;
            }
            let pairs = before.iter().zip(&after);
            let moved = pairs.clone().filter(|(a, b)| a != b).count();
            assert!(moved > 0, "{name}: {name_of} did not move");
            let stuck = pairs.filter(|(a, b)| a == b && f32::from_bits(**b) != 0.0);
            // Every weight has moved, and if only to 0. A bias of a unit that nothing reads any more has no gradient.
            let may_stick = name_of.ends_with(".bias");
            assert!(may_stick || stuck.count() == 0, "{name}: {name_of}");
        }
        if kept.unit == Unit::Weights {
            assert!(weights_left(&model) <= kept.kept, "{name}");
        }
    }
}

/// Asks for a stop at a step.
struct StopAt {
    step: usize,
    flag: StopFlag,
}

impl Progress for StopAt {
    fn event(&mut self, event: &ProgressEvent) {
        if event.stage == "training" && event.step == self.step {
            self.flag.stop();
        }
    }
}

#[test]
fn a_run_that_was_cut_off_goes_on_to_the_same_result() {
    for technique in TECHNIQUES {
        let name = technique.info().name;
        if technique.interior() == l0gm_train::Interior::Dense && !technique.info().has_knob() {
            continue;
        }
        let mut base = config(4, 0.0);
        base.recipe = Recipe::Settled;
        base.average_epochs = 1.0;
        let (model, config) = ready(technique, base.clone());
        let straight = whole(&model, &config);
        let (again, config) = ready(technique, base);
        let folder = tempfile::tempdir().unwrap();
        // In the warm-up, on the way to the target, and after it.
        let steps = straight.steps;
        for step in [2, steps / 3, steps * 6 / 10, steps * 8 / 10] {
            let flag = StopFlag::default();
            let mut progress = StopAt {
                step,
                flag: flag.clone(),
            };
            let stopped = fit(&again, &config, folder.path(), &mut progress, &flag);
            assert!(
                matches!(stopped, Err(Error::Stopped)),
                "{name}, step {step}"
            );
            // A new process starts from an untrained model.
            let (fresh, _) = ready(technique, TrainConfig::default());
            for (old, new) in again.parameters().iter().zip(fresh.parameters()) {
                old.var.set(&new.var).unwrap();
            }
        }
        let outcome = fit(
            &again,
            &config,
            folder.path(),
            &mut (),
            &StopFlag::default(),
        )
        .unwrap();
        assert_eq!(outcome.kept, straight.kept, "{name}");
        assert_eq!(bits(&again), bits(&model), "{name}");
    }
}

#[test]
fn smoothed_labels_and_mixed_rows_make_less_certain_models() {
    let certainty = |change: fn(&mut TrainConfig)| {
        let mut config = config(8, 0.0);
        change(&mut config);
        let model = model(WIDTH, DIM, None, 0);
        let outcome = whole(&model, &config);
        outcome.history.last().unwrap().train_loss
    };
    let plain = certainty(|_| {});
    assert!(certainty(|c| c.label_smoothing = 0.2) > plain + 0.05);
    assert!(certainty(|c| c.mixup = 1.0) > plain + 0.05);
}

#[test]
fn settings_out_of_range_are_refused_by_name() {
    let refused = |name: &str, settings: serde_json::Value| {
        let technique = TECHNIQUES.iter().find(|t| t.info().name == name).unwrap();
        technique.check(&settings).unwrap_err().to_string()
    };
    let text = refused("rigl", json!({"drop": 1.5, "updates": 3}));
    assert!(text.contains("`method.rigl.drop` = 1.5"), "{text}");
    let text = refused("deep-ensemble", json!({"members": 1}));
    assert!(text.contains("2 to 100"), "{text}");
    for technique in TECHNIQUES {
        technique.check(&technique.settings()).unwrap();
    }
}
