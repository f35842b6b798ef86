//! Training settings, which are checked before the first step.

use super::Selection;
use super::class_weights::ClassWeights;
use crate::compression::{Compression, Kept};
use crate::{EpochRecord, Error, OptimiserConfig, Result};
use l0gm_gate::{Controller, Objective, Schedule, ScheduleKind, Target};
use serde::{Deserialize, Serialize};

/// Which phases a training goes through, and which of its epochs may be selected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Recipe {
    /// The paper's Algorithm 1: gates stay noisy to the end, and prediction then closes some of them. Only the last
    /// epochs may be selected ([`TrainConfig::select_from_last`]). With a target, the gates settle before.
    #[default]
    Algorithm1,
    /// Warm-up, closing, and a settled phase in which training uses the same fixed gates as prediction, so that the
    /// weights adapt to them. A gated model is selected in the settled phase, a dense one at any epoch.
    Settled,
}

impl Recipe {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Whether the gates settle before training ends, also without a target.
    pub(super) fn settles(self) -> bool {
        self == Self::Settled
    }
}

/// What decides which epoch is selected. Both read the validation rows alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SelectBy {
    /// The lowest loss (NLL).
    #[default]
    Loss,
    /// The highest accuracy and, where it is equal, the lowest loss, as most published graph networks are selected. Their
    /// probabilities are usually too sure of themselves before temperature scaling.
    Accuracy,
}

impl SelectBy {
    #[allow(clippy::trivially_copy_pass_by_ref)] // serde passes a reference.
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// What lambda is a multiple of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LambdaUnit {
    /// Nats for each dimension that is open, as in the paper's objective. (With `gate.penalty` = "mean", nats for all of
    /// them.)
    #[default]
    Nat,
    /// The force of the task on the gates: lambda 1 makes the penalty pull at a gate's log_alpha as strongly as the
    /// task's gradient does in a typical step at the end of the warm-up (root mean square over steps, mean over gates).
    /// On tables one lambda then leaves similar shares open, whatever the loss, the number of dimensions and the batch.
    Force,
}

impl LambdaUnit {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Training settings. The defaults are the documented ones; each modality overrides some of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct TrainConfig {
    /// Passes over the training rows.
    pub epochs: usize,
    /// Passes are added, at most as many again, until training takes at least this many steps, because gates need steps
    /// to close and weights to adapt to them; 0 = never.
    #[serde(skip_serializing_if = "is_none")]
    pub least_steps: usize,
    /// Rows per training step. Full-batch tasks ignore it.
    pub batch_size: usize,
    /// Rows per batch when only predicting. A text task also limits the tokens per batch.
    pub eval_batch_size: usize,
    /// Learning rates, decay, clipping, warm-up and cosine.
    pub optimiser: OptimiserConfig,
    /// How temperature and lambda change during training.
    pub schedule: Schedule,
    /// Lambda and an optional calibration term.
    pub objective: Objective,
    /// A requested active fraction, such as 0.15 or "15%", in place of lambda. Absent: lambda is used.
    pub target: Option<Target>,
    /// How lambda is steered towards a target. Unused without a target.
    pub controller: Controller,
    /// Number of epochs between validations.
    pub validate_every: usize,
    /// Only epochs in this last share of training, in (0, 1], may be selected, because the gates must be final. The
    /// recipe `settled` ignores it.
    pub select_from_last: f64,
    /// Stops after this many validations without a better one (by `select-by`), counted from when selection starts;
    /// 0 = never.
    pub patience: usize,
    /// What decides which of the epochs that may be selected is.
    #[serde(skip_serializing_if = "SelectBy::is_default")]
    pub select_by: SelectBy,
    /// The phases of training, and which epochs may be selected.
    #[serde(skip_serializing_if = "Recipe::is_default")]
    pub recipe: Recipe,
    /// What lambda is a multiple of. Unused with a target.
    #[serde(skip_serializing_if = "LambdaUnit::is_default")]
    pub lambda_unit: LambdaUnit,
    /// Number of epochs that the running mean of the weights covers, which is then what is validated, selected and
    /// used; 0 = the weights as they are after a step.
    #[serde(skip_serializing_if = "is_zero")]
    pub average_epochs: f64,
    /// How much a row counts in the training loss, by its class. `balanced` finds more rows of rare classes and makes
    /// their probabilities too high.
    #[serde(skip_serializing_if = "ClassWeights::is_none")]
    pub class_weights: ClassWeights,
    /// Share of a row's target that is spread over all classes alike in the training loss (label smoothing), from 0
    /// (none) to below 1.
    #[serde(skip_serializing_if = "is_zero")]
    pub label_smoothing: f64,
    /// Both parameters of the Beta distribution from which mixup draws how much of another row's representation is
    /// mixed into each, from 0.05 to 1; 0 = no mixup.
    #[serde(skip_serializing_if = "is_zero")]
    pub mixup: f64,
    /// What is removed from the model while it is trained. Methods choose it; it is no setting of a user's. `target`
    /// says how much is left.
    #[doc(hidden)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compression: Option<Compression>,
    /// Whether the trained model is also judged under the twelve conditions of the robustness protocol.
    pub robustness: bool,
    /// Seconds between checkpoints. They are written less often if writing would take more than a twentieth of the
    /// time. 0 = after every step, whatever that costs.
    pub checkpoint_seconds: u64,
}
impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            epochs: 20,
            least_steps: 0,
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
            select_by: SelectBy::default(),
            recipe: Recipe::default(),
            lambda_unit: LambdaUnit::default(),
            average_epochs: 0.0,
            class_weights: ClassWeights::None,
            label_smoothing: 0.0,
            mixup: 0.0,
            compression: None,
            robustness: true,
            checkpoint_seconds: 20,
        }
    }
}
/// How training went. The selected parameters are in the model itself.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// One entry per validation.
    pub history: Vec<EpochRecord>,
    /// The epoch (counted from 1) whose parameters were selected; 0 where the untrained model was the best.
    pub best_epoch: usize,
    /// The chosen validation loss beside the best one seen. Absent for methods that are not trained in epochs.
    pub selection: Option<Selection>,
    /// Seconds of training over all sittings, without loading data.
    pub train_seconds: f64,
    /// Number of optimiser steps taken.
    pub steps: usize,
    /// What a compression left; absent where nothing was removed.
    pub kept: Option<Kept>,
    /// What fitting decided and any table must say, added to the notes of the record's data.
    pub notes: Vec<String>,
}

