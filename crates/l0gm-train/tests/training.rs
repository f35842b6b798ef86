//! The training loop on a small synthetic task.

#![allow(clippy::unwrap_used)]

mod support;

use candle_core::{DType, Device, Tensor};
use l0gm_gate::{Gate, GateConfig};
use l0gm_ops::{Generator, Mode};
use l0gm_train::layers::Linear;
use l0gm_train::{
    Encoder, Error, Optimiser, OptimiserConfig, Parameter, Part, RunDir, StepOutcome, StopFlag,
    TrainConfig, Training, train,
};
use std::path::Path;
use support::{LinearEncoder, Model, Synthetic, bits, config, model};

fn fit(
    task: &Synthetic,
    model: &Model,
    config: &TrainConfig,
    seed: u64,
    dir: &Path,
) -> Result<l0gm_train::Outcome, Error> {
    let run = RunDir::open(dir).unwrap();
    train(
        Training {
            task,
            model,
            config,
            seed,
            device: &Device::Cpu,
        },
        &run,
        &mut (),
        &StopFlag::default(),
    )
}

fn small() -> Synthetic {
    Synthetic::new([512, 256, 256], 8, 3, 1)
}

#[test]
fn one_step_moves_every_parameter_group() {
    let folder = tempfile::tempdir().unwrap();
    let model = model(8, 16, Some(&GateConfig::default()), 0);
    let before = bits(&model);
    let config = TrainConfig {
        batch_size: 512,
        ..config(1, 1e-3)
    };
    let outcome = fit(&small(), &model, &config, 0, folder.path()).unwrap();
    assert_eq!(outcome.steps, 1);
    let after = bits(&model);
    assert_eq!(before.len(), 5);
    for ((name, a), (_, b)) in before.iter().zip(&after) {
        assert_ne!(a, b, "{name} did not move");
    }
}

#[test]
fn training_learns_the_task_and_keeps_the_best_validated_parameters() {
    let folder = tempfile::tempdir().unwrap();
    let model = model(8, 16, None, 0);
    let config = TrainConfig {
        select_from_last: 1.0,
        ..config(8, 0.0)
    };
    let outcome = fit(&small(), &model, &config, 0, folder.path()).unwrap();
    let best = &outcome.history[outcome.best_epoch - 1];
    assert!(best.valid_accuracy > 0.85, "{}", best.valid_accuracy);
    for record in &outcome.history {
        assert!(record.valid_loss >= best.valid_loss);
    }
    let predicted = l0gm_train::predict(
        &small(),
        &model,
        l0gm_train::Split::Valid,
        100,
        &Device::Cpu,
        &mut (),
        &StopFlag::default(),
    )
    .unwrap();
    assert!((predicted.nll() - best.valid_loss).abs() < 1e-6);
}

#[test]
fn only_the_last_part_of_training_may_be_selected() {
    let folder = tempfile::tempdir().unwrap();
    let config = TrainConfig {
        select_from_last: 0.25,
        validate_every: 3,
        ..config(8, 0.0)
    };
    let outcome = fit(&small(), &model(8, 16, None, 0), &config, 0, folder.path()).unwrap();
    let validated: Vec<usize> = outcome.history.iter().map(|record| record.epoch).collect();
    assert_eq!(validated, [3, 6, 8]);
    assert_eq!(outcome.best_epoch, 8);
}

#[test]
fn patience_ends_training_early() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = TrainConfig {
        patience: 2,
        select_from_last: 1.0,
        ..config(60, 0.0)
    };
    config.optimiser.learning_rate = 0.3;
    let outcome = fit(&small(), &model(8, 16, None, 0), &config, 0, folder.path()).unwrap();
    let last = outcome.history.last().unwrap().epoch;
    assert!(last < 60, "{last}");
    assert_eq!(last, outcome.best_epoch + 2);
}

