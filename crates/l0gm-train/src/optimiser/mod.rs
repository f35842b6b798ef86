//! AdamW with parameter groups, exportable moments, global-norm clipping, linear warm-up and a cosine.
//!
//! candle's AdamW keeps its moments private and has one group only. Three groups are needed here: weights, which
//! decay; biases and norms, which do not; and gates, whose constant learning rate is set in units of training
//! progress, so that one lambda means the same in a run of 200 steps and in one of 2,000.

mod config;

pub use config::OptimiserConfig;

use crate::{Error, Parameter, ParameterKind, Part, Result};
use candle_core::backprop::GradStore;
use candle_core::{Tensor, Var};
use l0gm_ops::{AdamWSlot, AdamWStep, adamw_steps, squared_norms};

/// The optimiser's settings, parameters and moments.
#[derive(Debug)]
pub struct Optimiser {
    config: OptimiserConfig,
    slots: Vec<Slot>,
    /// Number of steps planned in total.
    steps: usize,
    /// Number of steps taken so far.
    taken: usize,
}

/// One parameter and its two moments.
#[derive(Debug)]
struct Slot {
    parameter: Parameter,
    first: Var,
    second: Var,
}

/// The result of one step.
#[derive(Clone, Debug, PartialEq)]
pub enum StepOutcome {
    /// Every parameter was updated. Holds the global norm of the weights' gradients before clipping.
    Taken {
        /// Root of the sum of squares over all weights, biases and norms.
        gradient_norm: f64,
    },
    /// Nothing was changed, because the gradient of this parameter contains a NaN or an infinity.
    NotFinite {
        /// The first such parameter, in the order of the model.
        parameter: String,
    },
}

