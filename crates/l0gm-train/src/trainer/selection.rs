//! Validates with deterministic gates and selects by the validation rows alone, usually by their loss.

use super::config::SelectBy;
use super::session::Session;
use crate::checkpoint::Position;
use crate::predict::{fit_head_and_predict, predict_and_read};
use crate::{
    Encoder, EpochRecord, Head, Parameter, PredictionTable, Progress, Result, Split, StopFlag, Task,
};
use candle_core::Tensor;
use l0gm_gate::{GateReading, Temperature};
use serde::{Deserialize, Serialize};
use std::time::Instant;

/// The validation loss of the selected parameters beside the best one seen during training.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Selection {
    /// Validation loss (NLL) of the selected parameters.
    pub chosen: f64,
    /// Lowest validation loss seen, whether or not it could be selected.
    pub best_seen: f64,
    /// The epoch with the lowest validation loss; 0 is the untrained model.
    pub best_seen_epoch: usize,
    /// Validation loss of the untrained model. Absent where it was not measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<f64>,
    /// What was selected by.
    #[serde(default, skip_serializing_if = "SelectBy::is_default")]
    pub by: SelectBy,
}

impl Selection {
    /// By how much the chosen loss lies above the best one seen, relative to it.
    pub fn gap(&self) -> f64 {
        (self.chosen - self.best_seen) / self.best_seen.abs().max(f64::MIN_POSITIVE)
    }

    /// Reads it from a training that is over. `None` if nothing was validated.
    pub(super) fn of(position: &Position, by: SelectBy) -> Option<Self> {
        let (_, chosen) = position.best?;
        let seen = position.history.iter().map(|e| (e.epoch, e.valid_loss));
        let seen = position
            .start_loss
            .map(|loss| (0, loss))
            .into_iter()
            .chain(seen);
        let (best_seen_epoch, best_seen) = seen
            .chain(position.best)
            .min_by(|a, b| a.1.total_cmp(&b.1))?;
        Some(Self {
            chosen,
            best_seen,
            best_seen_epoch,
            start: position.start_loss,
            by,
        })
    }
}

