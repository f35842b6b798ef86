//! Mixup of a training batch at the interface (manifold mixup, Verma et al. 2019): r = λ r_a + (1 - λ) r_b with
//! λ ~ Beta(α, α), and the loss λ L(y_a) + (1 - λ) L(y_b). Row b is another row of the batch.
//!
//! A head that also reads the raw input, such as a linear branch beside the gate, is linear in it. So its logits are mixed:
//! λ f(r, a) + (1 - λ) f(r, b).

use candle_core::{Result, Tensor};
use l0gm_ops::{Generator, add, embedding, reshape};

/// How the rows of a batch are mixed.
#[derive(Clone, Debug)]
pub(super) struct Mixing {
    /// λ, the weight of a row itself.
    pub(super) share: f64,
    /// The number in the batch of each row's partner.
    pub(super) partners: Vec<u32>,
}

impl Mixing {
    /// Draws λ and the partners of `rows` rows.
    pub(super) fn draw(generator: &mut Generator, alpha: f64, rows: usize) -> Self {
        Self {
            share: symmetric_beta(generator, alpha),
            partners: generator.permutation(rows),
        }
    }

    /// Mixes the rows of a representation, (rows, ..).
    pub(super) fn of_rows(&self, r: &Tensor) -> Result<Tensor> {
        let rows = r.dim(0)?;
        let flat = reshape(r, (rows, r.elem_count() / rows.max(1)))?;
        let partners = Tensor::from_slice(&self.partners, rows, r.device())?;
        let mixed = self.of(&flat, &embedding(&flat, &partners)?)?;
        reshape(&mixed, r.shape().clone())
    }

    /// λ a + (1 - λ) b.
    pub(super) fn of(&self, a: &Tensor, b: &Tensor) -> Result<Tensor> {
        add(&(a * self.share)?, &(b * (1.0 - self.share))?)
    }

    /// The entries of the rows' partners.
    pub(super) fn partners_of(&self, labels: &Tensor) -> Result<Tensor> {
        let partners = Tensor::from_slice(&self.partners, self.partners.len(), labels.device())?;
        labels.index_select(&partners, 0)
    }
}

/// A draw from Beta(alpha, alpha) for alpha in (0, 1], by Jöhnk's method.
fn symmetric_beta(generator: &mut Generator, alpha: f64) -> f64 {
    loop {
        let u = generator.uniform().powf(1.0 / alpha);
        let v = generator.uniform().powf(1.0 / alpha);
        let sum = u + v;
        if sum > 0.0 && sum <= 1.0 {
            return u / sum;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use candle_core::Device;

    #[test]
    fn weights_have_the_moments_of_the_beta_distribution() {
        for alpha in [0.1, 0.4, 1.0] {
            let mut generator = Generator::new(3);
            let draws: Vec<f64> = (0..20_000)
                .map(|_| symmetric_beta(&mut generator, alpha))
                .collect();
            let mean = draws.iter().sum::<f64>() / draws.len() as f64;
            let variance =
                draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / draws.len() as f64;
            // The variance of Beta(a, a) is 1 / (4 (2 a + 1)).
            let expected = 0.25 / (2.0 * alpha + 1.0);
            assert!((mean - 0.5).abs() < 0.01, "{alpha}: {mean}");
            assert!(
                (variance - expected).abs() < 0.005,
                "{alpha}: {variance} {expected}"
            );
        }
    }

    #[test]
    fn rows_are_mixed_with_their_partners() {
        let mixing = Mixing {
            share: 0.75,
            partners: vec![1, 0],
        };
        let r = Tensor::new(&[[[4f32, 0.0]], [[0.0, 8.0]]], &Device::Cpu).unwrap();
        let found = mixing.of_rows(&r).unwrap().flatten_all().unwrap();
        assert_eq!(found.to_vec1::<f32>().unwrap(), [3.0, 2.0, 1.0, 6.0]);
        let labels = Tensor::new(&[5u32, 7], &Device::Cpu).unwrap();
        let partners = mixing.partners_of(&labels).unwrap();
        assert_eq!(partners.to_vec1::<u32>().unwrap(), [7, 5]);
    }
}
