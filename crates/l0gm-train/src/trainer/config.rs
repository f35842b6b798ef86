//! How to train, checked before the first step.

use crate::{EpochRecord, Error, OptimiserConfig, Result};
use l0gm_gate::{Objective, Schedule};
use serde::{Deserialize, Serialize};

/// How to train. Defaults are the documented defaults; each modality has its own on top.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct TrainConfig {
    /// Passes over the training rows.
    pub epochs: usize,
    /// Rows a step (ignored by full-batch tasks).
    pub batch_size: usize,
    /// Rows a step when only predicting; a text task cuts its batches at a number of tokens too.
    pub eval_batch_size: usize,
    /// Learning rates, decay, clipping, warm-up and cosine.
    pub optimiser: OptimiserConfig,
    /// Temperature and lambda over training.
    pub schedule: Schedule,
    /// Lambda.
    pub objective: Objective,
    /// Validate every so many epochs.
    pub validate_every: usize,
    /// Only checkpoints of the last this-much of training may be selected (the gates must be final): (0, 1].
    pub select_from_last: f64,
    /// Stop after so many validations without a better validation loss, counted from when selection starts; 0 = never.
    pub patience: usize,
    /// Whether the trained model is judged under the twelve conditions of the robustness protocol too.
    pub robustness: bool,
    /// A checkpoint is written about every so many seconds, less often where writing would take more
    /// than a twentieth of the time; 0 = after every step, whatever that costs.
    pub checkpoint_seconds: u64,
}
impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            epochs: 20,
            batch_size: 512,
            eval_batch_size: 4096,
            optimiser: OptimiserConfig::default(),
            schedule: Schedule::default(),
            objective: Objective::default(),
            validate_every: 1,
            select_from_last: 0.25,
            patience: 0,
            robustness: true,
            checkpoint_seconds: 20,
        }
    }
}
/// What training left: the model holds the selected parameters, these say how it went.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// One entry a validation.
    pub history: Vec<EpochRecord>,
    /// The epoch (from 1) whose parameters were selected.
    pub best_epoch: usize,
    /// Seconds of training over all sittings, without data loading before it.
    pub train_seconds: f64,
    /// Optimiser steps taken.
    pub steps: usize,
}

impl TrainConfig {
    /// Checks every setting; the error names the setting, its value and the allowed range.
    pub fn check(&self) -> Result<()> {
        let counts = [
            ("epochs", self.epochs),
            ("batch-size", self.batch_size),
            ("eval-batch-size", self.eval_batch_size),
            ("validate-every", self.validate_every),
        ];
        for (name, value) in counts {
            if value == 0 {
                return Err(Error::Setting(format!(
                    "setting `{name}` = 0: must be at least 1"
                )));
            }
        }
        let share = self.select_from_last;
        if !(share > 0.0 && share <= 1.0) {
            return Err(Error::Setting(format!(
                "setting `select-from-last` = {share}: must be in (0, 1]"
            )));
        }
        self.optimiser.check()?;
        self.schedule.check()?;
        Ok(self.objective.check()?)
    }
}
