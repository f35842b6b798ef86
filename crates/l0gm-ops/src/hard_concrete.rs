//! A hard-concrete sample (Louizos et al. 2018; Algorithm 1 of the paper) as one op.
use candle_core::{Result, Tensor};
/// The stretch interval (gamma, zeta), gamma < 0 < 1 < zeta.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stretch {
    /// Lower end, below 0.
    pub gamma: f64,
    /// Upper end, above 1.
    pub zeta: f64,
}
impl Default for Stretch {
    fn default() -> Self {
        Self {
            gamma: -0.1,
            zeta: 1.1,
        }
    }
}
/// z = clip(sigmoid((log u - log(1 - u) + log_alpha) / tau) * (zeta - gamma) + gamma, 0, 1).
/// `noise` u in (0, 1) has shape (.., gates); `log_alpha` (gates,) broadcasts over the leading
/// dimensions, or has noise's shape. Returns noise's shape; the gradient reaches `log_alpha` only.
pub fn hard_concrete(
    log_alpha: &Tensor,
    noise: &Tensor,
    temperature: f64,
    stretch: Stretch,
) -> Result<Tensor> {
    crate::composed::hard_concrete(log_alpha, &noise.detach(), temperature, stretch)
}
