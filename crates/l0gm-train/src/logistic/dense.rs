//! Features written out in full, as averages over neighbours are. Their products are those of matrices in single
//! precision, which take a thirtieth of the time of a walk over the entries; losses and the solver stay in double
//! precision.

use super::LogisticRegression;
use super::loss::loss_and_residual;
use crate::{Error, Result};
use candle_core::{DType, Tensor};
use l0gm_ops::linear;

/// Number of columns whose moments are computed at a time.
const COLUMNS: usize = 256;

/// Loss and gradient of labelled rows, summed over them and without the penalty. `rows` is f32 (n, columns);
/// parameters and gradient are columns x outputs weights, column by column, then the intercepts.
pub(super) fn value_and_gradient(
    rows: &Tensor,
    labels: &[u32],
    outputs: usize,
    parameters: &[f64],
) -> Result<(f64, Vec<f64>)> {
    let columns = rows.dim(1)?;
    let (weights, intercepts) = parameters.split_at(columns * outputs);
    let weight = transposed(weights.iter().map(|w| *w as f32), columns, outputs);
    let weight = Tensor::from_vec(weight, (outputs, columns), rows.device())?;
    let logits: Vec<f32> = linear(rows, &weight, None)?.flatten_all()?.to_vec1()?;
    let mut loss = 0.0;
    let mut of_intercepts = vec![0.0; outputs];
    let mut residuals = vec![0f32; logits.len()];
    let mut z = vec![0.0; outputs];
    for ((logits, residuals), &label) in logits
        .chunks_exact(outputs)
        .zip(residuals.chunks_exact_mut(outputs))
        .zip(labels)
    {
        for ((z, logit), b) in z.iter_mut().zip(logits).zip(intercepts) {
            *z = f64::from(*logit) + b;
        }
        loss += loss_and_residual(&mut z, label);
        for ((residual, sum), z) in residuals.iter_mut().zip(&mut of_intercepts).zip(&z) {
            *residual = *z as f32;
            *sum += z;
        }
    }
    let residuals = Tensor::from_vec(residuals, (labels.len(), outputs), rows.device())?;
    let of_weights = residuals.t()?.matmul(rows)?; // (outputs, columns)
    let of_weights: Vec<f32> = of_weights.flatten_all()?.to_vec1()?;
    let by_column = transposed(of_weights.into_iter(), outputs, columns);
    let mut gradient: Vec<f64> = by_column.into_iter().map(f64::from).collect();
    gradient.extend(of_intercepts);
    Ok((loss, gradient))
}

/// Mean and mean square of every column.
pub(super) fn moments(rows: &Tensor) -> Result<(Vec<f64>, Vec<f64>)> {
    let (n, columns) = rows.dims2()?;
    let (mut mean, mut square) = (Vec::with_capacity(columns), Vec::with_capacity(columns));
    for first in (0..columns).step_by(COLUMNS) {
        let some = rows.narrow(1, first, COLUMNS.min(columns - first))?;
        let some = some.to_dtype(DType::F64)?;
        mean.extend((some.sum(0)? / n as f64)?.to_vec1::<f64>()?);
        square.extend((some.sqr()?.sum(0)? / n as f64)?.to_vec1::<f64>()?);
    }
    Ok((mean, square))
}

impl LogisticRegression {
    /// Logits of rows written out in full, f32 (n, columns); n x classes. Of two classes the first one's logit is 0.
    ///
    /// # Errors
    /// The rows have another number of features than those the model was fitted on.
    pub fn matrix_logits(&self, rows: &Tensor) -> Result<Vec<f32>> {
        let outputs = self.intercepts.len();
        if rows.dim(1)? != self.columns {
            return Err(Error::Task(format!(
                "logistic regression was fitted on {} features, but these rows have {}",
                self.columns,
                rows.dim(1)?
            )));
        }
        let weight = transposed(self.weights.iter().copied(), self.columns, outputs);
        let weight = Tensor::from_vec(weight, (outputs, self.columns), rows.device())?;
        let bias = Tensor::new(self.intercepts.as_slice(), rows.device())?;
        let logits: Vec<f32> = linear(rows, &weight, Some(&bias))?
            .flatten_all()?
            .to_vec1()?;
        Ok(match self.classes {
            2 => logits.into_iter().flat_map(|z| [0.0, z]).collect(),
            _ => logits,
        })
    }
}

/// The transpose of a rows x columns matrix, both stored row by row.
fn transposed(values: impl Iterator<Item = f32>, rows: usize, columns: usize) -> Vec<f32> {
    let mut out = vec![0f32; rows * columns];
    for (at, value) in values.enumerate() {
        out[(at % columns) * rows + at / columns] = value;
    }
    out
}
