//! Weights of the classes in the training loss.
//!
//! With weights the loss is sum_i w(y_i) CE_i / n. Balanced weights, w_c = n / (classes n_c), have a mean of 1 over the rows
//! and let every class count the same. The probabilities are then those of a world in which all classes are equally
//! frequent: too high for the rare ones, which no temperature puts right. Validation and selection stay unweighted.

use crate::{Result, Split, Task};
use candle_core::{Device, Tensor};
use serde::{Deserialize, Serialize};

/// How much a row counts in the training loss, by its class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClassWeights {
    /// All rows count the same.
    #[default]
    None,
    /// All classes count the same.
    Balanced,
}

impl ClassWeights {
    pub(crate) fn is_none(&self) -> bool {
        *self == Self::None
    }

    /// The weight of each class, from the training rows in these batches. `None` if all count the same.
    pub(super) fn of<T: Task>(
        self,
        task: &T,
        batches: &[Vec<u32>],
        device: &Device,
    ) -> Result<Option<Vec<f32>>> {
        if self.is_none() {
            return Ok(None);
        }
        let mut counts = vec![0usize; task.classes()];
        for rows in batches {
            let labels = task.batch(Split::Train, rows, device)?.labels;
            for label in labels.to_vec1::<u32>()? {
                counts[label as usize] += 1;
            }
        }
        Ok(Some(balanced(&counts)))
    }
}

/// n / (classes n_c) for each class that occurs.
fn balanced(counts: &[usize]) -> Vec<f32> {
    let occur = counts.iter().filter(|count| **count > 0).count();
    let rows: usize = counts.iter().sum();
    counts
        .iter()
        .map(|&count| rows as f32 / (occur * count.max(1)) as f32)
        .collect()
}

/// What weights add to the mean cross-entropy of a batch: sum_i (w(y_i) - 1) CE_i / n, a scalar. `logits`: (n, classes);
/// `labels`: (n,) u32.
pub(super) fn added(
    logits: &Tensor,
    labels: &Tensor,
    weights: &[f32],
) -> candle_core::Result<Tensor> {
    let (rows, classes) = logits.dims2()?;
    let mut factors = vec![0f32; rows * classes];
    for (row, label) in labels.to_vec1::<u32>()?.into_iter().enumerate() {
        let label = label as usize;
        factors[row * classes + label] = (1.0 - weights[label]) / rows as f32;
    }
    log_product(logits, factors)
}

/// The sum of log p times factors over all entries, a scalar, for the probabilities p of `logits`, (n, classes).
pub(super) fn log_product(logits: &Tensor, factors: Vec<f32>) -> candle_core::Result<Tensor> {
    let factors =
        Tensor::from_vec(factors, logits.shape(), logits.device())?.to_dtype(logits.dtype())?;
    l0gm_ops::mul(&l0gm_ops::log_softmax(logits)?, &factors)?.sum_all()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use candle_core::{DType, Var};
    use l0gm_ops::Tape;

    const LOGITS: [f64; 9] = [0.2, -1.0, 0.5, 1.5, 0.3, -0.7, -0.2, 0.9, 0.1];
    const LABELS: [u32; 3] = [0, 2, 1];
    const WEIGHTS: [f32; 3] = [0.5, 2.0, 1.25];

    fn value(logits: &[f64]) -> f64 {
        let rows = logits.chunks_exact(3).zip(LABELS);
        let losses = rows.map(|(row, label)| {
            let sum: f64 = row.iter().map(|x| x.exp()).sum();
            let loss = sum.ln() - row[label as usize];
            (f64::from(WEIGHTS[label as usize]) - 1.0) * loss / 3.0
        });
        losses.sum()
    }

    #[test]
    fn balanced_weights_make_classes_count_the_same_and_have_a_mean_of_one() {
        let weights = balanced(&[90, 10, 0]);
        assert!((90.0 * weights[0] - 10.0 * weights[1]).abs() < 1e-4);
        assert!((90.0 * weights[0] + 10.0 * weights[1] - 100.0).abs() < 1e-4);
    }

    #[test]
    fn what_weights_add_and_its_gradient_are_those_of_the_formula() {
        let device = Device::Cpu;
        let logits = Var::new(&LOGITS, &device).unwrap();
        let labels = Tensor::new(&LABELS, &device).unwrap();
        let tape = Tape::start().unwrap();
        let shaped = l0gm_ops::reshape(logits.as_tensor(), (3, 3)).unwrap();
        let found = added(&shaped, &labels, &WEIGHTS).unwrap();
        assert_eq!(found.dtype(), DType::F64);
        assert!((found.to_scalar::<f64>().unwrap() - value(&LOGITS)).abs() < 1e-7);
        let gradients = tape.backward(&found).unwrap();
        let gradient = gradients.get(logits.as_tensor()).unwrap();
        let gradient = gradient.to_vec1::<f64>().unwrap();
        for (at, found) in gradient.into_iter().enumerate() {
            let moved = |by: f64| {
                let mut logits = LOGITS;
                logits[at] += by;
                value(&logits)
            };
            let expected = (moved(1e-6) - moved(-1e-6)) / 2e-6;
            assert!((found - expected).abs() < 1e-6, "{at}: {found} {expected}");
        }
    }
}
