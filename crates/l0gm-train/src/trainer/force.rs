//! Lambda as a multiple of the task's force on the gates.
//!
//! How far a gate travels depends on the ratio of the penalty's gradient to the noise of the task's, because Adam
//! divides by the size of both together. That noise differs between datasets, losses, batches and widths, and the
//! share that one lambda leaves open differs with it. The optimiser knows its size: the second moment of log_alpha's
//! gradient, which is the task's alone until the warm-up ends.

use super::LambdaUnit;
use super::session::Session;
use crate::{Encoder, Head, ParameterKind, Result, Task};
use l0gm_gate::{PenaltyReduction, ScheduleStep};

/// Steps before the second moment says anything, for schedules without a warm-up.
const FIRST_STEPS: usize = 20;

impl<T, E, H> Session<'_, T, E, H>
where
    T: Task,
    E: Encoder<Input = T::Input>,
    H: Head<T::Input>,
{
    /// Lambda at this step of the schedule, in nats for each unit of the penalty.
    pub(super) fn scheduled_lambda(&mut self, now: ScheduleStep) -> Result<f64> {
        if self.config.lambda_unit == LambdaUnit::Force
            && now.lambda_scale > 0.0
            && self.position.gate_force.is_none()
            && self.position.step >= FIRST_STEPS.min(self.steps / 10)
        {
            self.position.gate_force = Some(self.gate_force(now)?);
        }
        Ok(self.config.objective.lambda * now.lambda_scale * self.lambda_unit())
    }

    /// What lambda is a multiple of.
    pub(super) fn lambda_unit(&self) -> f64 {
        match self.config.lambda_unit {
            LambdaUnit::Nat => 1.0,
            LambdaUnit::Force => self.position.gate_force.unwrap_or(0.0),
        }
    }

    /// The lambda at which the penalty's gradient is as large as the task's in a typical step, in the mean over gates.
    fn gate_force(&self, now: ScheduleStep) -> Result<f64> {
        let taken = self.optimiser.steps_taken().max(1);
        let seen = 1.0 - self.config.optimiser.beta2.powi(taken.min(1 << 30) as i32);
        let (mut force, mut gates) = (0.0, 0usize);
        for (name, _, second) in self.optimiser.moments() {
            let is_gate = |p: &&crate::Parameter| p.name == name && p.kind == ParameterKind::Gate;
            if self.parameters.iter().any(|p| is_gate(&p)) {
                for value in second.flatten_all()?.to_vec1::<f32>()? {
                    force += (f64::from(value) / seen).sqrt();
                    gates += 1;
                }
            }
        }
        // The slope of the penalty P(z != 0) at each gate.
        let mut slope = 0.0;
        for gate in self.model.trained_gates() {
            let (Some(config), Some(log_alpha)) = (gate.config(), gate.log_alpha()) else {
                continue;
            };
            let share = match config.penalty {
                PenaltyReduction::Sum => 1.0,
                PenaltyReduction::Mean => 1.0 / gates.max(1) as f64,
            };
            for value in log_alpha.to_vec1::<f32>()? {
                slope += share * config.open_slope(f64::from(value), now.temperature);
            }
        }
        // Gates that are all open or all closed have no slope, and no lambda moves them.
        Ok(match gates > 0 && slope > 0.0 {
            true => force / slope,
            false => 0.0,
        })
    }
}