impl Optimiser {
    /// An optimiser with zero moments for every parameter that is not fixed; `steps` is the number of planned steps. It is an error if
    /// a setting is out of range or two parameters share a name.
    pub fn new(parameters: &[Parameter], config: &OptimiserConfig, steps: usize) -> Result<Self> {
        config.check()?;
        let mut names: Vec<&str> = parameters.iter().map(|p| p.name.as_str()).collect();
        names.sort_unstable();
        if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(Error::Task(format!(
                "two parameters are called {:?}; checkpoints need unique names",
                pair[0]
            )));
        }
        let slots = parameters
            .iter()
            .filter(|parameter| parameter.kind != ParameterKind::Fixed)
            .map(|parameter| {
                let zeros = || {
                    let var = &parameter.var;
                    Var::zeros(var.shape(), var.dtype(), var.device())
                };
                Ok(Slot {
                    parameter: parameter.clone(),
                    first: zeros()?,
                    second: zeros()?,
                })
            })
            .collect::<Result<_>>()?;
        Ok(Self {
            config: config.clone(),
            slots,
            steps: steps.max(1),
            taken: 0,
        })
    }

    /// Takes one step with the gradients of one backward pass, at `progress` in [0, 1]. With `all`, it is an error if
    /// a parameter has no gradient. The first step of a sitting asks for this, because an op without a backward pass
    /// cuts the gradient off silently, and the parameters before it would never learn.
    pub fn step(
        &mut self,
        gradients: &mut GradStore,
        progress: f64,
        all: bool,
    ) -> Result<StepOutcome> {
        let mut present = Vec::with_capacity(self.slots.len());
        let mut missing = Vec::new();
        for (i, slot) in self.slots.iter().enumerate() {
            match gradients.remove(slot.parameter.var.as_tensor()) {
                Some(gradient) => present.push((i, gradient.contiguous()?)),
                None => missing.push(slot.parameter.name.as_str()),
            }
        }
        if all && !missing.is_empty() {
            return Err(Error::Task(format!(
                "no gradient reaches {} of {} parameters: {}; either the model does not use them, or \
                 an op between them and the loss has no backward",
                missing.len(),
                self.slots.len(),
                missing.join(", ")
            )));
        }
        // The norms are computed in f64, and on a GPU with one synchronisation for all tensors.
        let all: Vec<&Tensor> = present.iter().map(|(_, gradient)| gradient).collect();
        let squares = squared_norms(&all)?;
        let mut total = 0.0;
        for ((i, _), square) in present.iter().zip(&squares) {
            let parameter = &self.slots[*i].parameter;
            if !square.is_finite() {
                return Ok(StepOutcome::NotFinite {
                    parameter: parameter.name.clone(),
                });
            }
            if parameter.kind != ParameterKind::Gate {
                total += square;
            }
        }
        let gradient_norm = total.sqrt();
        let clip = self.config.clip_norm;
        let scale = if clip > 0.0 && gradient_norm > clip {
            clip / gradient_norm
        } else {
            1.0
        };
        let factor = self.config.rate_factor(progress, self.steps);
        self.taken += 1;
        let slots: Vec<AdamWSlot<'_>> = present
            .iter()
            .map(|(i, gradient)| {
                let slot = &self.slots[*i];
                AdamWSlot {
                    parameter: &slot.parameter.var,
                    gradient,
                    first: &slot.first,
                    second: &slot.second,
                    step: self.coefficients(&slot.parameter, factor, scale),
                }
            })
            .collect();
        adamw_steps(&slots)?;
        Ok(StepOutcome::Taken { gradient_norm })
    }

    /// Starts anew: the moments become 0 and steps are counted from 0, as in a new optimiser.
    pub(crate) fn forget(&mut self) -> Result<()> {
        for var in self
            .slots
            .iter()
            .flat_map(|slot| [&slot.first, &slot.second])
        {
            var.set(&var.as_detached_tensor().zeros_like()?)?;
        }
        self.taken = 0;
        Ok(())
    }

    /// Multiplies the moments of the parameter called `name` with a mask of its shape.
    pub(crate) fn mask_moments(&self, name: &str, mask: &Tensor) -> Result<()> {
        for slot in self.slots.iter().filter(|slot| slot.parameter.name == name) {
            for var in [&slot.first, &slot.second] {
                var.set(&var.as_detached_tensor().mul(mask)?)?;
            }
        }
        Ok(())
    }

    /// The learning rate of the head at `progress` in [0, 1].
    pub(crate) fn rate(&self, progress: f64) -> f64 {
        self.config.learning_rate * self.config.rate_factor(progress, self.steps)
    }

    /// Number of steps taken so far.
    pub fn steps_taken(&self) -> usize {
        self.taken
    }

    /// The moments of every parameter as (name, first, second). The tensors share the optimiser's storage.
    pub fn moments(&self) -> Vec<(&str, &Tensor, &Tensor)> {
        self.slots
            .iter()
            .map(|slot| {
                (
                    slot.parameter.name.as_str(),
                    slot.first.as_tensor(),
                    slot.second.as_tensor(),
                )
            })
            .collect()
    }

    /// Continues from exported moments; `moment` returns (first, second) for a parameter.
    pub fn restore(
        &mut self,
        taken: usize,
        mut moment: impl FnMut(&Parameter) -> Result<(Tensor, Tensor)>,
    ) -> Result<()> {
        for slot in &self.slots {
            let (first, second) = moment(&slot.parameter)?;
            slot.first.set(&first)?;
            slot.second.set(&second)?;
        }
        self.taken = taken;
        Ok(())
    }

    /// The coefficients of this step for the parameter's group.
    fn coefficients(&self, parameter: &Parameter, factor: f64, scale: f64) -> AdamWStep {
        let config = &self.config;
        let peak = match parameter.part {
            Part::Encoder => config.encoder_learning_rate.unwrap_or(config.learning_rate),
            Part::Gate | Part::Head => config.learning_rate,
        };
        let weight = AdamWStep {
            learning_rate: peak * factor,
            beta1: config.beta1,
            beta2: config.beta2,
            epsilon: config.epsilon,
            weight_decay: config.weight_decay,
            step: self.taken,
            gradient_scale: scale,
        };
        match parameter.kind {
            ParameterKind::Weight => weight,
            ParameterKind::NoDecay | ParameterKind::Fixed => AdamWStep {
                weight_decay: 0.0,
                ..weight
            },
            ParameterKind::Gate => AdamWStep {
                learning_rate: config.gate_travel / self.steps as f64,
                epsilon: config.gate_epsilon,
                weight_decay: 0.0,
                gradient_scale: 1.0,
                ..weight
            },
        }
    }
}
