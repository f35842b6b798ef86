//! What a layer normalisation needs from channels that are no longer computed.
//!
//! For a layer h = W a + b over d channels, with mean and variance over those channels,
//! LN(h)_k = s_k (h_k - mean) / sqrt(variance + epsilon) + t_k. Both are functions of a alone: with the columns
//! of W and with b centred (each less its mean over the channels), h_k - mean is row k of W a + b, and
//! variance = |W a + b|² / d = |R a + r|² + rest, where (R r; 0 sqrt(rest)) is the Cholesky factor of
//! (W b)ᵀ(W b) / d. R has as many rows as a has entries, however many channels there were: with k of them
//! kept, k + inputs rows do the work of d.
use crate::{Error, Result};
use candle_core::{DType, Tensor};
use l0gm_gate::LinearLayer;
use l0gm_ops::{linear, mul, sum};

/// The variance over the channels of a linear layer, computed from the layer's input.
#[derive(Clone, Debug)]
pub(super) struct Spread {
    /// R: (inputs, inputs), upper triangular.
    pub(super) factor: Tensor,
    /// r: (inputs,).
    pub(super) offset: Tensor,
    /// The constant `rest`, (1,), not negative.
    pub(super) rest: Tensor,
}

/// Separates a normalised layer into two parts: the layer with centred and scaled channels, and the squared standard
/// deviation. LN(h) is the output of the first divided by the deviation, plus the shift. `layer` has weight
/// (channels, inputs) and bias (channels,); `scale` is (channels,).
pub(super) fn separate(layer: &LinearLayer, scale: &Tensor) -> Result<(LinearLayer, Spread)> {
    let (channels, inputs) = layer.weight.dims2()?;
    let device = layer.weight.device();
    let bias = layer.bias.as_ref();
    let bias = bias.ok_or_else(|| Error::Setting("the layer has no bias".into()))?;
    // The matrix is (channels, inputs + 1) with the bias last. It is f64, because its products are squared again.
    let rows = Tensor::cat(&[&layer.weight, &bias.unsqueeze(1)?], 1)?.to_dtype(DType::F64)?;
    let centred = rows.broadcast_sub(&rows.mean_keepdim(0)?)?;
    let gram = (centred.t()?.matmul(&centred)? / channels as f64)?;
    let factor = cholesky(gram.to_vec2()?);
    let part = |from: usize, to: usize| -> Vec<f32> {
        let rows = factor.iter().take(inputs);
        rows.flat_map(|row| row[from..to].iter().map(|&v| v as f32))
            .collect()
    };
    let rest = factor[inputs][inputs].powi(2) as f32;
    let spread = Spread {
        factor: Tensor::from_vec(part(0, inputs), (inputs, inputs), device)?,
        offset: Tensor::from_vec(part(inputs, inputs + 1), inputs, device)?,
        rest: Tensor::from_vec(vec![rest], 1, device)?,
    };
    let scaled = centred
        .broadcast_mul(&scale.to_dtype(DType::F64)?.unsqueeze(1)?)?
        .to_dtype(layer.weight.dtype())?;
    let layer = LinearLayer {
        weight: scaled.narrow(1, 0, inputs)?.contiguous()?,
        bias: Some(scaled.narrow(1, inputs, 1)?.squeeze(1)?.contiguous()?),
    };
    Ok((layer, spread))
}

impl Spread {
    /// Number of stored values.
    pub(super) fn parameters(&self) -> usize {
        self.factor.elem_count() + self.offset.elem_count() + self.rest.elem_count()
    }

    /// The variance for each row of `a`: (rows, inputs) to (rows, 1).
    pub(super) fn variance(&self, a: &Tensor) -> candle_core::Result<Tensor> {
        let parts = linear(a, &self.factor, Some(&self.offset))?;
        sum(&mul(&parts, &parts)?, 1)?
            .unsqueeze(1)?
            .broadcast_add(&self.rest)
    }
}

