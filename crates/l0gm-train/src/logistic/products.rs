//! Rows that are known by what they multiply to. The attributes of everything within two steps of a node, averaged,
//! are a product of three sparse matrices, which takes far less time and memory than the averages written out.

use super::LogisticRegression;
use super::loss::loss_and_residual;
use crate::{Error, Result};
use candle_core::{Device, Tensor};
use std::fmt::Debug;

/// A matrix (rows, features) that is never written out. All features must be finite.
pub trait RowProducts: Debug + Sync {
    /// Number of rows.
    fn count(&self) -> usize;

    /// Number of features.
    fn columns(&self) -> usize;

    /// The product with a weight, f64 (features, outputs): f64 (rows, outputs).
    ///
    /// # Errors
    /// A tensor operation fails.
    fn times(&self, weight: &Tensor) -> candle_core::Result<Tensor>;

    /// The transpose's product with f64 (rows, outputs): f64 (features, outputs).
    ///
    /// # Errors
    /// A tensor operation fails.
    fn transposed_times(&self, residuals: &Tensor) -> candle_core::Result<Tensor>;

    /// Mean and mean square of every feature. They are asked for once for each strength of the penalty.
    ///
    /// # Errors
    /// A tensor operation fails.
    fn moments(&self) -> candle_core::Result<(Vec<f64>, Vec<f64>)>;

    /// Multiplications of [`times`](Self::times) for one output.
    fn multiplications(&self) -> usize;
}

/// Loss and gradient of labelled rows, summed over them and without the penalty. Parameters and gradient are
/// columns x outputs weights, column by column, then the intercepts.
pub(super) fn value_and_gradient(
    rows: &dyn RowProducts,
    labels: &[u32],
    outputs: usize,
    parameters: &[f64],
) -> Result<(f64, Vec<f64>)> {
    let columns = rows.columns();
    let (weights, intercepts) = parameters.split_at(columns * outputs);
    let weight = Tensor::from_slice(weights, (columns, outputs), &Device::Cpu)?;
    let mut z: Vec<f64> = rows.times(&weight)?.flatten_all()?.to_vec1()?;
    let mut loss = 0.0;
    let mut of_intercepts = vec![0.0; outputs];
    for (z, &label) in z.chunks_exact_mut(outputs).zip(labels) {
        for (z, b) in z.iter_mut().zip(intercepts) {
            *z += b;
        }
        loss += loss_and_residual(z, label);
        for (sum, residual) in of_intercepts.iter_mut().zip(z.iter()) {
            *sum += residual;
        }
    }
    let residuals = Tensor::from_vec(z, (labels.len(), outputs), &Device::Cpu)?;
    let of_weights = rows.transposed_times(&residuals)?;
    let mut gradient: Vec<f64> = of_weights.flatten_all()?.to_vec1()?;
    gradient.extend(of_intercepts);
    Ok((loss, gradient))
}

impl LogisticRegression {
    /// Logits of rows that are not written out; rows x classes. Of two classes the first one's logit is 0.
    pub(super) fn product_logits(&self, rows: &dyn RowProducts) -> Result<Vec<f32>> {
        let outputs = self.intercepts.len();
        if rows.columns() != self.columns {
            return Err(Error::Task(format!(
                "logistic regression was fitted on {} features, but these rows have {}",
                self.columns,
                rows.columns()
            )));
        }
        let weights: Vec<f64> = self.weights.iter().map(|w| f64::from(*w)).collect();
        let weight = Tensor::from_vec(weights, (self.columns, outputs), &Device::Cpu)?;
        let logits: Vec<f64> = rows.times(&weight)?.flatten_all()?.to_vec1()?;
        let with_intercepts = logits.chunks_exact(outputs).flat_map(|row| {
            let logits = row.iter().zip(&self.intercepts);
            logits.map(|(z, b)| (z + f64::from(*b)) as f32)
        });
        Ok(match self.classes {
            2 => with_intercepts.flat_map(|z| [0.0, z]).collect(),
            _ => with_intercepts.collect(),
        })
    }
}
