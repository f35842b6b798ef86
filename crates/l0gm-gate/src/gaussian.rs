//! Stochastic gates with Gaussian noise (STG; Yamada et al. 2020, arXiv:1810.04247), the nearest relative of the
//! hard-concrete gate. The formulas come in plain f64, for reports, initial values and tests, and on tensors with
//! gradient.
//!
//! ```text
//! train     z = clip(mu + sigma eps + 1/2, 0, 1),  eps ~ N(0, 1)
//! penalty   Σ P(z != 0) = Σ Phi((mu + 1/2) / sigma)
//! infer     z = clip(mu + 1/2, 0, 1), the median of z: closed exactly where P(z != 0) <= 1/2
//! ```
//!
//! mu is the gate's one parameter and stands where the hard-concrete gate has log_alpha; the 1/2 is that of the authors'
//! code. There is no temperature. A gate's file and its readings are otherwise the same.

use crate::{Result, relaxation};
use candle_core::Tensor;
use candle_core::cpu::erf;
use l0gm_ops::{Generator, relu};
use std::f64::consts::{FRAC_1_SQRT_2, SQRT_2};

/// mu at which z is 0 half of the time: the gate in use is closed there and below.
pub(crate) const CLOSING: f64 = -0.5;

/// P(z != 0) = Phi((mu + 1/2) / sigma).
///
/// ```
/// use l0gm_gate::gaussian::open_probability;
/// assert_eq!(open_probability(-0.5, 0.5), 0.5);
/// assert!((open_probability(0.5, 0.5) - 0.97725).abs() < 1e-5); // Phi(2)
/// ```
pub fn open_probability(mu: f64, sigma: f64) -> f64 {
    // erfc keeps the digits of small probabilities.
    0.5 * erf::erfc_f64(-(mu - CLOSING) / sigma * FRAC_1_SQRT_2)
}

/// The z that follows from standard normal noise `eps`.
pub fn sample(mu: f64, eps: f64, sigma: f64) -> f64 {
    (mu + sigma * eps - CLOSING).clamp(0.0, 1.0)
}

/// The mu for which P(z != 0) is `open`, in (0, 1). This is the inverse of [`open_probability`].
pub fn mu_for_open_probability(open: f64, sigma: f64) -> f64 {
    CLOSING - sigma * SQRT_2 * erf::erfc_inv(2.0 * open)
}

/// Derivative of [`open_probability`] with respect to mu: the density phi((mu + 1/2) / sigma) / sigma.
pub(crate) fn open_slope(mu: f64, sigma: f64) -> f64 {
    let x = (mu - CLOSING) / sigma;
    (-0.5 * x * x).exp() / (sigma * (2.0 * std::f64::consts::PI).sqrt())
}

/// Samples z of shape (rows, gates), with separate noise for each row. `mu`: (gates,), or (rows, gates) if each row has
/// its own.
pub(crate) fn sample_tensor(
    mu: &Tensor,
    sigma: f64,
    rows: usize,
    generator: &mut Generator,
) -> Result<Tensor> {
    let gates = mu.dims().last().copied().unwrap_or(0);
    let (dtype, device) = (mu.dtype(), mu.device());
    let noise = generator.normal_tensor((rows, gates), -CLOSING, sigma, dtype, device)?;
    noisy(mu, &noise)
}

/// clip(mu + noise, 0, 1). `noise`: (rows, gates), with mean 1/2.
fn noisy(mu: &Tensor, noise: &Tensor) -> Result<Tensor> {
    let (rows, gates) = noise.dims2()?;
    let of_rows = match mu.rank() {
        1 => relaxation::repeat_rows(&mu.reshape((1, gates))?, rows)?,
        _ => mu.clone(),
    };
    let open = relu(&(of_rows + noise)?)?;
    // 1 - relu(1 - x) is x below 1 and exactly 1 above it, with the gradient of x below and none above.
    Ok(relu(&open.affine(-1.0, 1.0)?)?.affine(-1.0, 1.0)?)
}

/// P(z != 0) in the shape of mu, with gradient.
pub(crate) fn open_probability_tensor(mu: &Tensor, sigma: f64) -> Result<Tensor> {
    let scale = FRAC_1_SQRT_2 / sigma;
    let x = mu.affine(scale, -CLOSING * scale)?;
    Ok(x.erf()?.affine(0.5, 0.5)?)
}

/// The z of use in the shape of mu.
pub(crate) fn deterministic(mu: &Tensor) -> Result<Tensor> {
    Ok(mu.affine(1.0, -CLOSING)?.clamp(0.0, 1.0)?)
}

#[cfg(test)]
#[path = "gaussian_tests.rs"]
mod tests;
