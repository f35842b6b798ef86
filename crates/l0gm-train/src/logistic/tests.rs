//! Known answers, gradients, and what must not go wrong.
#![allow(clippy::unwrap_used)]
use super::loss::Objective;
use super::*;
use crate::{Progress, ProgressEvent, StopFlag};
use candle_core::{Device, Tensor};
use l0gm_ops::{Csr, Generator};

/// Rows that hold every value, zeros left out.
fn rows(columns: usize, values: &[f32]) -> Csr {
    let (mut indptr, mut indices, mut kept) = (vec![0], Vec::new(), Vec::new());
    for row in values.chunks_exact(columns) {
        for (column, value) in row.iter().enumerate().filter(|(_, v)| **v != 0.0) {
            indices.push(column as u32);
            kept.push(*value);
        }
        indptr.push(indices.len() as u32);
    }
    Csr::new(values.len() / columns, columns, indptr, indices, kept).unwrap()
}

/// Noisy rows of so many classes, about a third of the entries 0.
fn noisy(count: usize, columns: usize, classes: usize, seed: u64) -> (Csr, Vec<u32>) {
    let mut random = Generator::new(seed);
    let labels: Vec<u32> = (0..count as u64)
        .map(|i| (i % classes as u64) as u32)
        .collect();
    let mut values = Vec::new();
    for label in &labels {
        for column in 0..columns {
            let signal = f64::from(column as u32 % classes as u32 == *label);
            let value = random.normal() + signal;
            values.push(if random.uniform() < 0.33 {
                0.0
            } else {
                value as f32
            });
        }
    }
    (rows(columns, &values), labels)
}

fn settings(strengths: &[f64]) -> LogisticSettings {
    LogisticSettings {
        strengths: strengths.to_vec(),
        max_iterations: 2000,
        tolerance: 1e-9,
    }
}

fn fitted(rows: &Csr, labels: &[u32], classes: usize, settings: &LogisticSettings) -> LogisticFit {
    let part = Labelled {
        rows: Rows::Sparse(rows),
        labels,
    };
    fit_logistic(part, part, classes, settings, &mut (), &StopFlag::default()).unwrap()
}

#[test]
fn the_gradient_is_that_of_finite_differences() {
    for classes in [2, 4] {
        let (rows, labels) = noisy(37, 5, classes, 3);
        let objective = Objective {
            rows: Rows::Sparse(&rows),
            labels: &labels,
            outputs: super::model::outputs(classes),
            strength: 0.7,
        };
        let mut random = Generator::new(1);
        let at: Vec<f64> = (0..objective.parameters())
            .map(|_| random.normal())
            .collect();
        let (_, gradient) = objective.value_and_gradient(&at).unwrap();
        for i in 0..at.len() {
            let moved = |by: f64| {
                let mut there = at.clone();
                there[i] += by;
                objective.value_and_gradient(&there).unwrap().0
            };
            let numeric = (moved(1e-5) - moved(-1e-5)) / 2e-5;
            assert!((numeric - gradient[i]).abs() < 1e-8, "{classes} {i}");
        }
    }
}

/// The same rows written out in full.
fn dense(rows: &Csr) -> Tensor {
    let mut values = vec![0f32; rows.rows() * rows.columns()];
    for row in 0..rows.rows() {
        let (columns, entries) = super::loss::entries(rows, row);
        for (column, value) in columns.iter().zip(entries) {
            values[row * rows.columns() + *column as usize] = *value;
        }
    }
    Tensor::from_vec(values, (rows.rows(), rows.columns()), &Device::Cpu).unwrap()
}

