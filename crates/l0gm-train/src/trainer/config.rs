//! How to train, checked before the first step.

use crate::{EpochRecord, Error, OptimiserConfig, Result};
use l0gm_gate::{Controller, Objective, Schedule, ScheduleKind, Target};
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
    /// Lambda, and a calibration term.
    pub objective: Objective,
    /// An active fraction asked for instead of lambda, such as 0.15 or "15%"; absent: lambda counts.
    pub target: Option<Target>,
    /// How lambda is moved towards a target; not used without one.
    pub controller: Controller,
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
            target: None,
            controller: Controller::default(),
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

impl Outcome {
    /// Of a method that is not trained in epochs.
    pub fn without_epochs(train_seconds: f64) -> Self {
        Self {
            history: Vec::new(),
            best_epoch: 0,
            train_seconds,
            steps: 0,
        }
    }
}

impl TrainConfig {
    /// Checks every setting; the error names the setting, its value and the allowed range.
    pub fn check(&self) -> Result<()> {
        let counts = [
            ("epochs", self.epochs, 1_000_000),
            ("batch-size", self.batch_size, 1 << 24),
            ("eval-batch-size", self.eval_batch_size, 1 << 24),
            ("validate-every", self.validate_every, 1_000_000),
        ];
        for (name, value, most) in counts {
            if !(1..=most).contains(&value) {
                return Err(Error::Setting(format!(
                    "setting `{name}` = {value}: must be from 1 to {most}"
                )));
            }
        }
        const YEAR: u64 = 365 * 24 * 3600;
        if self.checkpoint_seconds > YEAR {
            return Err(Error::Setting(format!(
                "setting `checkpoint-seconds` = {}: must be from 0 to {YEAR}",
                self.checkpoint_seconds
            )));
        }
        let share = self.select_from_last;
        if !(share > 0.0 && share <= 1.0) {
            return Err(Error::Setting(format!(
                "setting `select-from-last` = {share}: must be in (0, 1]"
            )));
        }
        self.optimiser.check()?;
        self.schedule.check()?;
        self.objective.check()?;
        if self.target.is_none() {
            return Ok(());
        }
        self.controller.check()?;
        if self.schedule.kind == ScheduleKind::Annealed
            && self.schedule.warmup >= self.controller.reach
        {
            return Err(Error::Setting(format!(
                "setting `controller.reach` = {}: with a target it must come after `schedule.warmup` ({})",
                self.controller.reach, self.schedule.warmup
            )));
        }
        Ok(())
    }

    /// The lambda of a gated run's spec: as given, else `default`; none where these settings ask for an active
    /// fraction. `method` is named in errors.
    ///
    /// # Errors
    /// A lambda beside a target, or neither.
    pub fn gated_lambda(
        &self,
        method: &str,
        given: Option<f64>,
        default: Option<f64>,
    ) -> Result<Option<f64>> {
        match (self.target, given.or(default)) {
            (Some(target), _) => match given {
                None => Ok(None),
                Some(lambda) => Err(Error::Setting(format!(
                    "train.target asks for {:.1}% active and there is a lambda, {lambda}: the controller finds \
                     lambda by itself. Ask with `--target` instead of train.target, or leave lambda out",
                    100.0 * target.active()
                ))),
            },
            (None, Some(lambda)) => Ok(Some(lambda)),
            (None, None) => Err(Error::Setting(format!(
                "method {method} needs a lambda or a target"
            ))),
        }
    }

    /// What any table must say of a run with a target.
    pub fn target_note(&self) -> Option<String> {
        self.target.map(|target| {
            format!(
                "lambda found by the controller: target {:.1}% active, gates settled at {:.0}% of training",
                100.0 * target.active(),
                100.0 * self.controller.settle
            )
        })
    }

    /// Share of training until which lambda is 0: the schedule's warm-up, where it has one.
    pub(super) fn warmup(&self) -> f64 {
        match self.schedule.kind {
            ScheduleKind::Annealed => self.schedule.warmup,
            ScheduleKind::None => 0.0,
        }
    }

    /// Share of training after which a checkpoint may be selected: with a target, only once the gates have
    /// settled.
    pub(super) fn select_from(&self) -> f64 {
        let from = 1.0 - self.select_from_last;
        match self.target {
            Some(_) => from.max(self.controller.settle),
            None => from,
        }
    }
}
