//! Label smoothing (Szegedy et al. 2016; as a cure for overconfidence, Müller et al. 2019).
//!
//! The target of a row is its label with probability 1 - epsilon and any class alike with probability epsilon. The loss is
//! then (1 - epsilon) CE + epsilon times the mean of -log p over all classes. Validation and selection stay
//! unsmoothed.

use candle_core::{Result, Tensor};

/// What smoothing adds to the mean cross-entropy of a batch, a scalar: epsilon (mean_k(-log p_k) - CE). `logits`: (n, classes);
/// `labels`: (n,) u32.
pub(super) fn added(logits: &Tensor, labels: &Tensor, epsilon: f64) -> Result<Tensor> {
    let (rows, classes) = logits.dims2()?;
    let of_a_class = -(epsilon / (classes * rows) as f64) as f32;
    let mut factors = vec![of_a_class; rows * classes];
    for (row, label) in labels.to_vec1::<u32>()?.into_iter().enumerate() {
        factors[row * classes + label as usize] += (epsilon / rows as f64) as f32;
    }
    let factors =
        Tensor::from_vec(factors, (rows, classes), logits.device())?.to_dtype(logits.dtype())?;
    l0gm_ops::mul(&l0gm_ops::log_softmax(logits)?, &factors)?.sum_all()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use candle_core::{Device, Var};
    use l0gm_ops::Tape;

    const LOGITS: [f64; 6] = [0.2, -1.0, 0.5, 1.5, 0.3, -0.7];
    const LABELS: [u32; 2] = [2, 0];
    const EPSILON: f64 = 0.3;

    fn value(logits: &[f64]) -> f64 {
        let rows = logits.chunks_exact(3).zip(LABELS);
        let losses = rows.map(|(row, label)| {
            let sum: f64 = row.iter().map(|x| x.exp()).sum();
            let uniform = row.iter().map(|x| sum.ln() - x).sum::<f64>() / 3.0;
            EPSILON * (uniform - (sum.ln() - row[label as usize])) / 2.0
        });
        losses.sum()
    }

    #[test]
    fn what_smoothing_adds_and_its_gradient_are_those_of_the_formula() {
        let device = Device::Cpu;
        let logits = Var::new(&LOGITS, &device).unwrap();
        let labels = Tensor::new(&LABELS, &device).unwrap();
        let tape = Tape::start().unwrap();
        let shaped = l0gm_ops::reshape(logits.as_tensor(), (2, 3)).unwrap();
        let found = added(&shaped, &labels, EPSILON).unwrap();
        assert!((found.to_scalar::<f64>().unwrap() - value(&LOGITS)).abs() < 1e-7);
        let gradients = tape.backward(&found).unwrap();
        let gradient = gradients.get(logits.as_tensor()).unwrap();
        for (at, found) in gradient.to_vec1::<f64>().unwrap().into_iter().enumerate() {
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
