//! Validates with deterministic gates and selects by validation loss alone.

use super::session::Session;
use crate::predict::predict_and_read;
use crate::{Encoder, EpochRecord, Head, Parameter, Progress, Result, Split, StopFlag, Task};
use candle_core::Tensor;
use l0gm_gate::Temperature;
use std::time::Instant;

impl<T, E, H> Session<'_, T, E, H>
where
    T: Task,
    E: Encoder<Input = T::Input>,
    H: Head<T::Input>,
{
    /// Validates the model as it would be used if training ended now, and selects it if it is the best of those that
    /// may be selected.
    pub(super) fn validate(&mut self, progress: &mut dyn Progress) -> Result<()> {
        self.settle_again()?;
        let (predicted, reading) = predict_and_read(
            self.task,
            self.model,
            Split::Valid,
            self.config.eval_batch_size,
            self.device,
            progress,
            // A stop request waits until the next step, because half a validation is of no use.
            &StopFlag::default(),
        )?;
        let valid_loss = predicted.nll();
        if !valid_loss.is_finite() {
            return Err(self.not_finite(&format!("the validation loss is {valid_loss}")));
        }
        let (epoch, epochs) = (self.position.epoch, self.config.epochs);
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
        // The last epoch is always validated, so that something is always selected.
        let from = epochs as f64 * self.config.select_from();
        if epoch as f64 > from + 1e-9 {
            if self.position.best.is_none_or(|(_, best)| valid_loss < best) {
                self.position.best = Some((epoch, valid_loss));
                self.position.stale = 0;
                self.best = Some(snapshot(&self.parameters)?);
            } else {
                self.position.stale += 1;
            }
        }
        Ok(())
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
