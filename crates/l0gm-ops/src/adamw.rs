//! One AdamW step in place (Loshchilov and Hutter 2019): one pass over parameter, gradient and moments.
use candle_core::{Result, Tensor, Var};
/// The coefficients of one step.
#[derive(Clone, Copy, Debug)]
pub struct AdamWStep {
    /// Learning rate of this step.
    pub learning_rate: f64,
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub epsilon: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// 1-based number of this step, for the bias correction.
    pub step: usize,
    /// Factor the gradient is multiplied with first (1 unless clipped by global norm).
    pub gradient_scale: f64,
}
impl AdamWStep {
    /// 1 - beta^step of both moments.
    pub(crate) fn corrections(&self) -> (f64, f64) {
        let power = |beta: f64| 1.0 - beta.powf(self.step as f64);
        (power(self.beta1), power(self.beta2))
    }
}
/// Updates `parameter` and its two moments in place. All four have the same shape and dtype.
pub fn adamw_step(
    parameter: &Var,
    gradient: &Tensor,
    first: &Var,
    second: &Var,
    step: &AdamWStep,
) -> Result<()> {
    crate::composed::adamw_step(parameter, gradient, first, second, step)
}