#[test]
fn the_same_seed_gives_the_same_bits_and_another_seed_others() {
    let run = |seed| {
        let folder = tempfile::tempdir().unwrap();
        let model = model(8, 16, Some(&GateConfig::default()), seed);
        fit(&small(), &model, &config(2, 1e-3), seed, folder.path()).unwrap();
        bits(&model)
    };
    let first = run(7);
    assert_eq!(first, run(7));
    assert_ne!(first, run(8));
}

#[test]
fn active_fraction_answers_to_lambda_over_the_whole_grid() {
    // Far more dimensions than the task needs, and 1,000 steps.
    let task = Synthetic::new([3200, 512, 256], 16, 4, 3);
    let fractions: Vec<f64> = [1e-4, 3e-4, 1e-3, 3e-3, 1e-2]
        .into_iter()
        .map(|lambda| {
            let folder = tempfile::tempdir().unwrap();
            let model = model(16, 64, Some(&GateConfig::default()), 0);
            let config = TrainConfig {
                validate_every: 20,
                ..config(20, lambda)
            };
            let outcome = fit(&task, &model, &config, 0, folder.path()).unwrap();
            outcome.history.last().unwrap().active_fraction
        })
        .collect();
    println!("active fractions: {fractions:?}");
    assert!(
        fractions.windows(2).all(|pair| pair[1] < pair[0]),
        "{fractions:?}"
    );
    assert!(fractions[0] > 0.6 && fractions[4] < 0.25, "{fractions:?}");
}

#[test]
fn a_gradient_that_is_not_finite_stops_the_run_and_keeps_the_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let config = TrainConfig {
        checkpoint_seconds: 0,
        ..config(3, 1e-3)
    };
    let mut task = small();
    // Find the row in the middle of the first epoch; its features become NaN.
    let mut order = Generator::new(5).stream("epoch", 0);
    let planned = l0gm_train::Task::plan(&task, l0gm_train::Split::Train, 64, Some(&mut order));
    task.poisoned = Some(planned[4][0]);
    let gated = model(8, 16, Some(&GateConfig::default()), 5);
    let error = fit(&task, &gated, &config, 5, folder.path()).unwrap_err();
    assert!(matches!(error, Error::NotFinite(_)), "{error}");
    let text = error.to_string();
    assert!(
        text.contains("epoch 1, step 5") && text.contains("after step 4"),
        "{text}"
    );

    // The kept checkpoint is good: once the cause is removed, the run ends as if nothing had happened.
    task.poisoned = None;
    fit(&task, &gated, &config, 5, folder.path()).unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    let straight = model(8, 16, Some(&GateConfig::default()), 5);
    fit(&task, &straight, &config, 5, elsewhere.path()).unwrap();
    assert_eq!(bits(&gated), bits(&straight));
}

#[test]
fn a_gradient_that_is_not_finite_names_its_parameter_and_moves_nothing() {
    let device = Device::Cpu;
    let layer = Linear::new(
        "layer",
        Part::Head,
        3,
        2,
        true,
        &mut Generator::new(0),
        &device,
    )
    .unwrap();
    let mut optimiser =
        Optimiser::new(&layer.parameters(), &OptimiserConfig::default(), 10).unwrap();
    let x = Tensor::new(&[[1f32, f32::INFINITY, 1.0]], &device).unwrap();
    let before = layer.bias().unwrap().to_vec1::<f32>().unwrap();
    let mut gradients = layer
        .forward(&x)
        .unwrap()
        .sum_all()
        .unwrap()
        .backward()
        .unwrap();
    let outcome = optimiser.step(&mut gradients, 0.0, true).unwrap();
    assert_eq!(
        outcome,
        StepOutcome::NotFinite {
            parameter: "layer.weight".to_owned()
        }
    );
    assert_eq!(layer.bias().unwrap().to_vec1::<f32>().unwrap(), before);
    assert_eq!(optimiser.steps_taken(), 0);
}

/// An encoder that cuts off the gradient, as an op without a backward pass does.
struct Detached(LinearEncoder);

