//! The running mean of the weights, and lambda in units of the task's force on the gates.

#![allow(clippy::unwrap_used)]

mod support;

use candle_core::Device;
use l0gm_gate::{GateConfig, PenaltyReduction, ScheduleKind};
use l0gm_train::{LambdaUnit, Outcome, Recipe, RunDir, StopFlag, TrainConfig, Training, train};
use support::{Model, Synthetic, bits, config, model};

fn fit(task: &Synthetic, model: &Model, config: &TrainConfig) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    let training = Training {
        task,
        model,
        config,
        seed: 0,
        device: &Device::Cpu,
    };
    let run = RunDir::open(folder.path()).unwrap();
    train(training, &run, &mut (), &StopFlag::default()).unwrap()
}

fn settled(epochs: usize, lambda: f64) -> TrainConfig {
    TrainConfig {
        recipe: Recipe::Settled,
        ..config(epochs, lambda)
    }
}

#[test]
fn the_mean_of_one_step_is_the_weights_after_it() {
    let task = Synthetic::new([64, 64, 64], 8, 3, 1);
    let once = TrainConfig {
        batch_size: 64,
        ..config(1, 0.0)
    };
    let averaged = TrainConfig {
        average_epochs: 4.0,
        ..once.clone()
    };
    let [plain, mean] = [once, averaged].map(|config| {
        let model = model(8, 16, None, 0);
        fit(&task, &model, &config);
        bits(&model)
    });
    assert_eq!(plain, mean);
}

#[test]
fn the_mean_of_the_weights_is_better_than_the_weights_where_steps_are_too_long() {
    let task = Synthetic::new([256, 1024, 64], 8, 3, 1);
    let mut plain = TrainConfig {
        batch_size: 16,
        ..settled(8, 0.0)
    };
    plain.optimiser.cosine = false;
    plain.optimiser.learning_rate = 0.1;
    let averaged = TrainConfig {
        average_epochs: 2.0,
        ..plain.clone()
    };
    let [plain, mean] = [plain, averaged].map(|config| {
        let outcome = fit(&task, &model(8, 16, None, 0), &config);
        // The first epochs are the same noise; what counts is where the training leads.
        let late = outcome.history.iter().filter(|epoch| epoch.epoch > 4);
        late.map(|epoch| epoch.valid_loss).sum::<f64>() / 4.0
    });
    assert!(mean < 0.98 * plain, "{mean} {plain}");
}

/// Labels from `informative` features, and the share of 64 gates that a lambda in units of the task's force leaves open.
fn left_open(rows: usize, informative: usize, penalty: PenaltyReduction, batch_size: usize) -> f64 {
    let task = Synthetic::new([rows, 256, 64], 16, informative, 1);
    let gate = GateConfig {
        penalty,
        ..GateConfig::default()
    };
    let config = TrainConfig {
        lambda_unit: LambdaUnit::Force,
        batch_size,
        ..settled(20, 2.0)
    };
    let model = model(16, 64, Some(&gate), 0);
    let outcome = fit(&task, &model, &config);
    let lambdas = outcome.history.iter().map(|epoch| epoch.lambda);
    // In the warm-up nothing is penalised; after the ramp lambda stays what it is until the gates settle.
    let lambdas: Vec<f64> = lambdas.collect();
    assert_eq!(lambdas[0], 0.0);
    assert!(lambdas[9] > 0.0 && lambdas[9] == lambdas[12], "{lambdas:?}");
    model.gate.active_fraction().unwrap().0
}

#[test]
fn lambda_in_units_of_the_tasks_force_depends_neither_on_the_reduction_nor_much_on_rows_and_batches()
 {
    let sum = left_open(512, 3, PenaltyReduction::Sum, 64);
    let mean = left_open(512, 3, PenaltyReduction::Mean, 64);
    assert!((sum - mean).abs() < 0.05, "{sum} {mean}");
    let mut open = vec![sum];
    for (rows, batch_size) in [(512, 16), (2048, 64), (2048, 256)] {
        open.push(left_open(rows, 3, PenaltyReduction::Sum, batch_size));
    }
    assert!(
        open.iter().all(|&open| 0.02 < open && open < 0.7),
        "{open:?}"
    );
}

#[test]
fn a_schedule_without_warm_up_measures_the_force_in_its_first_steps() {
    let task = Synthetic::new([512, 256, 64], 8, 3, 1);
    let mut config = TrainConfig {
        lambda_unit: LambdaUnit::Force,
        ..settled(10, 2.0)
    };
    config.schedule.kind = ScheduleKind::None;
    let model = model(8, 32, Some(&GateConfig::default()), 0);
    let outcome = fit(&task, &model, &config);
    assert!(outcome.history[2].lambda > 0.0);
    assert!(model.gate.active_fraction().unwrap().0 < 1.0);
}