impl Outcome {
    /// The outcome of a method that is not trained in epochs.
    pub fn without_epochs(train_seconds: f64) -> Self {
        Self {
            history: Vec::new(),
            best_epoch: 0,
            selection: None,
            train_seconds,
            steps: 0,
            kept: None,
            notes: Vec::new(),
        }
    }
}

impl TrainConfig {
    /// Settings that came later and are not written where they have their defaults, so that the identities of earlier
    /// runs do not change. Written as a modality keeps them, under `train`.
    pub const UNWRITTEN: [&'static str; 8] = [
        "train.select-by",
        "train.least-steps",
        "train.recipe",
        "train.lambda-unit",
        "train.average-epochs",
        "train.class-weights",
        "train.label-smoothing",
        "train.mixup",
    ];

    /// Number of passes over training rows that are dealt into this many batches.
    pub fn epochs_of(&self, batches: usize) -> usize {
        let wanted = self.least_steps.div_ceil(batches.max(1));
        wanted.clamp(self.epochs, 2 * self.epochs)
    }

    /// Checks every setting. The error names the setting, its value and the allowed range.
    pub fn check(&self) -> Result<()> {
        let counts = [
            ("epochs", self.epochs, 1_000_000),
            ("batch-size", self.batch_size, 1 << 24),
            ("eval-batch-size", self.eval_batch_size, 1 << 24),
            ("validate-every", self.validate_every, 1_000_000),
            ("least-steps", self.least_steps.max(1), 1_000_000),
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
        let span = self.average_epochs;
        if !(0.0..=1e6).contains(&span) {
            return Err(Error::Setting(format!(
                "setting `average-epochs` = {span}: must be from 0 (no mean) to 1000000"
            )));
        }
        let smoothing = self.label_smoothing;
        if !(0.0..1.0).contains(&smoothing) {
            return Err(Error::Setting(format!(
                "setting `label-smoothing` = {smoothing}: must be from 0 (none) to below 1"
            )));
        }
        let alpha = self.mixup;
        if alpha != 0.0 && !(0.05..=1.0).contains(&alpha) {
            return Err(Error::Setting(format!(
                "setting `mixup` = {alpha}: must be 0 (none) or from 0.05 to 1"
            )));
        }
        self.optimiser.check()?;
        self.schedule.check()?;
        self.objective.check()?;
        if self.target.is_none() && self.recipe == Recipe::Algorithm1 {
            return Ok(());
        }
        self.controller.check()?;
        if self.target.is_some()
            && self.schedule.kind == ScheduleKind::Annealed
            && self.schedule.warmup >= self.controller.reach
        {
            return Err(Error::Setting(format!(
                "setting `controller.reach` = {}: with a target it must come after `schedule.warmup` ({})",
                self.controller.reach, self.schedule.warmup
            )));
        }
        Ok(())
    }

    /// The lambda of a gated run's spec: the given one, otherwise `default`; none where these settings ask for an
    /// active fraction. Errors name `method`.
    ///
    /// # Errors
    /// Both a lambda and a target are given, or neither.
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

    /// The remark that any table must show for a run with a target.
    pub fn target_note(&self) -> Option<String> {
        self.target.map(|target| {
            format!(
                "lambda found by the controller: target {:.1}% active, gates settled at {:.0}% of training",
                100.0 * target.active(),
                100.0 * self.controller.settle
            )
        })
    }

    /// Where the learning rate's schedule stands at `progress`. The settled phase of the recipe `settled` has the whole
    /// schedule again, because its weights, perhaps those of an early epoch, have a smaller model to learn.
    pub(super) fn along_the_phase(&self, progress: f64, settled: bool) -> f64 {
        if let Some(along) = self.compression.as_ref().and_then(|c| c.along(progress)) {
            return along;
        }
        match settled && self.recipe.settles() {
            true => (progress - self.controller.settle) / (1.0 - self.controller.settle),
            false => progress,
        }
    }

    /// Share of training during which lambda is 0: the schedule's warm-up, if it has one.
    pub(crate) fn warmup(&self) -> f64 {
        match self.schedule.kind {
            ScheduleKind::Annealed => self.schedule.warmup,
            ScheduleKind::None => 0.0,
        }
    }

    /// Share of training after which an epoch of Algorithm 1 may be selected. With a target, this is not before the
    /// gates have settled.
    pub(super) fn select_from(&self) -> f64 {
        let from = 1.0 - self.select_from_last;
        match self.target {
            Some(_) => from.max(self.controller.settle),
            None => from,
        }
    }
}

fn is_none(value: &usize) -> bool {
    *value == 0
}

fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_batches_take_more_epochs_but_never_more_than_twice_as_many() {
        let mut config = TrainConfig {
            epochs: 40,
            ..TrainConfig::default()
        };
        assert_eq!(config.epochs_of(1), 40);
        config.least_steps = 4_000;
        for (batches, epochs) in [(16, 80), (50, 80), (58, 69), (100, 40), (1_000, 40)] {
            assert_eq!(config.epochs_of(batches), epochs);
        }
    }
}