#[test]
fn rows_written_out_in_full_have_the_same_objective_and_the_same_fit() {
    for classes in [2, 4] {
        let (rows, labels) = noisy(90, 7, classes, 3);
        let matrix = dense(&rows);
        let objective = |rows| Objective {
            rows,
            labels: &labels,
            outputs: super::model::outputs(classes),
            strength: 0.7,
        };
        let sparse = objective(Rows::Sparse(&rows));
        let mut random = Generator::new(1);
        let at: Vec<f64> = (0..sparse.parameters()).map(|_| random.normal()).collect();
        let (value, gradient) = sparse.value_and_gradient(&at).unwrap();
        let dense = objective(Rows::Dense(&matrix));
        let (same_value, same_gradient) = dense.value_and_gradient(&at).unwrap();
        assert!((value - same_value).abs() < 1e-5, "{value} {same_value}");
        for (a, b) in gradient.iter().zip(&same_gradient) {
            assert!((a - b).abs() < 1e-6, "{a} {b}");
        }
        let settings = LogisticSettings::default();
        let expected = fitted(&rows, &labels, classes, &settings);
        let part = Labelled {
            rows: Rows::Dense(&matrix),
            labels: &labels,
        };
        let stop = StopFlag::default();
        let found = fit_logistic(part, part, classes, &settings, &mut (), &stop).unwrap();
        assert_eq!(found.chosen.strength, expected.chosen.strength);
        let (a, b) = (
            expected.model.logits(&rows).unwrap(),
            found.model.matrix_logits(&matrix).unwrap(),
        );
        let apart = a.iter().zip(&b).map(|(a, b)| (a - b).abs());
        assert!(apart.fold(0.0, f32::max) < 2e-2);
    }
}

/// Rows that are multiplied and never looked at.
#[derive(Debug)]
struct Multiplied(Tensor, Csr);

impl RowProducts for Multiplied {
    fn count(&self) -> usize {
        self.1.rows()
    }
    fn columns(&self) -> usize {
        self.1.columns()
    }
    fn times(&self, weight: &Tensor) -> candle_core::Result<Tensor> {
        self.0.matmul(weight)
    }
    fn transposed_times(&self, residuals: &Tensor) -> candle_core::Result<Tensor> {
        self.0.t()?.matmul(residuals)
    }
    fn moments(&self) -> candle_core::Result<(Vec<f64>, Vec<f64>)> {
        Rows::Sparse(&self.1)
            .moments()
            .map_err(candle_core::Error::wrap)
    }
    fn multiplications(&self) -> usize {
        self.0.elem_count()
    }
}

#[test]
fn rows_that_are_only_multiplied_have_the_same_objective_and_the_same_fit() {
    for classes in [2, 4] {
        let (rows, labels) = noisy(90, 7, classes, 3);
        let double = dense(&rows).to_dtype(candle_core::DType::F64).unwrap();
        let products = Multiplied(double, rows.clone());
        let objective = |rows| Objective {
            rows,
            labels: &labels,
            outputs: super::model::outputs(classes),
            strength: 0.7,
        };
        let mut random = Generator::new(1);
        let sparse = objective(Rows::Sparse(&rows));
        let at: Vec<f64> = (0..sparse.parameters()).map(|_| random.normal()).collect();
        let (value, gradient) = sparse.value_and_gradient(&at).unwrap();
        let same = objective(Rows::Products(&products));
        let (same_value, same_gradient) = same.value_and_gradient(&at).unwrap();
        assert!((value - same_value).abs() < 1e-12, "{value} {same_value}");
        for (a, b) in gradient.iter().zip(&same_gradient) {
            assert!((a - b).abs() < 1e-12, "{a} {b}");
        }
        let settings = LogisticSettings::default();
        let expected = fitted(&rows, &labels, classes, &settings);
        let part = Labelled {
            rows: Rows::Products(&products),
            labels: &labels,
        };
        let stop = StopFlag::default();
        let found = fit_logistic(part, part, classes, &settings, &mut (), &stop).unwrap();
        let (a, b) = (
            expected.model.logits(&rows).unwrap(),
            found.model.logits_of(Rows::Products(&products)).unwrap(),
        );
        let apart = a.iter().zip(&b).map(|(a, b)| (a - b).abs());
        assert!(apart.fold(0.0, f32::max) < 1e-3);
    }
}

