//! The factorisation machine of DeepFM (Guo et al. 2017, arXiv:1703.04247, eq. 2): the products of all pairs of fields,
//! summed.
//!
//! ```text
//! y = Σ_{i<j} <v_i, v_j> = Σ_d ½ ((Σ_i v_i[d])² - Σ_i v_i[d]²)
//! ```
//!
//! v_i is the (gated) embedding of field i, so a model shares its embeddings between this branch and the others. The
//! machine's linear part is the model's linear branch. With two classes there is one y and nothing else to learn; with
//! more, each class has its own weights for the sums over pairs in each coordinate d.

use candle_core::{Device, Result, Tensor};
use l0gm_ops::{Generator, sum};
use l0gm_train::layers::Linear;
use l0gm_train::{Parameter, Part};

/// The sum over pairs of fields, as one logit or one for each class.
#[derive(Clone, Debug)]
pub(crate) struct FactorisationMachine {
    /// Weights of the coordinates for each class, (outputs, dim); absent with one output, whose coordinates are added
    /// up.
    output: Option<Linear>,
}

impl FactorisationMachine {
    /// A machine on embeddings of `dim` coordinates.
    pub(crate) fn new(
        dim: usize,
        outputs: usize,
        generator: &mut Generator,
        device: &Device,
    ) -> Result<Self> {
        let linear = |generator| {
            Linear::new(
                "fm.output",
                Part::Head,
                dim,
                outputs,
                false,
                generator,
                device,
            )
        };
        Ok(Self {
            output: (outputs > 1).then(|| linear(generator)).transpose()?,
        })
    }

    /// Weights of the coordinates for each class, if there are some.
    pub(crate) fn output(&self) -> Option<&Linear> {
        self.output.as_ref()
    }

    /// From embeddings (rows, fields, dim) to (rows, outputs).
    pub(crate) fn forward(&self, fields: &Tensor) -> Result<Tensor> {
        let weight = self
            .output
            .as_ref()
            .map(|output| output.weight().as_tensor());
        add_up(&pairs(fields)?, weight)
    }

    pub(crate) fn parameters(&self) -> Vec<Parameter> {
        self.output.iter().flat_map(Linear::parameters).collect()
    }
}

/// ½ ((Σ_i v_i)² - Σ_i v_i²) of embeddings (rows, fields, dim): (rows, dim).
pub(crate) fn pairs(fields: &Tensor) -> Result<Tensor> {
    // Sums are taken over the last dimension, which is fast in both directions.
    let by_coordinate = fields.transpose(1, 2)?.contiguous()?; // (rows, dim, fields)
    let total = sum(&by_coordinate, 2)?;
    let squares = sum(&by_coordinate.sqr()?, 2)?;
    (total.sqr()? - squares)? * 0.5
}

/// Adds up the coordinates of [`pairs`], with the weights (outputs, dim) of each class if there are some.
pub(crate) fn add_up(pairs: &Tensor, weight: Option<&Tensor>) -> Result<Tensor> {
    match weight {
        Some(weight) => l0gm_ops::linear(pairs, weight, None),
        None => sum(pairs, 1)?.unsqueeze(1),
    }
}

/// Floating-point operations for one example with `open` embedded numbers in `dim` coordinates; a multiply-add counts as
/// two.
pub(crate) fn flops(open: usize, dim: usize, outputs: usize) -> u64 {
    let of_outputs = if outputs == 1 { dim } else { 2 * dim * outputs };
    (3 * open + 3 * dim + of_outputs) as u64
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use candle_core::Var;

    const VALUES: [f64; 12] = [
        0.5, -1.0, 2.0, 0.3, 1.5, -0.7, -0.2, 0.8, 0.1, 1.1, -0.4, 0.6,
    ];

    /// Σ_{i<j} <v_i, v_j> of two rows of three fields of two coordinates, pair by pair.
    fn by_pairs(values: &[f64]) -> Vec<f64> {
        let of_row = |row: &[f64]| {
            let fields: Vec<&[f64]> = row.chunks(2).collect();
            let mut total = 0.0;
            for (i, a) in fields.iter().enumerate() {
                for b in &fields[i + 1..] {
                    total += a.iter().zip(*b).map(|(a, b)| a * b).sum::<f64>();
                }
            }
            total
        };
        values.chunks(6).map(of_row).collect()
    }

    #[test]
    fn the_branch_is_the_sum_over_all_pairs_of_fields_and_so_is_its_gradient() {
        let v = Var::from_vec(VALUES.to_vec(), (2, 3, 2), &Device::Cpu).unwrap();
        let found = add_up(&pairs(v.as_tensor()).unwrap(), None).unwrap();
        assert_eq!(found.dims(), [2, 1]);
        let expected = by_pairs(&VALUES);
        for (found, expected) in found
            .flatten_all()
            .unwrap()
            .to_vec1::<f64>()
            .unwrap()
            .iter()
            .zip(&expected)
        {
            assert!((found - expected).abs() < 1e-12);
        }
        let gradients = found.sum_all().unwrap().backward().unwrap();
        let gradient = gradients.get(v.as_tensor()).unwrap().flatten_all().unwrap();
        for (at, found) in gradient.to_vec1::<f64>().unwrap().into_iter().enumerate() {
            let moved = |by: f64| {
                let mut values = VALUES;
                values[at] += by;
                by_pairs(&values).iter().sum::<f64>()
            };
            let expected = (moved(1e-6) - moved(-1e-6)) / 2e-6;
            assert!((found - expected).abs() < 1e-7, "{at}: {found} {expected}");
        }
    }
}
