//! The robustness part of a run record.

use super::Condition;
use serde::{Deserialize, Serialize};

/// Metrics and calibration on some test rows, before and after temperature scaling.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// Share of rows whose top label is right.
    pub accuracy: f64,
    /// ROC-AUC: binary, or macro one-vs-rest. Absent if the rows hold one class only.
    pub auc: Option<f64>,
    /// Unweighted mean of the F1 scores of the classes.
    pub macro_f1: f64,
    /// Negative log-likelihood in nats.
    pub nll: f64,
    /// Brier score.
    pub brier: f64,
    /// Top-label ECE.
    pub ece: f64,
    /// Noise floor of the ECE: the mean ECE of labels redrawn from these predictions.
    pub ece_noise: f64,
    /// NLL with the temperature that was fitted on the unperturbed validation split.
    pub nll_scaled: f64,
    /// Brier score after the same scaling.
    pub brier_scaled: f64,
    /// Top-label ECE after the same scaling.
    pub ece_scaled: f64,
}

/// The result under one condition.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConditionResult {
    /// The perturbation that was applied.
    pub condition: Condition,
    /// What was perturbed: "fields", "tokens", "interface".
    pub at: String,
    /// The scores on the perturbed rows.
    pub score: Score,
}

/// The results of the robustness protocol for one trained model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Robustness {
    /// Number of test rows that were judged.
    pub rows: usize,
    /// Number of equal-width bins of the ECEs.
    pub bins: usize,
    /// Scores of the same rows without a perturbation.
    pub clean: Score,
    /// One entry per condition, in the protocol's order.
    pub conditions: Vec<ConditionResult>,
    /// Seconds that the judging took.
    pub seconds: f64,
}

impl Robustness {
    /// The mean of a score over the conditions.
    pub fn mean(&self, of: impl Fn(&Score) -> f64) -> f64 {
        let sum: f64 = self.conditions.iter().map(|c| of(&c.score)).sum();
        sum / self.conditions.len() as f64
    }

    /// Rob mu of this run: the mean accuracy over the conditions.
    pub fn rob_mu(&self) -> f64 {
        self.mean(|score| score.accuracy)
    }
}
