//! What class weights, a teacher and smoothed labels add to the task loss. They act on every term of it
//! ([`LossTerm`]), so that all parts of a model learn from the same labels.

use super::{Teacher, class_weights, smoothing};
use crate::{LossTerm, Result};
use candle_core::Tensor;

/// What the labels of a training are changed by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Teaching<'a> {
    /// The weight of each class, where rows do not count the same.
    pub(super) class_weights: Option<&'a [f32]>,
    /// Whose probabilities are learnt beside the labels.
    pub(super) teacher: Option<&'a Teacher>,
    /// Share of a row's target that is spread over all classes.
    pub(super) smoothing: f64,
}

impl Teaching<'_> {
    /// Whether rows are taught by their labels alone.
    pub(super) fn is_plain(&self) -> bool {
        self.class_weights.is_none() && self.teacher.is_none() && self.smoothing == 0.0
    }

    /// What is added to the sum of the terms' losses. `rows` are the batch's row numbers and `labels` is (batch,) u32.
    pub(super) fn added(
        &self,
        mut loss: Tensor,
        terms: &[LossTerm],
        labels: &Tensor,
        rows: &[u32],
    ) -> Result<Tensor> {
        for term in terms {
            let (logits, of_labels) = term.flat(labels)?;
            let mut add = |added: Tensor| -> Result<()> {
                loss = l0gm_ops::add(&loss, &term.shared(added)?)?;
                Ok(())
            };
            if let Some(weights) = self.class_weights {
                add(class_weights::added(&logits, &of_labels, weights)?)?;
            }
            if let Some(teacher) = self.teacher {
                add(teacher.added(&logits, labels, rows, self.class_weights)?)?;
            }
            if self.smoothing > 0.0 {
                // Only the labels' share of the loss has labels to smooth.
                let share = 1.0 - self.teacher.map_or(0.0, Teacher::weight);
                let epsilon = self.smoothing * share;
                add(smoothing::added(&logits, &of_labels, epsilon)?)?;
            }
        }
        Ok(loss)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::loss_term::sum_of_terms;
    use candle_core::{Device, Var};
    use l0gm_ops::{Tape, reshape};

    const NETWORK: [f64; 6] = [0.2, -1.0, 0.5, 1.5, 0.3, -0.7];
    const SCORES: [f64; 6] = [-0.4, 0.8, 0.1, 0.0, 2.0, -1.2];
    const SHARES: [f64; 2] = [0.75, 0.5];
    const LABELS: [u32; 2] = [2, 1];
    const WEIGHTS: [f32; 3] = [0.5, 2.0, 1.25];
    /// The batch's rows are training rows 1 and 0.
    const ROWS: [u32; 2] = [1, 0];
    const TEACHER: [f32; 6] = [0.1, 0.2, 0.7, 0.5, 0.25, 0.25];
    const WEIGHT: f64 = 0.4;
    const EPSILON: f64 = 0.3;

    /// The loss of one term: what a row learns is its label, of which a part is the teacher's or is spread evenly.
    fn of_term(logits: &[f64], teaching: &Teaching<'_>) -> f64 {
        let rows = logits.chunks_exact(3).zip(LABELS).zip(ROWS);
        let losses = rows.map(|((z, label), row)| {
            let norm = z.iter().map(|x| x.exp()).sum::<f64>().ln();
            let of_label = norm - z[label as usize];
            let q = &TEACHER[3 * row as usize..][..3];
            let of_teacher: f64 = q
                .iter()
                .zip(z)
                .map(|(q, z)| f64::from(*q) * (norm - z))
                .sum();
            let uniform = z.iter().map(|z| norm - z).sum::<f64>() / 3.0;
            let weight = teaching
                .class_weights
                .map_or(1.0, |w| f64::from(w[label as usize]));
            let taught = teaching.teacher.map_or(0.0, |_| WEIGHT);
            let spread = teaching.smoothing * (1.0 - taught);
            weight * ((1.0 - taught) * of_label + taught * of_teacher)
                + spread * (uniform - of_label)
        });
        losses.sum::<f64>() / 2.0
    }

    #[test]
    fn every_term_of_a_loss_learns_from_the_same_labels() {
        let teacher = Teacher::new(TEACHER.to_vec(), 3, WEIGHT).unwrap();
        let labels = Tensor::new(&LABELS, &Device::Cpu).unwrap();
        let weights = Some(&WEIGHTS[..]);
        for (class_weights, teacher, smoothing) in [
            (None, None, 0.0),
            (weights, None, 0.0),
            (None, None, EPSILON),
            (weights, Some(&teacher), EPSILON),
        ] {
            let teaching = Teaching {
                class_weights,
                teacher,
                smoothing,
            };
            let vars = [NETWORK, SCORES].map(|z| Var::new(&z, &Device::Cpu).unwrap());
            let tape = Tape::start().unwrap();
            let terms: Vec<LossTerm> = vars
                .iter()
                .zip(SHARES)
                .map(|(var, share)| LossTerm {
                    logits: reshape(var.as_tensor(), (2, 3)).unwrap(),
                    share,
                })
                .collect();
            let loss = sum_of_terms(&terms, &labels).unwrap();
            let loss = teaching.added(loss, &terms, &labels, &ROWS).unwrap();
            let [network, scores] = SHARES;
            let expected =
                network * of_term(&NETWORK, &teaching) + scores * of_term(&SCORES, &teaching);
            assert!((loss.to_scalar::<f64>().unwrap() - expected).abs() < 1e-6);
            let gradients = tape.backward(&loss).unwrap();
            for ((var, z), share) in vars.iter().zip([NETWORK, SCORES]).zip(SHARES) {
                let found = gradients.get(var.as_tensor()).unwrap();
                for (at, found) in found.to_vec1::<f64>().unwrap().into_iter().enumerate() {
                    let moved = |by: f64| {
                        let mut z = z;
                        z[at] += by;
                        share * of_term(&z, &teaching)
                    };
                    let slope = (moved(1e-6) - moved(-1e-6)) / 2e-6;
                    assert!((found - slope).abs() < 1e-6, "{at}: {found} {slope}");
                }
            }
        }
    }
}
