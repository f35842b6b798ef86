//! The objective of logistic regression and its gradient.
//!
//! With logits z_i = W x_i + b of row i and its class y_i:
//!
//! ```text
//! J(W, b) = 1/n sum_i (log sum_k exp z_ik - z_iy) + strength / (2 n) |W|^2
//! dJ/dz_i = (softmax(z_i) - onehot(y_i)) / n
//! ```
//!
//! With two classes z_i = (0, w x_i + b), so there is one output instead of two.

use super::{Rows, dense, products};
use crate::Result;
use l0gm_ops::Csr;
use rayon::prelude::*;
use std::ops::Range;

/// Bytes that the threads' partial gradients may take together.
const PARTIAL_BYTES: usize = 64 << 20;

/// J of some labelled rows. Parameters are columns x outputs weights, column by column, then the intercepts.
#[derive(Clone, Copy)]
pub(super) struct Objective<'a> {
    pub(super) rows: Rows<'a>,
    pub(super) labels: &'a [u32],
    /// 1 for two classes, else the number of classes.
    pub(super) outputs: usize,
    pub(super) strength: f64,
}

impl Objective<'_> {
    pub(super) fn parameters(&self) -> usize {
        (self.rows.columns() + 1) * self.outputs
    }

    /// J and its gradient.
    pub(super) fn value_and_gradient(&self, parameters: &[f64]) -> Result<(f64, Vec<f64>)> {
        let (loss, mut gradient) = match self.rows {
            Rows::Sparse(rows) => self.sums(rows, parameters),
            Rows::Dense(rows) => {
                dense::value_and_gradient(rows, self.labels, self.outputs, parameters)?
            }
            Rows::Products(rows) => {
                products::value_and_gradient(rows, self.labels, self.outputs, parameters)?
            }
        };
        let weights = self.rows.columns() * self.outputs;
        let mut squares = 0.0;
        for (g, w) in gradient[..weights].iter_mut().zip(parameters) {
            *g += self.strength * w;
            squares += w * w;
        }
        let mean = 1.0 / self.labels.len() as f64;
        gradient.iter_mut().for_each(|g| *g *= mean);
        Ok(((loss + 0.5 * self.strength * squares) * mean, gradient))
    }

    /// Loss and gradient summed over sparse rows.
    ///
    /// Rows are cut into a number of parts that depends on the problem's size alone, and the parts' sums are added in
    /// their order: the result does not depend on the threads.
    fn sums(&self, rows: &Csr, parameters: &[f64]) -> (f64, Vec<f64>) {
        let n = self.labels.len();
        let parts = (PARTIAL_BYTES / (8 * self.parameters())).clamp(2, 16);
        let size = n.div_ceil(parts).max(1);
        let starts: Vec<usize> = (0..n).step_by(size).collect();
        let partial: Vec<(f64, Vec<f64>)> = starts
            .into_par_iter()
            .map(|start| self.part(rows, start..(start + size).min(n), parameters))
            .collect();
        let mut loss = 0.0;
        let mut gradient = vec![0.0; self.parameters()];
        for (part_loss, part_gradient) in partial {
            loss += part_loss;
            for (sum, g) in gradient.iter_mut().zip(part_gradient) {
                *sum += g;
            }
        }
        (loss, gradient)
    }

    /// Loss and gradient summed over some of the rows.
    fn part(&self, all: &Csr, rows: Range<usize>, parameters: &[f64]) -> (f64, Vec<f64>) {
        let outputs = self.outputs;
        let (weights, intercepts) = parameters.split_at(all.columns() * outputs);
        let mut gradient = vec![0.0; parameters.len()];
        let (of_weights, of_intercepts) = gradient.split_at_mut(weights.len());
        let mut loss = 0.0;
        let mut z = vec![0.0; outputs];
        for row in rows {
            let (columns, values) = entries(all, row);
            z.copy_from_slice(intercepts);
            add_product(&mut z, columns, values, weights);
            loss += loss_and_residual(&mut z, self.labels[row]);
            for (g, r) in of_intercepts.iter_mut().zip(&z) {
                *g += r;
            }
            add_outer(of_weights, columns, values, &z);
        }
        (loss, gradient)
    }
}

/// Columns and values of a row's entries.
pub(super) fn entries(rows: &Csr, row: usize) -> (&[u32], &[f32]) {
    let span = rows.indptr()[row] as usize..rows.indptr()[row + 1] as usize;
    (&rows.indices()[span.clone()], &rows.values()[span])
}

/// z += W x.
fn add_product(z: &mut [f64], columns: &[u32], values: &[f32], weights: &[f64]) {
    let outputs = z.len();
    if let [z] = z {
        for (&column, &value) in columns.iter().zip(values) {
            *z += f64::from(value) * weights[column as usize];
        }
        return;
    }
    for (&column, &value) in columns.iter().zip(values) {
        let start = column as usize * outputs;
        for (z, w) in z.iter_mut().zip(&weights[start..start + outputs]) {
            *z += f64::from(value) * w;
        }
    }
}

/// G += x r^T.
fn add_outer(gradient: &mut [f64], columns: &[u32], values: &[f32], residual: &[f64]) {
    let outputs = residual.len();
    if let [residual] = residual {
        for (&column, &value) in columns.iter().zip(values) {
            gradient[column as usize] += f64::from(value) * residual;
        }
        return;
    }
    for (&column, &value) in columns.iter().zip(values) {
        let start = column as usize * outputs;
        for (g, r) in gradient[start..start + outputs].iter_mut().zip(residual) {
            *g += f64::from(value) * r;
        }
    }
}

/// The loss of one row; its logits become softmax(z) - onehot(y), without overflow for any logits.
pub(super) fn loss_and_residual(z: &mut [f64], label: u32) -> f64 {
    if let [z] = z {
        let y = f64::from(label);
        let small = (-z.abs()).exp();
        let loss = z.max(0.0) - y * *z + small.ln_1p();
        let positive = if *z >= 0.0 { 1.0 } else { small } / (1.0 + small);
        *z = positive - y;
        return loss;
    }
    let label = label as usize;
    let top = z.iter().fold(f64::NEG_INFINITY, |top, z| top.max(*z));
    let true_logit = z[label] - top;
    let mut sum = 0.0;
    for z in z.iter_mut() {
        *z = (*z - top).exp();
        sum += *z;
    }
    z.iter_mut().for_each(|z| *z /= sum);
    z[label] -= 1.0;
    sum.ln() - true_logit
}