/// The upper triangular R with RᵀR = `m`, which is symmetric and positive semidefinite. A direction in which `m` is
/// zero, up to rounding, gets a row of zeros.
fn cholesky(m: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
    let size = m.len();
    // Compare each direction with its own size, because inputs may have very different sizes.
    let tiny: Vec<f64> = (0..size)
        .map(|i| m[i][i] * size as f64 * f64::EPSILON)
        .collect();
    let mut factor = m;
    for i in 0..size {
        let (done, below) = factor.split_at_mut(i + 1);
        let row = &mut done[i];
        let pivot = row[i];
        row[..i].fill(0.0);
        if pivot <= tiny[i] {
            row[i..].fill(0.0);
            continue;
        }
        let root = pivot.sqrt();
        row[i..].iter_mut().for_each(|v| *v /= root);
        for (at, other) in below.iter_mut().enumerate() {
            let at = i + 1 + at;
            let share = row[at];
            for (v, r) in other[at..].iter_mut().zip(&row[at..]) {
                *v -= share * r;
            }
        }
    }
    factor
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use candle_core::Device;
    use l0gm_ops::{Generator, layer_norm};

    /// Largest difference between the normalised layer by its definition and the separated one, on `rows` random
    /// inputs.
    fn largest_difference(channels: usize, inputs: usize, dead: usize) -> f32 {
        let device = Device::Cpu;
        let mut random = Generator::new(7);
        let mut normal = |shape: (usize, usize), mean: f64| {
            random
                .normal_tensor(shape, mean, 1.0, DType::F32, &device)
                .unwrap()
        };
        // Inputs that are always 0 get no gradient, so their columns are zeros.
        let weight = normal((channels, inputs), 0.4);
        let live: Vec<f32> = (0..inputs).map(|i| f32::from(i >= dead)).collect();
        let live = Tensor::from_vec(live, (1, inputs), &device).unwrap();
        let layer = LinearLayer {
            weight: weight.broadcast_mul(&live).unwrap(),
            bias: Some(normal((1, channels), 0.7).squeeze(0).unwrap()),
        };
        let scale = normal((1, channels), 1.0).squeeze(0).unwrap();
        let shift = normal((1, channels), 0.0).squeeze(0).unwrap();
        let a = normal((40, inputs), 0.5).relu().unwrap();

        let h = linear(&a, &layer.weight, layer.bias.as_ref()).unwrap();
        let expected = layer_norm(&h, &scale, &shift, 1e-5).unwrap();
        let (separated, spread) = separate(&layer, &scale).unwrap();
        let deviation = (spread.variance(&a).unwrap() + 1e-5)
            .unwrap()
            .sqrt()
            .unwrap();
        let found = linear(&a, &separated.weight, separated.bias.as_ref())
            .unwrap()
            .broadcast_div(&deviation)
            .unwrap()
            .broadcast_add(&shift)
            .unwrap();
        let difference = (expected - found).unwrap().abs().unwrap();
        difference.max_all().unwrap().to_scalar().unwrap()
    }

    #[test]
    fn a_separated_normalisation_is_the_layer_norm() {
        // More channels than inputs, fewer (a singular matrix), inputs that are always 0, and one input.
        for (channels, inputs, dead) in [(64, 16, 0), (8, 24, 0), (40, 12, 5), (7, 1, 0), (5, 1, 1)]
        {
            let difference = largest_difference(channels, inputs, dead);
            assert!(
                difference < 2e-5,
                "{difference} for {channels} x {inputs}, {dead} dead"
            );
        }
    }

    #[test]
    fn a_factor_times_itself_is_the_matrix() {
        let m = vec![
            vec![4.0, 2.0, 0.0],
            vec![2.0, 1.0, 0.0],
            vec![0.0, 0.0, 9.0],
        ];
        // The second direction equals the first.
        let expected = [[2.0, 1.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 3.0]];
        assert_eq!(cholesky(m), expected.map(|row| row.to_vec()));
        // A direction that is 1e16 times smaller is not a rounding error.
        let m = vec![vec![1.0, 0.0], vec![0.0, 1e-16]];
        assert_eq!(cholesky(m), [[1.0, 0.0], [0.0, 1e-8]]);
    }
}
