//! Normalisation of a layer's channels, with a scale and a shift for each channel that are trained.

use crate::Result;
use crate::input::DTYPE;
use candle_core::{Device, Tensor, Var};
use l0gm_ops::{Mode, add_bias, layer_norm, mean, mul};
use l0gm_train::ParameterKind;

/// Added to the variance in every normalisation.
pub(crate) const EPSILON: f64 = 1e-5;
/// How far the running mean and variance move towards a step's own.
const MOMENTUM: f64 = 0.1;

/// How a layer normalises its channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NormKind {
    /// Not at all.
    None,
    /// Each node over its channels.
    Layer,
    /// Each channel over the nodes.
    Batch,
}

/// A layer's normalisation. The vectors have one entry for each channel, (out,).
#[derive(Clone, Debug)]
pub(crate) enum Norm {
    /// Layer normalisation (Ba et al. 2016): (h - mean) / sqrt(variance + ε) · scale + shift, with mean and variance of
    /// each node over its channels.
    Layer { scale: Var, shift: Var },
    /// Batch normalisation (Ioffe and Szegedy 2015): the same with mean and variance of each channel, in training over
    /// the nodes of the step, afterwards as they ran along with training.
    Batch {
        scale: Var,
        shift: Var,
        mean: Var,
        variance: Var,
    },
}

impl Norm {
    pub(crate) fn new(kind: NormKind, width: usize, device: &Device) -> Result<Option<Self>> {
        let ones = || Var::ones(width, DTYPE, device);
        let zeros = || Var::zeros(width, DTYPE, device);
        Ok(match kind {
            NormKind::None => None,
            NormKind::Layer => Some(Self::Layer {
                scale: ones()?,
                shift: zeros()?,
            }),
            NormKind::Batch => Some(Self::Batch {
                scale: ones()?,
                shift: zeros()?,
                mean: zeros()?,
                variance: ones()?,
            }),
        })
    }

    /// Normalises (nodes, out). In training, batch normalisation also moves its running mean and variance.
    pub(crate) fn forward(&self, h: &Tensor, mode: &Mode<'_>) -> candle_core::Result<Tensor> {
        match self {
            Self::Layer { scale, shift } => layer_norm(h, scale, shift, EPSILON),
            Self::Batch {
                scale,
                shift,
                mean: running_mean,
                variance: running_variance,
            } => {
                if !mode.is_train() {
                    let (factor, offset) = self.affine()?;
                    return add_bias(&h.broadcast_mul(&factor)?, &offset);
                }
                let center = mean(h, 0)?;
                let centred = add_bias(h, &center.neg()?)?;
                let variance = mean(&mul(&centred, &centred)?, 0)?;
                let nodes = h.dim(0)? as f64;
                follow(running_mean, &center)?;
                // The running variance is the unbiased one, as it stands in for other nodes.
                follow(
                    running_variance,
                    &(&variance * (nodes / (nodes - 1.0).max(1.0)))?,
                )?;
                let factor = (scale.as_tensor() / (variance + EPSILON)?.sqrt()?)?;
                // Repeated by adding it to zeros, because that has a fast gradient and broadcasting has not.
                let factor = add_bias(&centred.zeros_like()?, &factor)?;
                add_bias(&mul(&centred, &factor)?, shift)
            }
        }
    }

    /// The factor and the offset of each channel that make up batch normalisation after training, (out,) each: h · factor +
    /// offset. Layer normalisation has none that are the same for all nodes.
    ///
    /// # Errors
    /// This is layer normalisation.
    pub(crate) fn affine(&self) -> candle_core::Result<(Tensor, Tensor)> {
        let Self::Batch {
            scale,
            shift,
            mean,
            variance,
        } = self
        else {
            candle_core::bail!("layer normalisation differs from node to node");
        };
        let deviation = (variance.as_detached_tensor() + EPSILON)?.sqrt()?;
        let factor = (scale.as_detached_tensor() / deviation)?;
        let offset = (shift.as_detached_tensor() - (mean.as_detached_tensor() * &factor)?)?;
        Ok((factor, offset))
    }