impl Encoder for Detached {
    type Input = Tensor;

    fn interface(&self) -> l0gm_gate::Interface {
        self.0.interface()
    }

    fn encode(&self, input: &Tensor, mode: &mut Mode<'_>) -> candle_core::Result<Tensor> {
        Ok(self.0.encode(input, mode)?.detach())
    }

    fn parameters(&self) -> Vec<Parameter> {
        self.0.parameters()
    }
}

#[test]
fn a_parameter_that_no_gradient_reaches_is_named_in_the_first_step() {
    let folder = tempfile::tempdir().unwrap();
    let Model { encoder, head, .. } = model(8, 16, None, 0);
    let gate = Gate::identity(encoder.interface());
    let cut = l0gm_train::GatedModel {
        encoder: Detached(encoder),
        gate,
        head,
    };
    let run = RunDir::open(folder.path()).unwrap();
    let error = train(
        Training {
            task: &small(),
            model: &cut,
            config: &config(1, 0.0),
            seed: 0,
            device: &Device::Cpu,
        },
        &run,
        &mut (),
        &StopFlag::default(),
    )
    .unwrap_err();
    let text = error.to_string();
    assert!(text.contains("encoder.weight, encoder.bias"), "{text}");
    assert!(text.contains("2 of 4"), "{text}");
}

#[test]
fn weights_decay_biases_and_gates_do_not() {
    let device = Device::Cpu;
    let gated = model(2, 2, Some(&GateConfig::default()), 0);
    let settings = OptimiserConfig {
        weight_decay: 0.5,
        ..OptimiserConfig::default()
    };
    let parameters = gated.parameters();
    let mut optimiser = Optimiser::new(&parameters, &settings, 10).unwrap();
    let before = bits(&gated);
    // The loss has a gradient of exactly zero everywhere, so only weight decay moves a parameter.
    let mut loss = Tensor::zeros((), DType::F32, &device).unwrap();
    for parameter in &parameters {
        let sum = parameter.var.sum_all().unwrap();
        let zero = (&sum - &sum).unwrap();
        loss = (loss + zero).unwrap();
    }
    let mut gradients = loss.backward().unwrap();
    optimiser.step(&mut gradients, 0.0, true).unwrap();
    for ((name, a), (_, b)) in before.iter().zip(bits(&gated)) {
        assert_eq!(*a != b, name.ends_with("weight"), "{name}");
    }
}

#[test]
fn settings_out_of_range_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let with = |change: fn(&mut TrainConfig)| {
        let mut config = config(1, 0.0);
        change(&mut config);
        fit(&small(), &model(8, 4, None, 0), &config, 0, folder.path())
            .unwrap_err()
            .to_string()
    };
    for (name, text) in [
        ("epochs", with(|c| c.epochs = 0)),
        ("batch-size", with(|c| c.batch_size = 0)),
        ("validate-every", with(|c| c.validate_every = 0)),
        ("select-from-last", with(|c| c.select_from_last = 0.0)),
        (
            "optimiser.learning-rate",
            with(|c| c.optimiser.learning_rate = -1.0),
        ),
        ("optimiser.beta1", with(|c| c.optimiser.beta1 = 1.0)),
        (
            "optimiser.clip-norm",
            with(|c| c.optimiser.clip_norm = f64::NAN),
        ),
        ("lambda", with(|c| c.objective.lambda = -1.0)),
        ("temperature", with(|c| c.schedule.start_temperature = 0.0)),
    ] {
        assert!(text.contains(name), "{name}: {text}");
    }
}

#[test]
fn a_task_without_validation_rows_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let empty = Synthetic::new([64, 0, 0], 8, 3, 1);
    let error = fit(
        &empty,
        &model(8, 4, None, 0),
        &config(1, 0.0),
        0,
        folder.path(),
    )
    .unwrap_err();
    assert!(error.to_string().contains("64 and 0"), "{error}");
}
