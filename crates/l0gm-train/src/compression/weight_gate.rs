//! The hard-concrete gate of a single weight: a sample of it, and the gradient of its parameter. The equations stand in
//! [`l0_weights`](super::l0_weights).

use candle_core::{Result, Tensor};
use l0gm_gate::{Stretch, Temperature};

/// What a training step used in the place of one weight.
#[derive(Debug)]
pub(super) struct Sampled {
    pub(super) whole: Tensor,
    /// z and s, in the weight's shape.
    pub(super) z: Tensor,
    pub(super) s: Tensor,
}

/// 1 / (1 + exp(-x)).
fn sigmoid(x: &Tensor) -> Result<Tensor> {
    (x.neg()?.exp()? + 1.0)?.recip()
}

/// s and z of gates with these log α and this noise u in (0, 1).
pub(super) fn sample(
    log_alpha: &Tensor,
    u: &Tensor,
    temperature: Temperature,
    stretch: Stretch,
) -> Result<(Tensor, Tensor)> {
    let logit = (u.log()? - (1.0 - u)?.log()?)?;
    let s = sigmoid(&((logit + log_alpha)? / temperature.0)?)?;
    let z = s.affine(stretch.zeta - stretch.gamma, stretch.gamma)?;
    Ok((z.clamp(0.0, 1.0)?, s))
}

/// The gradient of the loss on log α, from g = ∂L/∂(W ⊙ z), and of λ times the expected number of open gates.
pub(super) fn gradient_of_gates(
    g: &Tensor,
    sampled: &Sampled,
    log_alpha: &Tensor,
    lambda: f64,
    temperature: Temperature,
    stretch: Stretch,
) -> Result<Tensor> {
    let Sampled { whole, z, s } = sampled;
    let inside = z.gt(0.0)?.mul(&z.lt(1.0)?)?.to_dtype(s.dtype())?;
    let slope = s.mul(&(1.0 - s)?)?.mul(&inside)?;
    let slope = (slope * ((stretch.zeta - stretch.gamma) / temperature.0))?;
    let of_task = g.mul(whole)?.mul(&slope)?;
    let shift = -temperature.0 * (-stretch.gamma / stretch.zeta).ln();
    let open = sigmoid(&(log_alpha + shift)?)?;
    let of_penalty = (open.mul(&(1.0 - &open)?)? * lambda)?;
    of_task + of_penalty
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use candle_core::Device;
    use l0gm_gate::GateConfig;

    const TAU: Temperature = Temperature(2.0 / 3.0);
    const LAMBDA: f64 = 0.7;

    fn stretch() -> Stretch {
        GateConfig::default().stretch()
    }

    /// g · (w z) + λ P of one gate: the objective whose gradient is checked.
    fn value(log_alpha: f64, u: f64, g: f64, w: f64) -> f64 {
        let (gamma, zeta) = (stretch().gamma, stretch().zeta);
        let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
        let s = sigmoid(((u / (1.0 - u)).ln() + log_alpha) / TAU.0);
        let z = (s * (zeta - gamma) + gamma).clamp(0.0, 1.0);
        g * w * z + LAMBDA * sigmoid(log_alpha - TAU.0 * (-gamma / zeta).ln())
    }

    #[test]
    fn the_gradient_on_a_weights_gate_is_that_of_finite_differences() {
        let device = Device::Cpu;
        for log_alpha in [-4.0, -1.0, 0.0, 1.5, 5.0] {
            for u in [0.02, 0.4, 0.9] {
                let (g, w) = (1.3, -0.8);
                let of = |x: f64| Tensor::new(&[x], &device).unwrap();
                let (z, s) = sample(&of(log_alpha), &of(u), TAU, stretch()).unwrap();
                let sampled = Sampled { whole: of(w), z, s };
                let found =
                    gradient_of_gates(&of(g), &sampled, &of(log_alpha), LAMBDA, TAU, stretch());
                let found = found.unwrap().to_vec1::<f64>().unwrap()[0];
                let h = 1e-6;
                let expected =
                    (value(log_alpha + h, u, g, w) - value(log_alpha - h, u, g, w)) / (2.0 * h);
                assert!(
                    (found - expected).abs() < 1e-5,
                    "{log_alpha} {u}: {found} {expected}"
                );
            }
        }
    }
}
