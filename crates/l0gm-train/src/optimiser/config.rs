//! The optimiser's settings, and the learning rate at each moment of training.

use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// The optimiser's settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct OptimiserConfig {
    /// Peak learning rate of the head.
    pub learning_rate: f64,
    /// Peak learning rate of the encoder. Absent: the head's.
    pub encoder_learning_rate: Option<f64>,
    /// The total distance that one gate's log_alpha may move during training. The gates' constant learning rate is
    /// this distance divided by the number of steps, so that lambda has the same effect in a run of 200 steps and in
    /// one of 2,000.
    pub gate_travel: f64,
    /// Epsilon of the gates' Adam. Adam divides a gradient by its own size, so a gate on which only the penalty acts
    /// would move at the same speed whatever lambda is. An epsilon above the penalty's gradient makes the speed
    /// proportional to lambda again.
    pub gate_epsilon: f64,
    /// Decoupled weight decay of weights. Biases, norms and gates do not decay.
    pub weight_decay: f64,
    /// Decay rate of the first moment.
    pub beta1: f64,
    /// Decay rate of the second moment.
    pub beta2: f64,
    /// Epsilon in AdamW's denominator, for everything but the gates.
    pub epsilon: f64,
    /// The global norm to which the gradients of weights are clipped; 0 = no clipping. Gates are not clipped.
    pub clip_norm: f64,
    /// Fraction of the steps over which the learning rate rises linearly.
    pub warmup: f64,
    /// Whether the learning rate falls to 0 along a cosine after the warm-up. Otherwise it stays constant.
    pub cosine: bool,
}

impl Default for OptimiserConfig {
    fn default() -> Self {
        Self {
            learning_rate: 2e-3,
            encoder_learning_rate: None,
            gate_travel: 60.0,
            gate_epsilon: 1e-8,
            weight_decay: 1e-5,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            clip_norm: 1.0,
            warmup: 0.0,
            cosine: true,
        }
    }
}

impl OptimiserConfig {
    /// Checks every setting. The error names the setting, its value and the allowed range.
    pub fn check(&self) -> Result<()> {
        let positive = |name, value: f64| {
            range(
                name,
                value,
                value.is_finite() && value > 0.0,
                "a number above 0",
            )
        };
        let not_negative = |name, value: f64| {
            range(
                name,
                value,
                value.is_finite() && value >= 0.0,
                "a number of at least 0",
            )
        };
        let share = |name, value: f64| range(name, value, (0.0..1.0).contains(&value), "in [0, 1)");
        positive("learning-rate", self.learning_rate)?;
        if let Some(rate) = self.encoder_learning_rate {
            positive("encoder-learning-rate", rate)?;
        }
        positive("gate-travel", self.gate_travel)?;
        positive("gate-epsilon", self.gate_epsilon)?;
        not_negative("weight-decay", self.weight_decay)?;
        share("beta1", self.beta1)?;
        share("beta2", self.beta2)?;
        positive("epsilon", self.epsilon)?;
        not_negative("clip-norm", self.clip_norm)?;
        share("warmup", self.warmup)
    }

    /// The factor on the peak learning rates at step `step` (counted from 0) and `progress` in [0, 1]; `steps` is the
    /// total number of steps.
    pub(super) fn rate_factor(&self, progress: f64, steps: usize) -> f64 {
        // Counted from the end of the step, so that the first warm-up step has a rate above 0.
        let reached = progress + 1.0 / steps.max(1) as f64;
        if reached < self.warmup {
            return reached / self.warmup;
        }
        if !self.cosine {
            return 1.0;
        }
        let along = ((progress - self.warmup) / (1.0 - self.warmup)).clamp(0.0, 1.0);
        0.5 * (1.0 + (std::f64::consts::PI * along).cos())
    }
}

/// Returns an error that names the setting and its range, unless the value is `allowed`.
fn range(name: &str, value: f64, allowed: bool, what: &str) -> Result<()> {
    if allowed {
        return Ok(());
    }
    Err(Error::Setting(format!(
        "setting `optimiser.{name}` = {value}: must be {what}"
    )))
}
