//! Predictions: logits and labels of a split, and the numbers that follow from them.

mod parquet;

pub use self::parquet::{read_predictions, write_predictions};

use crate::Split;

/// Logits of some rows of one split.
#[derive(Clone, Debug, PartialEq)]
pub struct PredictionTable {
    /// The split that was predicted.
    pub split: Split,
    /// Row numbers within the split, ascending.
    pub rows: Vec<u32>,
    /// True labels.
    pub labels: Vec<u32>,
    /// Logits row by row: rows x classes.
    pub logits: Vec<f32>,
    /// Number of classes.
    pub classes: usize,
}

impl PredictionTable {
    /// The logits as f64, rows x classes; calibration works in this precision.
    pub fn logits_f64(&self) -> Vec<f64> {
        self.logits.iter().map(|logit| f64::from(*logit)).collect()
    }

    /// The softmax of each row's logits, computed in f64: rows x classes.
    pub fn probabilities(&self) -> Vec<f64> {
        let mut all = Vec::with_capacity(self.logits.len());
        for row in self.logits.chunks_exact(self.classes) {
            let lse = log_sum_exp(row);
            all.extend(row.iter().map(|logit| (f64::from(*logit) - lse).exp()));
        }
        all
    }

    /// Mean negative log-likelihood in nats, computed in f64; NaN for no rows.
    pub fn nll(&self) -> f64 {
        let rows = self.logits.chunks_exact(self.classes).zip(&self.labels);
        let sum: f64 = rows
            .map(|(row, label)| log_sum_exp(row) - f64::from(row[*label as usize]))
            .sum();
        sum / self.labels.len() as f64
    }

    /// Share of rows whose top label is right; 0 for no rows.
    pub fn accuracy(&self) -> f64 {
        let predicted = crate::metrics::top_labels(&self.logits, self.classes);
        let right = predicted
            .iter()
            .zip(&self.labels)
            .filter(|(a, b)| a == b)
            .count();
        right as f64 / self.labels.len().max(1) as f64
    }
}

/// The logarithm of sum_k exp(x_k), computed in f64.
fn log_sum_exp(row: &[f32]) -> f64 {
    let top = row
        .iter()
        .fold(f64::NEG_INFINITY, |top, x| top.max(f64::from(*x)));
    top + row
        .iter()
        .map(|x| (f64::from(*x) - top).exp())
        .sum::<f64>()
        .ln()
}
