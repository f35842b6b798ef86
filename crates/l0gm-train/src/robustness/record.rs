//! What a run's record says of its robustness.

use super::Condition;
use serde::{Deserialize, Serialize};

/// Metric and calibration on some test rows, before and after temperature scaling.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// Share of right top labels.
    pub accuracy: f64,
    /// ROC-AUC: binary, or macro one-vs-rest; absent if the rows hold one class.
    pub auc: Option<f64>,
    /// Unweighted mean of the classes' F1.
    pub macro_f1: f64,
    /// Negative log-likelihood, nats.
    pub nll: f64,
    /// Brier score.
    pub brier: f64,
    /// Top-label ECE.
    pub ece: f64,
    /// Its noise floor: the mean ECE of labels redrawn from these predictions.
    pub ece_noise: f64,
    /// NLL with the temperature that was fitted on the unperturbed validation split.
    pub nll_scaled: f64,
    /// Brier score, scaled.
    pub brier_scaled: f64,
    /// Top-label ECE, scaled.
    pub ece_scaled: f64,
}

/// One condition's outcome.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConditionResult {
    /// Which.
    pub condition: Condition,
    /// What was perturbed: "fields", "tokens", "interface".
    pub at: String,
    /// The outcome.
    pub score: Score,
}

/// The robustness protocol on one trained model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Robustness {
    /// Test rows judged.
    pub rows: usize,
    /// Equal-width bins of the ECEs.
    pub bins: usize,
    /// The same rows as they are.
    pub clean: Score,
    /// One a condition, in the protocol's order.
    pub conditions: Vec<ConditionResult>,
    /// Seconds that judging took.
    pub seconds: f64,
}

impl Robustness {
    /// A quantity's mean over the conditions.
    pub fn mean(&self, of: impl Fn(&Score) -> f64) -> f64 {
        let sum: f64 = self.conditions.iter().map(|c| of(&c.score)).sum();
        sum / self.conditions.len() as f64
    }

    /// Rob mu of this run: the mean accuracy over the conditions.
    pub fn rob_mu(&self) -> f64 {
        self.mean(|score| score.accuracy)
    }
}
