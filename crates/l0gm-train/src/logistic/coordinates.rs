//! The coordinates in which L-BFGS works, chosen so that it needs few iterations.
//!
//! A category of few rows has a curvature a thousand times smaller than a common one, and features that are nowhere near
//! 0 on average all look alike. So a weight is measured in units of its own curvature, and the intercept at the features'
//! means: u = w / s and c = b + w m, with m the mean of x and 1 / s^2 = var(x) / 4 + strength / n, the largest curvature
//! that J can have along w (a softmax has a variance of at most 1/4). Sparse rows stay sparse: nothing is subtracted from
//! them.

use super::loss::Objective;
use crate::Result;

/// Between parameters (columns x outputs weights, then intercepts) and the coordinates of the same shape.
pub(super) struct Coordinates {
    outputs: usize,
    mean: Vec<f64>,
    scale: Vec<f64>,
}

impl Coordinates {
    /// For the rows and the penalty of this objective.
    pub(super) fn new(objective: &Objective<'_>) -> Result<Self> {
        let n = objective.labels.len() as f64;
        let (mean, square) = objective.rows.moments()?;
        let of_column = |(mean, square): (&f64, &f64)| {
            let variance = square - mean * mean;
            // A feature that is the same in every row says nothing: its weight is 0 in any units.
            if variance > 1e-9 * square {
                1.0 / (0.25 * variance + objective.strength / n).sqrt()
            } else {
                1.0
            }
        };
        Ok(Self {
            outputs: objective.outputs,
            scale: mean.iter().zip(&square).map(of_column).collect(),
            mean,
        })
    }

    /// u and c of w and b.
    pub(super) fn of(&self, parameters: &[f64]) -> Vec<f64> {
        let mut out = parameters.to_vec();
        let (weights, intercepts) = out.split_at_mut(self.scale.len() * self.outputs);
        for (column, weights) in weights.chunks_exact_mut(self.outputs).enumerate() {
            for (w, b) in weights.iter_mut().zip(intercepts.iter_mut()) {
                *b += *w * self.mean[column];
                *w /= self.scale[column];
            }
        }
        out
    }

    /// w and b of u and c.
    pub(super) fn parameters(&self, coordinates: &[f64]) -> Vec<f64> {
        let mut out = coordinates.to_vec();
        let (weights, intercepts) = out.split_at_mut(self.scale.len() * self.outputs);
        for (column, weights) in weights.chunks_exact_mut(self.outputs).enumerate() {
            for (w, b) in weights.iter_mut().zip(intercepts.iter_mut()) {
                *w *= self.scale[column];
                *b -= *w * self.mean[column];
            }
        }
        out
    }

    /// dJ/du and dJ/dc of dJ/dw and dJ/db, in place.
    pub(super) fn gradient(&self, gradient: &mut [f64]) {
        let (weights, intercepts) = gradient.split_at_mut(self.scale.len() * self.outputs);
        for (column, weights) in weights.chunks_exact_mut(self.outputs).enumerate() {
            for (g, of_intercept) in weights.iter_mut().zip(intercepts.iter()) {
                *g = self.scale[column] * (*g - self.mean[column] * of_intercept);
            }
        }
    }
}