impl<T, E, H> Session<'_, T, E, H>
where
    T: Task,
    E: Encoder<Input = T::Input>,
    H: Head<T::Input>,
{
    /// Validates the model as it would be used if training ended now, and selects it if it is the best of those that
    /// may be selected.
    pub(super) fn validate(&mut self, progress: &mut dyn Progress) -> Result<()> {
        self.in_use(|session| session.validate_here(progress))
    }

    fn validate_here(&mut self, progress: &mut dyn Progress) -> Result<()> {
        self.settle_again()?;
        let (predicted, reading) = self.predict_validation(progress)?;
        let valid_loss = self.finite_loss(&predicted)?;
        let (epoch, epochs) = (self.position.epoch, self.epochs);
        let then = self.config.schedule.at(epoch as f64 / epochs as f64);
        let active_fraction = reading.active_fraction;
        self.shown = Some((Instant::now(), active_fraction));
        let record = EpochRecord {
            epoch,
            train_loss: self.position.loss_sum / self.position.loss_count.max(1) as f64,
            valid_loss,
            valid_accuracy: predicted.accuracy(),
            active_fraction,
            expected_l0: self.expected_l0(then.temperature, reading.expected_l0)?,
            temperature: then.temperature.0,
            lambda: self.lambda_at(then),
            seconds: self.seconds(),
        };
        tracing::debug!(epoch, valid_loss, active_fraction, "validated");
        self.position.history.push(record);
        self.position.loss_sum = 0.0;
        self.position.loss_count = 0;
        if (self.may_select() || self.config.recipe.settles()) && self.is_compressed() {
            self.select_if_better(valid_loss, predicted.accuracy())?;
        }
        Ok(())
    }

    /// Validates without an entry in the history, and selects the current parameters if they are the best so far.
    pub(super) fn consider(&mut self, progress: &mut dyn Progress) -> Result<()> {
        let (loss, accuracy) = self.validated(progress)?;
        self.select_if_better(loss, accuracy)
    }

    /// The validation loss and accuracy of the current parameters.
    pub(super) fn validated(&mut self, progress: &mut dyn Progress) -> Result<(f64, f64)> {
        let (predicted, _) = self.predict_validation(progress)?;
        Ok((self.finite_loss(&predicted)?, predicted.accuracy()))
    }

    fn predict_validation(
        &mut self,
        progress: &mut dyn Progress,
    ) -> Result<(PredictionTable, GateReading)> {
        if self.model.head.is_fitted_on_validation() {
            return fit_head_and_predict(
                self.task,
                self.model,
                self.config.eval_batch_size,
                self.device,
                progress,
            );
        }
        predict_and_read(
            self.task,
            self.model,
            Split::Valid,
            self.config.eval_batch_size,
            self.device,
            progress,
            // A stop request waits until the next step, because half a validation is of no use.
            &StopFlag::default(),
        )
    }

    fn finite_loss(&self, predicted: &PredictionTable) -> Result<f64> {
        let loss = predicted.nll();
        match loss.is_finite() {
            true => Ok(loss),
            false => Err(self.not_finite(&format!("the validation loss is {loss}"))),
        }
    }

    /// Whether parameters with this validation loss and accuracy are better than what is selected.
    pub(super) fn is_better(&self, loss: f64, accuracy: f64) -> bool {
        let before = self.position.best_accuracy;
        match (self.position.best, self.config.select_by) {
            (None, _) => true,
            (Some((_, best)), SelectBy::Loss) => loss < best,
            (Some((_, best)), SelectBy::Accuracy) => {
                accuracy > before || (accuracy >= before && loss < best)
            }
        }
    }

    pub(super) fn select_if_better(&mut self, loss: f64, accuracy: f64) -> Result<()> {
        if self.is_better(loss, accuracy) {
            self.position.best_accuracy = accuracy;
            self.position.best = Some((self.position.epoch, loss));
            self.position.stale = 0;
            self.best = Some(snapshot(&self.parameters)?);
        } else {
            self.position.stale += 1;
        }
        Ok(())
    }

    /// Whether the parameters of this epoch may become the model's.
    ///
    /// Under the recipe `settled` that is any epoch of a model whose gates are fixed or that has none, and another one's
    /// after its gates have settled;
    /// until then the best weights are kept for the beginning of that phase. Under Algorithm 1 it is the last share of
    /// training. The last epoch is always validated, so that something is always selected.
    pub(super) fn may_select(&self) -> bool {
        if self.config.recipe.settles() {
            let decided = self.model.trained_gates().is_empty() || self.compressor.is_some();
            return decided || self.position.settled_from.is_some();
        }
        let from = self.epochs as f64 * self.config.select_from();
        self.position.epoch as f64 > from + 1e-9
    }

    /// Expected L0 at the current temperature. For a conditional gate it is `at_the_end`, the value at the final
    /// temperature, because its examples are no longer available.
    fn expected_l0(&self, now: Temperature, at_the_end: f64) -> Result<f64> {
        let gates = self.model.gates();
        if gates.is_empty() || gates.iter().any(|gate| gate.is_conditional()) {
            return Ok(at_the_end);
        }
        let mut sum = 0.0;
        for gate in gates {
            sum += gate.at_temperature(now)?.expected_l0()?;
        }
        Ok(sum)
    }

    /// Puts the selected parameters into the model and writes them as the last checkpoint.
    pub(super) fn finish(&mut self) -> Result<()> {
        if let Some(best) = &self.best {
            for (parameter, tensor) in self.parameters.iter().zip(best) {
                parameter.var.set(tensor)?;
            }
        }
        self.position.finished = true;
        self.save()
    }
}

/// Deep copies of every parameter.
fn snapshot(parameters: &[Parameter]) -> Result<Vec<Tensor>> {
    parameters
        .iter()
        .map(|p| Ok(p.var.as_tensor().detach().copy()?))
        .collect()
}