#[test]
fn two_classes_solve_the_stationary_equations() {
    // x = -1, 1 labelled 0, 1, strength 1: by symmetry b = 0, and w solves w = 2 sigmoid(-w).
    let rows = rows(1, &[-1.0, 1.0]);
    let fit = fitted(&rows, &[0, 1], 2, &settings(&[1.0]));
    let logits = fit.model.logits(&rows).unwrap();
    let (mut low, mut high) = (0.0f64, 2.0f64);
    for _ in 0..200 {
        let w = (low + high) / 2.0;
        if w < 2.0 / (1.0 + w.exp()) {
            low = w;
        } else {
            high = w;
        }
    }
    assert!(
        (f64::from(logits[3]) - low).abs() < 1e-6,
        "{logits:?} {low}"
    );
    assert!((f64::from(logits[1]) + low).abs() < 1e-6);
    assert_eq!((logits[0], logits[2]), (0.0, 0.0));
}

#[test]
fn a_softmax_of_two_classes_with_half_the_strength_is_the_sigmoid() {
    // Weights w/2 and -w/2 have half the squares of w: the softmax needs twice the strength. Its two of three
    // classes are fitted here by giving the third no rows.
    let (rows, labels) = noisy(60, 4, 2, 5);
    let two = fitted(&rows, &labels, 2, &settings(&[1.0]));
    let three = fitted(&rows, &labels, 3, &settings(&[2.0]));
    let (two, three) = (
        two.model.logits(&rows).unwrap(),
        three.model.logits(&rows).unwrap(),
    );
    for (a, b) in two.chunks_exact(2).zip(three.chunks_exact(3)) {
        assert!(((a[1] - a[0]) - (b[1] - b[0])).abs() < 1e-3, "{a:?} {b:?}");
        assert!(b[2] < b[0].max(b[1]) - 5.0, "{b:?}");
    }
}

#[test]
fn separable_rows_give_finite_weights() {
    let rows = rows(2, &[1.0, 0.0, 2.0, 0.0, 0.0, 1.0, 0.0, 3.0]);
    for strength in [1.0, 1e-4] {
        let fit = fitted(&rows, &[0, 0, 1, 1], 2, &settings(&[strength]));
        let logits = fit.model.logits(&rows).unwrap();
        assert!(logits.iter().all(|z| z.is_finite() && z.abs() < 100.0));
        assert!(logits[1] < 0.0 && logits[5] > 0.0);
    }
}

#[test]
fn a_class_without_a_training_row_gets_a_small_finite_share() {
    let (train, labels) = noisy(90, 4, 2, 8);
    let valid = rows(4, &[0.5; 12]);
    let fit = fit_logistic(
        Labelled {
            rows: Rows::Sparse(&train),
            labels: &labels,
        },
        Labelled {
            rows: Rows::Sparse(&valid),
            labels: &[0, 1, 2],
        },
        3,
        &LogisticSettings::default(),
        &mut (),
        &StopFlag::default(),
    )
    .unwrap();
    assert!(fit.chosen.valid_nll.is_finite());
    let logits = fit.model.logits(&valid).unwrap();
    assert!(logits.iter().all(|z| z.is_finite()), "{logits:?}");
}

#[test]
fn huge_features_do_not_overflow() {
    let rows = rows(1, &[1e4, -1e4, 2e4, -3e4]);
    let fit = fitted(&rows, &[1, 0, 1, 0], 2, &LogisticSettings::default());
    assert!(fit.chosen.valid_nll < 0.01, "{:?}", fit.chosen);
}

#[test]
fn the_strength_with_the_lowest_validation_loss_is_kept() {
    let (train, labels) = noisy(60, 30, 3, 1);
    let (valid, valid_labels) = noisy(300, 30, 3, 2);
    let fit = fit_logistic(
        Labelled {
            rows: Rows::Sparse(&train),
            labels: &labels,
        },
        Labelled {
            rows: Rows::Sparse(&valid),
            labels: &valid_labels,
        },
        3,
        &LogisticSettings::default(),
        &mut (),
        &StopFlag::default(),
    )
    .unwrap();
    let lowest = fit
        .trials
        .iter()
        .map(|t| t.valid_nll)
        .fold(f64::INFINITY, f64::min);
    assert_eq!(fit.chosen.valid_nll, lowest);
    assert!(
        fit.trials.len() < 11,
        "weak penalties that do not help are left out"
    );
    assert!(fit.trials.windows(2).all(|t| t[0].strength > t[1].strength));
    assert!(
        fit.note()
            .contains(&format!("L2 strength {}", fit.chosen.strength)),
        "{}",
        fit.note()
    );
}

