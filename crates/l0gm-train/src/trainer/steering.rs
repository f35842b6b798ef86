//! Lambda and the gates' mode at each step. They follow the schedule or, where an active fraction is requested, the
//! controller, which reacts to the current state of the gates (see [`l0gm_gate::Controller`]).

use super::session::Session;
use crate::{Encoder, Gating, Head, Result, Split, Task};
use l0gm_gate::{Gated, Multiplier, ScheduleStep, Target, Temperature, settle, shift_to};

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
    /// The steering for the step at `progress`. Updates the multiplier, and settles the gates once it is time.
    pub(super) fn steer(&mut self, progress: f64) -> Result<Steering> {
        let config = self.config;
        let now = config.schedule.at(progress);
        let target = config.target.filter(|_| !self.model.gates().is_empty());
        let Some(target) = target else {
            return Ok(Steering {
                temperature: now.temperature,
                settled: false,
                lambda: config.objective.lambda * now.lambda_scale,
            });
        };
        if config.controller.settled(progress) {
            if self.position.settled_from.is_none() {
                let active = self.active_now()?;
                tracing::info!(active, target = target.active(), "the gates settle");
                self.position.settled_from = Some(active);
                self.settle(target)?;
            }
            return Ok(Steering {
                temperature: now.temperature,
                settled: true,
                lambda: 0.0,
            });
        }
        let warmup = config.warmup();
        let lambda = if progress < warmup {
            0.0
        } else {
            let active = self.active_now()?;
            let wanted = config.controller.path(target, warmup, progress);
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
            None => self.config.objective.lambda * then.lambda_scale,
            Some(_) if self.position.settled_from.is_some() => 0.0,
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

    /// Moves the gates exactly onto the target. A conditional gate is moved so that its mean over the validation rows
    /// is on target; their labels are not read.
    pub(super) fn settle(&mut self, target: Target) -> Result<()> {
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
