//! Distillation (Hinton et al. 2015, arXiv:1503.02531): a model is trained on the probabilities of a teacher as well as on
//! the labels.
//!
//! With weight w the loss of a row is (1 - w) CE(label) + w CE(q), where q are the teacher's probabilities for the row. A
//! teacher should not have seen the row: a teacher that has learnt its training rows by heart repeats their labels.

use super::class_weights::log_product;
use crate::{Error, Result};
use candle_core::Tensor;
use std::sync::Arc;

/// A teacher's probabilities for the training rows, and how much they count.
#[derive(Clone, Debug, PartialEq)]
pub struct Teacher {
    probabilities: Arc<[f32]>,
    classes: usize,
    weight: f64,
}

impl Teacher {
    /// A teacher with `probabilities` for every training row, (rows, classes), and the weight of their cross-entropy in the
    /// loss, in (0, 1].
    ///
    /// # Errors
    /// The weight is out of range, or a row's probabilities are negative, not finite, or do not sum to 1.
    pub fn new(probabilities: impl Into<Arc<[f32]>>, classes: usize, weight: f64) -> Result<Self> {
        let probabilities: Arc<[f32]> = probabilities.into();
        if !(weight > 0.0 && weight <= 1.0) {
            return Err(Error::Setting(format!(
                "the teacher's weight is {weight}; expected a number above 0 and up to 1"
            )));
        }
        let is_good = |row: &[f32]| {
            let off = (row.iter().sum::<f32>() - 1.0).abs();
            // A NaN makes both comparisons false.
            row.len() == classes && row.iter().all(|p| *p >= 0.0) && off < 1e-3
        };
        let mut rows = probabilities.chunks(classes.max(1));
        let bad = rows.position(|row| !is_good(row));
        match bad {
            None => Ok(Self {
                probabilities,
                classes,
                weight,
            }),
            Some(row) => Err(Error::Task(format!(
                "the teacher's probabilities for training row {row} are not {classes} numbers from 0 to 1 that sum to 1"
            ))),
        }
    }

    /// Number of training rows for which there are probabilities.
    pub fn rows(&self) -> usize {
        self.probabilities.len() / self.classes.max(1)
    }

    /// What identifies the teacher in a checkpoint: its weight and the sum of its probabilities.
    pub(super) fn identity(&self) -> (f64, f64) {
        let sum = self.probabilities.iter().enumerate();
        let sum = sum.map(|(at, p)| f64::from(*p) * (1.0 + (at % 1024) as f64));
        (self.weight, sum.sum())
    }

    /// The weight of the teacher's cross-entropy in the loss.
    pub(super) fn weight(&self) -> f64 {
        self.weight
    }