#[test]
fn the_same_rows_give_the_same_bits_on_any_number_of_threads() {
    let (rows, labels) = noisy(500, 20, 3, 4);
    let on = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| fitted(&rows, &labels, 3, &LogisticSettings::default()).model)
    };
    assert_eq!(on(1), on(3));
}

#[test]
fn a_dense_row_and_its_sparse_form_have_the_same_logits() {
    for classes in [2, 3] {
        let (rows, labels) = noisy(40, 6, classes, 9);
        let model = fitted(&rows, &labels, classes, &LogisticSettings::default()).model;
        let all = model.logits(&rows).unwrap();
        let mut dense = vec![0f32; 6];
        for at in rows.indptr()[7] as usize..rows.indptr()[8] as usize {
            dense[rows.indices()[at] as usize] = rows.values()[at];
        }
        assert_eq!(
            model.dense_logits(&dense).unwrap(),
            all[7 * classes..8 * classes]
        );
    }
}

#[test]
fn a_request_to_stop_ends_the_fit() {
    /// Stops at the third event.
    struct Stopper(StopFlag, usize);
    impl Progress for Stopper {
        fn event(&mut self, event: &ProgressEvent) {
            assert!(event.loss.is_some_and(f64::is_finite));
            self.1 += 1;
            if self.1 == 3 {
                self.0.stop();
            }
        }
    }
    let (rows, labels) = noisy(60, 30, 3, 1);
    let part = Labelled {
        rows: Rows::Sparse(&rows),
        labels: &labels,
    };
    let stop = StopFlag::default();
    let mut stopper = Stopper(stop.clone(), 0);
    let outcome = fit_logistic(
        part,
        part,
        3,
        &LogisticSettings::default(),
        &mut stopper,
        &stop,
    );
    assert!(matches!(outcome, Err(crate::Error::Stopped)));
    assert_eq!(stopper.1, 3);
}

#[test]
fn what_does_not_fit_is_named() {
    let (good, labels) = noisy(6, 3, 2, 0);
    let part = Labelled {
        rows: Rows::Sparse(&good),
        labels: &labels,
    };
    let message = |train: Labelled<'_>, classes: usize, settings: &LogisticSettings| {
        let outcome = fit_logistic(
            train,
            part,
            classes,
            settings,
            &mut (),
            &StopFlag::default(),
        );
        outcome.unwrap_err().to_string()
    };
    let usual = LogisticSettings::default();
    let nan = rows(3, &[1.0, f32::NAN, 1.0, 2.0, 3.0, 4.0]);
    let found = message(
        Labelled {
            rows: Rows::Sparse(&nan),
            labels: &[0, 1],
        },
        2,
        &usual,
    );
    assert!(
        found.contains("feature 1 of training row 0 is NaN"),
        "{found}"
    );
    let found = message(
        Labelled {
            rows: Rows::Sparse(&good),
            labels: &[0, 1, 0, 1, 0, 5],
        },
        2,
        &usual,
    );
    assert!(found.contains("row 5 has the label 5"), "{found}");
    let found = message(
        Labelled {
            rows: Rows::Sparse(&good),
            labels: &[0],
        },
        2,
        &usual,
    );
    assert!(found.contains("6 rows of features and 1 labels"), "{found}");
    let found = message(part, 2, &settings(&[1.0, 0.0]));
    assert!(found.contains("logistic.strengths"), "{found}");
}

#[test]
fn the_scale_of_a_sparse_column_counts_its_zeros() {
    let dense = [0.0, 2.0, -1.0, 4.0, 2.0, 0.0, 0.0, 3.0, 0.0];
    let expected = crate::FeatureScale::of_columns(&dense, 3);
    for (found, expected) in column_scales(&rows(3, &dense)).iter().zip(&expected) {
        assert!((found.deviation - expected.deviation).abs() < 1e-12);
        assert_eq!((found.low, found.high), (expected.low, expected.high));
    }
}
