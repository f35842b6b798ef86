//! A running mean of the weights over the last epochs. Where it is asked for, it is what is validated, selected and used;
//! training itself goes on with the weights as they are.
//!
//! A step's batch moves the weights by more than it teaches, most of all in small data sets and at high learning
//! rates. The mean over many steps keeps what they agree on (Polyak and Juditsky 1992; Izmailov et al. 2018).

use super::session::Session;
use crate::{Encoder, Head, Parameter, ParameterKind, Part, Result, Task};

impl<T, E, H> Session<'_, T, E, H>
where
    T: Task,
    E: Encoder<Input = T::Input>,
    H: Head<T::Input>,
{
    /// Moves the mean towards the weights after a step. `batches` is the number of steps in an epoch.
    pub(super) fn update_average(&mut self, batches: usize) -> Result<()> {
        let span = self.config.average_epochs * batches as f64;
        if span <= 0.0 {
            return Ok(());
        }
        // At first the mean covers the steps that there are, so that it does not hold on to the untrained weights.
        let age = self.position.average_age;
        let share = 1.0 / (1.0 + span.min(age as f64));
        self.position.average_age += 1;
        let mut moved = Vec::with_capacity(self.parameters.len());
        for (number, parameter) in self.parameters.iter().enumerate() {
            let now = parameter.var.as_detached_tensor();
            moved.push(
                match self.average.as_ref().map(|average| &average[number]) {
                    Some(mean) if is_averaged(parameter) => {
                        ((mean * (1.0 - share))? + (now * share)?)?.detach()
                    }
                    _ => now.copy()?,
                },
            );
        }
        self.average = Some(moved);
        Ok(())
    }

    /// Runs `job` with the mean in place of the weights.
    pub(super) fn with_average<R>(
        &mut self,
        job: impl FnOnce(&mut Self) -> Result<R>,
    ) -> Result<R> {
        let Some(average) = self.average.take() else {
            return job(self);
        };
        let current = self.exchange(&average, is_averaged)?;
        let result = job(self);
        self.exchange(&current, is_averaged)?;
        self.average = Some(average);
        result
    }

    /// Training goes on from the mean, and a new mean begins.
    pub(super) fn adopt_average(&mut self) -> Result<()> {
        if let Some(average) = self.average.take() {
            self.exchange(&average, is_averaged)?;
        }
        self.position.average_age = 0;
        Ok(())
    }
}

/// Gates have a state of their own, and fixed parameters are not trained.
fn is_averaged(parameter: &Parameter) -> bool {
    !matches!(parameter.kind, ParameterKind::Gate | ParameterKind::Fixed)
        && parameter.part != Part::Gate
}
