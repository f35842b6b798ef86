//! A fitted logistic regression.

use super::loss::entries;
use crate::{Error, Result};
use l0gm_ops::Csr;
use rayon::prelude::*;

/// Weights and intercepts; what it predicts are logits.
#[derive(Clone, Debug, PartialEq)]
pub struct LogisticRegression {
    pub(super) classes: usize,
    pub(super) columns: usize,
    /// columns x outputs, column by column.
    pub(super) weights: Vec<f32>,
    pub(super) intercepts: Vec<f32>,
}

impl LogisticRegression {
    /// From the solver's parameters: columns x outputs weights, then the intercepts.
    pub(super) fn new(classes: usize, columns: usize, parameters: &[f64]) -> Self {
        let (weights, intercepts) = parameters.split_at(columns * outputs(classes));
        let single = |values: &[f64]| values.iter().map(|v| *v as f32).collect();
        Self {
            classes,
            columns,
            weights: single(weights),
            intercepts: single(intercepts),
        }
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Number of features.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Weights, columns x outputs, column by column. Two classes have one output, the logit of the second; more have
    /// one each.
    pub fn weights(&self) -> &[f32] {
        &self.weights
    }

    /// One for each output.
    pub fn intercepts(&self) -> &[f32] {
        &self.intercepts
    }

    /// Number of weights and intercepts.
    pub fn parameters(&self) -> usize {
        self.weights.len() + self.intercepts.len()
    }

    /// Floating-point operations of one row with so many entries.
    pub fn flops(&self, entries: usize) -> usize {
        2 * entries * self.intercepts.len()
    }

    /// Logits of every row, rows x classes. Of two classes the first one's logit is 0.
    ///
    /// # Errors
    /// Where the rows have another number of features than those the model was fitted on.
    pub fn logits(&self, rows: &Csr) -> Result<Vec<f32>> {
        if rows.columns() != self.columns {
            return Err(Error::Task(format!(
                "logistic regression was fitted on {} features, but these rows have {}",
                self.columns,
                rows.columns()
            )));
        }
        let mut logits = vec![0f32; rows.rows() * self.classes];
        logits
            .par_chunks_mut(self.classes)
            .enumerate()
            .with_min_len(64)
            .for_each(|(row, out)| {
                let (columns, values) = entries(rows, row);
                let pairs = columns.iter().zip(values).map(|(c, v)| (*c as usize, *v));
                self.row_logits(pairs, out);
            });
        Ok(logits)
    }

    /// Logits of a row written out in full, as noise makes of every sparse row.
    ///
    /// # Errors
    /// Where its length is not the number of features.
    pub fn dense_logits(&self, row: &[f32]) -> Result<Vec<f32>> {
        if row.len() != self.columns {
            return Err(Error::Task(format!(
                "logistic regression was fitted on {} features, but this row has {}",
                self.columns,
                row.len()
            )));
        }
        let mut out = vec![0f32; self.classes];
        self.row_logits(row.iter().copied().enumerate(), &mut out);
        Ok(out)
    }

    /// z = W x + b, summed in f64.
    fn row_logits(&self, entries: impl Iterator<Item = (usize, f32)>, out: &mut [f32]) {
        let outputs = self.intercepts.len();
        if outputs == 1 {
            let start = f64::from(self.intercepts[0]);
            let products = entries.map(|(c, v)| f64::from(v) * f64::from(self.weights[c]));
            out[1] = products.fold(start, |sum, p| sum + p) as f32;
            return;
        }
        let mut z: Vec<f64> = self.intercepts.iter().map(|b| f64::from(*b)).collect();
        for (column, value) in entries {
            let weights = &self.weights[column * outputs..(column + 1) * outputs];
            for (z, w) in z.iter_mut().zip(weights) {
                *z += f64::from(value) * f64::from(*w);
            }
        }
        for (out, z) in out.iter_mut().zip(z) {
            *out = z as f32;
        }
    }
}

/// How many weight vectors so many classes need.
pub(super) fn outputs(classes: usize) -> usize {
    if classes == 2 { 1 } else { classes }
}