    /// The parameters with the ends of their names.
    pub(crate) fn parameters(&self) -> Vec<(&'static str, &Var, ParameterKind)> {
        let trained = ParameterKind::NoDecay;
        match self {
            Self::Layer { scale, shift } => vec![
                ("norm.weight", scale, trained),
                ("norm.bias", shift, trained),
            ],
            Self::Batch {
                scale,
                shift,
                mean,
                variance,
            } => vec![
                ("norm.weight", scale, trained),
                ("norm.bias", shift, trained),
                ("norm.mean", mean, ParameterKind::Fixed),
                ("norm.variance", variance, ParameterKind::Fixed),
            ],
        }
    }
}

/// Moves a running figure towards a step's own.
fn follow(running: &Var, now: &Tensor) -> candle_core::Result<()> {
    let before = running.as_detached_tensor();
    let moved = ((before * (1.0 - MOMENTUM))? + (now.detach() * MOMENTUM)?)?;
    running.set(&moved)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use l0gm_ops::Generator;

    fn vector(t: &Tensor) -> Vec<f32> {
        t.flatten_all().unwrap().to_vec1().unwrap()
    }

    #[test]
    fn batch_normalisation_is_that_of_each_channel_over_the_nodes() {
        let device = Device::Cpu;
        let h = Tensor::new(&[[1f32, 10.0], [3.0, 10.0], [5.0, 40.0]], &device).unwrap();
        let norm = Norm::new(NormKind::Batch, 2, &device).unwrap().unwrap();
        let mut generator = Generator::new(1);
        let mode = Mode::Train(&mut generator);
        let found = vector(&norm.forward(&h, &mode).unwrap());
        // Means 3 and 20, variances 8/3 and 200.
        let (a, b) = ((8f32 / 3.0 + 1e-5).sqrt(), (200f32 + 1e-5).sqrt());
        let expected = [-2.0 / a, -10.0 / b, 0.0, -10.0 / b, 2.0 / a, 20.0 / b];
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-5, "{found} {expected}");
        }
        // A tenth of the way from 0 and 1 to the step's mean and unbiased variance.
        let Norm::Batch { mean, variance, .. } = &norm else {
            panic!("not batch normalisation")
        };
        for (found, expected) in [(mean, [0.3, 2.0]), (variance, [0.9 + 0.4, 0.9 + 30.0])] {
            for (found, expected) in vector(found).iter().zip(expected) {
                assert!((found - expected).abs() < 1e-5, "{found} {expected}");
            }
        }
        let (factor, offset) = norm.affine().unwrap();
        let by_hand = h.broadcast_mul(&factor).unwrap();
        let by_hand = vector(&by_hand.broadcast_add(&offset).unwrap());
        assert_eq!(vector(&norm.forward(&h, &Mode::Eval).unwrap()), by_hand);
    }

    #[test]
    fn the_gradient_of_batch_normalisation_is_that_of_finite_differences() {
        let device = Device::Cpu;
        let norm = Norm::new(NormKind::Batch, 3, &device).unwrap().unwrap();
        let mut random = Generator::new(4);
        let h = random.normal_tensor((5, 3), 0.3, 1.0, DTYPE, &device);
        let weight = random.normal_tensor((5, 3), 0.0, 1.0, DTYPE, &device);
        let (h, weight) = (Var::from_tensor(&h.unwrap()).unwrap(), weight.unwrap());
        let loss = |h: &Tensor| {
            let mut generator = Generator::new(1);
            let out = norm.forward(h, &Mode::Train(&mut generator)).unwrap();
            (out * &weight).unwrap().sum_all().unwrap()
        };
        let gradients = loss(&h).backward().unwrap();
        let gradient = vector(gradients.get(&h).unwrap());
        let values = vector(&h);
        for at in 0..values.len() {
            let moved = |by: f32| -> f32 {
                let mut values = values.clone();
                values[at] += by;
                let h = Tensor::from_vec(values, (5, 3), &device).unwrap();
                loss(&h).to_scalar().unwrap()
            };
            let slope = (moved(1e-2) - moved(-1e-2)) / 2e-2;
            assert!(
                (slope - gradient[at]).abs() < 2e-2,
                "{slope} {}",
                gradient[at]
            );
        }
    }
}
