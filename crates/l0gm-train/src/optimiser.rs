//! AdamW with parameter groups, exportable state, global-norm clipping, linear warm-up and cosine.
use serde::{Deserialize, Serialize};
/// The optimiser's settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct OptimiserConfig {
    /// Peak learning rate of the head.
    pub learning_rate: f64,
    /// Peak learning rate of the encoder; the head's where absent.
    pub encoder_learning_rate: Option<f64>,
    /// How far one gate's log_alpha may travel in all over training: the gate group's constant
    /// learning rate is this divided by the number of steps, so that lambda means the same whether a
    /// run has 200 steps or 2,000.
    pub gate_travel: f64,
    /// Decoupled weight decay of weights (never of biases, norms and gates).
    pub weight_decay: f64,
    /// First-moment decay.
    pub beta1: f64,
    /// Second-moment decay.
    pub beta2: f64,
    /// Epsilon.
    pub epsilon: f64,
    /// Global-norm clip of weights' gradients; 0 = none. Gates are not clipped.
    pub clip_norm: f64,
    /// Fraction of steps over which the learning rate rises linearly.
    pub warmup: f64,
    /// Whether the learning rate falls to 0 along a cosine after the warm-up (else constant).
    pub cosine: bool,
}
impl Default for OptimiserConfig {
    fn default() -> Self {
        Self { learning_rate: 2e-3, encoder_learning_rate: None, gate_travel: 60.0, weight_decay: 1e-5, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, clip_norm: 1.0, warmup: 0.0, cosine: true }
    }
}
/// The optimiser with its moments.
#[derive(Debug)]
pub struct Optimiser {
    _private: (),
}