    /// What the teacher adds to the mean cross-entropy of a batch, w mean_i c_i (CE(q_i) - CE(y_i)), a scalar. `logits` is
    /// (rows, classes); with several members it is (rows * members, classes), and what is added is the mean over them.
    /// `rows` are the batch's row numbers, `labels` is (rows,) u32, and c_i is the weight of the label's class, 1 without
    /// `class_weights`.
    pub(super) fn added(
        &self,
        logits: &Tensor,
        labels: &Tensor,
        rows: &[u32],
        class_weights: Option<&[f32]>,
    ) -> candle_core::Result<Tensor> {
        let each = logits.dim(0)? / rows.len().max(1);
        let labels = labels.to_vec1::<u32>()?;
        let factor = self.weight as f32 / logits.dim(0)? as f32;
        let mut factors = Vec::with_capacity(logits.elem_count());
        for (&row, &label) in rows.iter().zip(&labels) {
            let from = row as usize * self.classes;
            let Some(q) = self.probabilities.get(from..from + self.classes) else {
                candle_core::bail!(
                    "the teacher has probabilities for {} training rows, and row {row} is asked for",
                    self.rows()
                );
            };
            let start = factors.len();
            let factor = factor * class_weights.map_or(1.0, |weights| weights[label as usize]);
            // CE(q) - CE(y) = sum over classes of (1[class = y] - q) log p
            factors.extend(q.iter().enumerate().map(|(class, q)| {
                let is_label = f32::from(u8::from(class == label as usize));
                factor * (is_label - q)
            }));
            for _ in 1..each {
                factors.extend_from_within(start..start + self.classes);
            }
        }
        log_product(logits, factors)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use candle_core::{Device, Var};
    use l0gm_ops::{Tape, reshape};

    const LOGITS: [f64; 12] = [
        0.2, -1.0, 0.5, 1.5, 0.3, -0.7, -0.2, 0.9, 0.1, 0.4, 0.0, -0.3,
    ];
    const LABELS: [u32; 2] = [2, 1];
    const TEACHER: [f32; 9] = [0.1, 0.2, 0.7, 1.0, 0.0, 0.0, 0.25, 0.5, 0.25];
    /// The batch's rows are training rows 2 and 0.
    const ROWS: [u32; 2] = [2, 0];

    fn expected(logits: &[f64], each: usize, weights: Option<&[f32]>) -> f64 {
        let losses = logits.chunks(3).take(2 * each).enumerate().map(|(at, l)| {
            let norm = l.iter().map(|x| x.exp()).sum::<f64>().ln();
            let row = at / each;
            let q = &TEACHER[ROWS[row] as usize * 3..][..3];
            let soft: f64 = q
                .iter()
                .zip(l)
                .map(|(q, l)| f64::from(*q) * (norm - l))
                .sum();
            let label = LABELS[row] as usize;
            let weight = weights.map_or(1.0, |weights| f64::from(weights[label]));
            weight * (soft - (norm - l[label]))
        });
        0.6 * losses.sum::<f64>() / (2 * each) as f64
    }

    #[test]
    fn what_a_teacher_adds_and_its_gradient_are_those_of_the_formula() {
        let teacher = Teacher::new(TEACHER.to_vec(), 3, 0.6).unwrap();
        let labels = Tensor::new(&LABELS, &Device::Cpu).unwrap();
        let classes = [0.2f32, 2.0, 0.5];
        // The number of members, and the weights of the classes.
        let cases = [(1, None), (2, None), (2, Some(&classes[..]))];
        for (each, weights) in cases {
            let expected = |logits: &[f64], each| expected(logits, each, weights);
            let logits = Var::new(&LOGITS, &Device::Cpu).unwrap();
            let tape = Tape::start().unwrap();
            let flat = logits.as_tensor().narrow(0, 0, 6 * each).unwrap();
            let flat = reshape(&flat, (2 * each, 3)).unwrap();
            let found = teacher.added(&flat, &labels, &ROWS, weights).unwrap();
            let value = found.to_scalar::<f64>().unwrap();
            assert!((value - expected(&LOGITS, each)).abs() < 1e-7);
            let gradients = tape.backward(&found).unwrap();
            let gradient = gradients.get(logits.as_tensor()).unwrap();
            for (at, found) in gradient.to_vec1::<f64>().unwrap().into_iter().enumerate() {
                let moved = |by: f64| {
                    let mut logits = LOGITS;
                    logits[at] += by;
                    expected(&logits, each)
                };
                let slope = (moved(1e-6) - moved(-1e-6)) / 2e-6;
                assert!((found - slope).abs() < 1e-6, "{at}: {found} {slope}");
            }
        }
    }

    #[test]
    fn a_teacher_that_gives_no_probabilities_is_refused_by_row() {
        let text = |p: &[f32], weight| {
            let error = Teacher::new(p.to_vec(), 2, weight).unwrap_err();
            error.to_string()
        };
        assert!(text(&[0.5, 0.5, 0.9, 0.9], 0.5).contains("training row 1"));
        assert!(text(&[f32::NAN, 0.5], 0.5).contains("training row 0"));
        assert!(text(&[0.5, 0.5], 1.5).contains("weight is 1.5"));
    }
}
