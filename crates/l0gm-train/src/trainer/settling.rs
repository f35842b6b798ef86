//! The settled phase: the gates take their final state, and the weights adapt to it.

use super::session::Session;
use crate::{Encoder, Head, Parameter, ParameterKind, Part, Progress, Result, Split, Task};
use candle_core::Tensor;
use l0gm_gate::{Target, harden, settle, settle_likely, shift_to};

impl<T, E, H> Session<'_, T, E, H>
where
    T: Task,
    E: Encoder<Input = T::Input>,
    H: Head<T::Input>,
{
    /// Settles the gates at a step: exactly on the target or, where lambda was given, on those that training noise
    /// opens more often than not.
    ///
    /// Under the recipe `settled`, the gates become the same in training and in use, and the phase starts from the
    /// weights with the lower validation loss under them: the current ones or the best ones so far. Where a model
    /// overfits before its gates have settled, these are the earlier ones.
    pub(super) fn begin_settled_phase(
        &mut self,
        target: Option<Target>,
        progress: &mut dyn Progress,
    ) -> Result<()> {
        let from = self.active_now()?;
        tracing::info!(
            active = from,
            target = target.map(Target::active),
            "the gates settle"
        );
        self.position.settled_from = Some(from);
        if !self.config.recipe.settles() {
            return match target {
                Some(target) => self.settle(target),
                None => Ok(()),
            };
        }
        match target {
            Some(target) => self.settle(target)?,
            None if self.model.gate.is_conditional() => {}
            None => {
                settle_likely(&self.model.gates())?;
            }
        }
        harden(&self.model.gates())?;
        let earlier = self.best.take();
        self.adopt_average()?;
        self.position.best = None;
        self.position.stale = 0;
        self.consider(progress)?;
        // A conditional gate reads the representation; earlier weights would be another gate.
        let Some(earlier) = earlier.filter(|_| !self.model.gate.is_conditional()) else {
            return Ok(());
        };
        let current = self.exchange_weights(&earlier)?;
        let (loss, accuracy) = self.validated(progress)?;
        match self.is_better(loss, accuracy) {
            true => self.select_if_better(loss, accuracy)?,
            false => {
                self.exchange_weights(&current)?;
            }
        }
        Ok(())
    }

    /// Settles the gates after the last step, where a training was too short to reach the settled phase.
    pub(super) fn settle_at_the_end(&mut self, progress: &mut dyn Progress) -> Result<()> {
        let due = self.config.recipe.settles()
            && self.position.settled_from.is_none()
            && !self.model.trained_gates().is_empty()
            && self.compressor.is_none();
        match due {
            true => self.begin_settled_phase(self.config.target, progress),
            false => Ok(()),
        }
    }

    /// Puts these values into every parameter except those of the gates. Returns the values of before.
    fn exchange_weights(&self, values: &[Tensor]) -> Result<Vec<Tensor>> {
        self.exchange(values, |parameter| {
            parameter.kind != ParameterKind::Gate && parameter.part != Part::Gate
        })
    }

    /// Puts these values into the parameters that are `chosen`. Returns the values of before, of all parameters.
    pub(super) fn exchange(
        &self,
        values: &[Tensor],
        chosen: impl Fn(&Parameter) -> bool,
    ) -> Result<Vec<Tensor>> {
        let mut before = Vec::with_capacity(values.len());
        for (parameter, value) in self.parameters.iter().zip(values) {
            before.push(parameter.var.as_tensor().detach().copy()?);
            if chosen(parameter) {
                parameter.var.set(value)?;
            }
        }
        Ok(before)
    }

    /// Moves the gates exactly onto the target. A conditional gate is moved so that its mean over the validation rows
    /// is on target; their labels are not read.
    fn settle(&mut self, target: Target) -> Result<()> {
        if !self.model.gate.is_conditional() {
            settle(&self.model.gates(), target)?;
            return Ok(());
        }
        let plan = self
            .task
            .plan(Split::Valid, self.config.eval_batch_size, None);
        let mut values: Vec<f32> = Vec::new();
        for rows in plan {
            let batch = self.task.batch(Split::Valid, &rows, self.device)?;
            let forward = self.model.evaluate(&batch.input)?;
            if let Some(own) = forward.gated.log_alpha {
                values.extend(own.flatten_all()?.to_vec1::<f32>()?);
            }
        }
        Ok(shift_to(&self.model.gate, values, target)?)
    }

    /// Settles conditional gates again before a validation, because their encoder has changed since.
    pub(super) fn settle_again(&mut self) -> Result<()> {
        match self.config.target {
            Some(target)
                if self.position.settled_from.is_some() && self.model.gate.is_conditional() =>
            {
                self.settle(target)
            }
            _ => Ok(()),
        }
    }
}
