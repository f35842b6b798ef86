//! Leads several gates to a target in a training loop of one's own: warm-up, a multiplier that follows the controller's
//! path, and a settled phase in which training uses the gates that prediction will use.

use crate::{
    ActiveFraction, Controller, GateMode, Gates, Generator, Multiplier, Objective, Result,
    Schedule, ScheduleKind, ScheduleStep, Target, Temperature, harden,
};
use candle_core::Tensor;

/// The state of a training that leads gates to a target: ask it before every step what the step is to do.
///
/// ```
/// use candle_core::{DType, Device};
/// use l0gm_gate::{Controller, Gate, GateConfig, Gates, Generator, Interface, Schedule, Steering, Target};
///
/// let schedule = Schedule::default();
/// let gate = Gate::new(Interface::Flat { dim: 20 }, &GateConfig::default(), &schedule, &Device::Cpu)?;
/// let gates = Gates::new([&gate]);
/// let mut steering = Steering::new(Target::new(0.25)?, Controller::default(), &schedule)?;
///
/// let mut generator = Generator::new(0);
/// let r = generator.normal_tensor((8, 20), 0.0, 1.0, DType::F32, &Device::Cpu)?;
/// let steps = 10;
/// for step in 0..steps {
///     let now = steering.at(&gates, f64::from(step) / f64::from(steps))?;
///     let gated = gate.forward(&r, now.mode(&mut generator))?;
///     let loss = now.loss(&gated.sqr()?.mean_all()?, &gates)?; // stands for a classifier's loss
///     let _gradients = loss.backward()?; // hand them to your optimisers
/// }
/// assert_eq!(steering.finish(&gates)?.0, 0.25);
/// # Ok::<(), l0gm_gate::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Steering {
    target: Target,
    controller: Controller,
    schedule: Schedule,
    multiplier: Multiplier,
    /// Progress at the step before; the first step is taken as a step of no length.
    before: Option<f64>,
    /// What was left open when the gates settled.
    settled: Option<ActiveFraction>,
}

/// What one step of training does with the gates.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Steered {
    /// Temperature of noise and penalty.
    pub temperature: Temperature,
    /// Weight of the penalty.
    pub lambda: f64,
    /// Whether the gates have settled and no longer move.
    pub settled: bool,
}

impl Steering {
    /// Steers to `target`. Lambda is 0 in the schedule's warm-up; the schedule's ramp is not used.
    ///
    /// # Errors
    /// A setting of the controller or the schedule is out of range.
    pub fn new(target: Target, controller: Controller, schedule: &Schedule) -> Result<Self> {
        controller.check()?;
        schedule.check()?;
        Ok(Self {
            target,
            multiplier: Multiplier::new(&controller),
            controller,
            schedule: schedule.clone(),
            before: None,
            settled: None,
        })
    }

    /// What the step at `progress` (steps done / total steps) does. Updates the multiplier, and settles and hardens the
    /// gates once it is time. Call it once before each step.
    ///
    /// # Errors
    /// One of the gates is conditional: what it leaves open depends on the example.
    pub fn at(&mut self, gates: &Gates, progress: f64) -> Result<Steered> {
        let temperature = self.schedule.at(progress).temperature;
        let length = progress - self.before.replace(progress).unwrap_or(progress);
        if self.settled.is_some() || self.controller.settled(progress) {
            self.settle(gates)?;
            return Ok(Steered {
                temperature,
                lambda: 0.0,
                settled: true,
            });
        }
        let warmup = match self.schedule.kind {
            ScheduleKind::Annealed => self.schedule.warmup,
            ScheduleKind::None => 0.0,
        };
        let lambda = if progress < warmup {
            0.0
        } else {
            let active = gates.active_fraction()?.0;
            let wanted = self.controller.path(self.target, warmup, progress);
            self.multiplier
                .update(&self.controller, active, wanted, length)
        };
        Ok(Steered {
            temperature,
            lambda,
            settled: false,
        })
    }

    /// Settles the gates if training was too short to reach the settled phase. Returns the share that is open.
    ///
    /// # Errors
    /// One of the gates is conditional.
    pub fn finish(&mut self, gates: &Gates) -> Result<ActiveFraction> {
        self.settle(gates)
    }

    fn settle(&mut self, gates: &Gates) -> Result<ActiveFraction> {
        if let Some(open) = self.settled {
            return Ok(open);
        }
        let open = gates.settle(self.target)?;
        // Hard gates are 0 or 1 in training and in use, so the weights adapt to what prediction will see.
        harden(&gates.all())?;
        self.settled = Some(open);
        Ok(open)
    }
}

impl Steered {
    /// How the gates are passed in this step: sampled, or deterministic once they have settled.
    pub fn mode<'a>(&self, noise: &'a mut Generator) -> GateMode<'a> {
        match self.settled {
            true => GateMode::Eval,
            false => GateMode::train(self.temperature, noise),
        }
    }

    /// The loss of this step: task + lambda * penalty of all gates.
    ///
    /// # Errors
    /// Those of [`Objective::joint`].
    pub fn loss(&self, task: &Tensor, gates: &Gates) -> Result<Tensor> {
        let objective = Objective {
            lambda: self.lambda,
            ..Objective::default()
        };
        let step = ScheduleStep {
            temperature: self.temperature,
            lambda_scale: 1.0,
        };
        objective.joint(task, gates, step)
    }
}

#[cfg(test)]
#[path = "steering_tests.rs"]
mod tests;
