//! Lambda and the gates' mode at each step. They follow the schedule or, where an active fraction is requested, the
//! controller, which reacts to the current state of the gates (see [`l0gm_gate::Controller`]).

use super::session::Session;
use crate::{Encoder, Gating, Head, Progress, Result, Task};
use l0gm_gate::{Gated, Multiplier, ScheduleStep, Temperature};

/// Gate settings for one step.
#[derive(Clone, Copy, Debug)]
pub(super) struct Steering {
    /// Temperature for the noise and the penalty.
    pub(super) temperature: Temperature,
    /// Whether the gates have settled on a target. Training then uses deterministic gates.
    pub(super) settled: bool,
    pub(super) lambda: f64,
}

impl Steering {
    pub(super) fn gating(&self) -> Gating {
        match self.settled {
            true => Gating::Deterministic,
            false => Gating::Sampled(self.temperature),
        }
    }
}

impl<T, E, H> Session<'_, T, E, H>
where
    T: Task,
    E: Encoder<Input = T::Input>,
    H: Head<T::Input>,
{
    /// The steering for the step at `at` (a share of training). Updates the multiplier, and settles the gates once it
    /// is time.
    pub(super) fn steer(&mut self, at: f64, progress: &mut dyn Progress) -> Result<Steering> {
        let config = self.config;
        let now = config.schedule.at(at);
        if self.compressor.is_some() {
            // Weights adapt to what is left, like those of a gated model to its settled gates.
            return Ok(Steering {
                temperature: now.temperature,
                settled: config.controller.settled(at),
                lambda: 0.0,
            });
        }
        let gated = !self.model.trained_gates().is_empty();
        let target = config.target.filter(|_| gated);
        let settles = gated && (target.is_some() || config.recipe.settles());
        if settles && config.controller.settled(at) {
            if self.position.settled_from.is_none() {
                self.begin_settled_phase(target, progress)?;
            }
            return Ok(Steering {
                temperature: now.temperature,
                settled: true,
                lambda: 0.0,
            });
        }
        let Some(target) = target else {
            return Ok(Steering {
                temperature: now.temperature,
                settled: false,
                lambda: self.scheduled_lambda(now)?,
            });
        };
        let warmup = config.warmup();
        let lambda = if at < warmup {
            0.0
        } else {
            let active = self.active_now()?;
            let wanted = config.controller.path(target, warmup, at);
            let mut multiplier = self
                .position
                .multiplier
                .unwrap_or_else(|| Multiplier::new(&config.controller));
            let step = 1.0 / self.steps as f64;
            let lambda = multiplier.update(&config.controller, active, wanted, step);
            self.position.multiplier = Some(multiplier);
            lambda
        };
        Ok(Steering {
            temperature: now.temperature,
            settled: false,
            lambda,
        })
    }

    /// Lambda at this point, for a validation record.
    pub(super) fn lambda_at(&self, then: ScheduleStep) -> f64 {
        match self.config.target {
            _ if self.position.settled_from.is_some() => 0.0,
            None => self.config.objective.lambda * then.lambda_scale * self.lambda_unit(),
            Some(_) => self.position.multiplier.map_or(0.0, |m| m.lambda()),
        }
    }

    /// Share of dimensions open in the deterministic gates. For a conditional gate it is the share in the last batch.
    pub(super) fn active_now(&self) -> Result<f64> {
        let gates = self.model.gates();
        if gates.iter().any(|gate| gate.is_conditional()) {
            return Ok(self.position.batch_active.unwrap_or(1.0));
        }
        let (mut open, mut all) = (0.0, 0.0);
        for gate in &gates {
            let width = gate.interface().width() as f64;
            open += gate.active_fraction()?.0 * width;
            all += width;
        }
        Ok(if gates.is_empty() { 1.0 } else { open / all })
    }

    /// Remembers which share of dimensions a conditional gate opened for a training batch.
    pub(super) fn note(&mut self, gated: &Gated) -> Result<()> {
        let gate = &self.model.gate;
        if let (Some(own), Some(closing)) = (&gated.log_alpha, gate.closing_point()) {
            let open = own.detach().gt(closing)?.to_dtype(own.dtype())?;
            let share = open.flatten_all()?.mean_all()?.to_scalar::<f32>()?;
            self.position.batch_active = Some(f64::from(share));
        }
        Ok(())
    }
}
