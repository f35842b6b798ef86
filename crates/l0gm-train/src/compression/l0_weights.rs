//! L0 regularisation of single weights (Louizos et al. 2018): a hard-concrete gate on every weight of the model, rather than on
//! the interface.
//!
//! A training step uses W ⊙ z with z = clip(s (ζ - γ) + γ, 0, 1) and s = σ((log u - log(1 - u) + log α) / τ), one u for
//! each weight and step. With g = ∂L/∂(W ⊙ z), the gradients are
//!
//! ```text
//! ∂L/∂W = g z        ∂L/∂(log α) = g W (ζ - γ) s (1 - s) / τ  where 0 < z < 1,  + λ P (1 - P)
//! ```
//!
//! with P = σ(log α - τ log(-γ/ζ)) the probability of being open. λ is steered so that the share of open weights
//! follows the path to the target, in units of the task's own force on the gates. At `controller.settle` the likeliest
//! weights stay, times their gate's median, and are trained on.

use super::masks::{Masks, companion, flat, scores_of};
use super::ranking::count;
use super::technique::{Interior, Technique, no_settings, one, rival};
use super::weight_gate::{Sampled, gradient_of_gates, sample};
use super::{Compression, Compressor, Ingredients, Kept, Stage};
use crate::{Parameter, ParameterKind, Result};
use candle_core::backprop::GradStore;
use candle_core::{DType, Tensor, Var};
use l0gm_gate::distribution::log_alpha_for_open_probability;
use l0gm_gate::{GateConfig, Multiplier, Schedule, Temperature};

/// P(z != 0) of every gate at first.
const INITIAL_OPEN: f64 = 0.96;
/// λ at the end of the warm-up, as a multiple of the task's force on a gate.
const FIRST_FORCE: f64 = 0.3;

pub(super) const TECHNIQUE: Technique = Technique {
    info: rival(
        "l0-weights",
        "L0 on weights",
        "a hard-concrete L0 gate on every single weight of the model",
        "arXiv:1712.01312",
    ),
    interior: Interior::Dense,
    settings: no_settings,
    members: one,
    apply: |_, train| {
        train.compression = Some(Compression::L0Weights);
        Ok(())
    },
};

/// L0 regularisation in progress.
#[derive(Debug)]
pub(super) struct L0Weights {
    masks: Masks,
    /// log α of each weight.
    log_alpha: Vec<Parameter>,
    /// The task's force on a gate at the end of the warm-up, (1,); 0 before it.
    force: Parameter,
    config: GateConfig,
    sampled: Vec<Sampled>,
    /// The weights without their gates, during a validation.
    whole: Option<Vec<Tensor>>,
    lambda: f64,
    temperature: Temperature,
    /// Whether the weights that stay have been chosen and their gates folded into them.
    done: bool,
}

impl L0Weights {
    pub(super) fn new(model: &Ingredients<'_>) -> Result<Self> {
        let masks = Masks::new(model)?;
        let config = GateConfig::default();
        let temperature = Schedule::default().at(0.0).temperature;
        let start = log_alpha_for_open_probability(INITIAL_OPEN, temperature, config.stretch());
        let mut log_alpha = Vec::with_capacity(masks.weights.len());
        for weight in &masks.weights {
            let value = (weight.var.ones_like()?.to_dtype(DType::F32)? * start)?;
            log_alpha.push(Parameter {
                kind: ParameterKind::Gate,
                ..companion("log_alpha", weight, &value)?
            });
        }
        let first = &masks.weights[0];
        let force = Parameter {
            name: "compression.force".to_owned(),
            var: Var::zeros(1, DType::F32, first.var.device())?,
            kind: ParameterKind::Fixed,
            part: first.part,
        };
        Ok(Self {
            masks,
            log_alpha,
            force,
            config,
            sampled: Vec::new(),
            whole: None,
            lambda: 0.0,
            temperature,
            done: false,
        })
    }

    /// Share of the weights that training reaches whose gate is open in use.
    fn open(&mut self, stage: &Stage<'_>) -> Result<f64> {
        let closing = self.config.closing_point(self.temperature) as f32;
        let reached = self.masks.reached(stage.optimiser)?;
        let of = self.masks.count(&reached);
        let mut open = 0usize;
        for (log_alpha, reached) in self.log_alpha.iter().zip(&reached) {
            let values = flat(&log_alpha.var)?.into_iter().zip(reached);
            open += values
                .filter(|(value, reached)| **reached && *value > closing)
                .count();
        }
        Ok(open as f64 / of.max(1) as f64)
    }

    /// The root mean square of the task's gradient on a gate that training reaches, in the mean over gates.
    fn measured_force(&self, stage: &Stage<'_>) -> Result<f64> {
        let seen = stage.optimiser.steps_taken().clamp(1, 1 << 30) as i32;
        let seen = 1.0 - stage.config.optimiser.beta2.powi(seen);
        let (mut sum, mut gates) = (0.0, 0usize);
        for (name, _, second) in stage.optimiser.moments() {
            if self
                .log_alpha
                .iter()
                .any(|log_alpha| log_alpha.name == name)
            {
                for value in flat(second)?.into_iter().filter(|value| *value > 0.0) {
                    sum += (f64::from(value) / seen).sqrt();
                    gates += 1;
                }
            }
        }
        Ok(sum / gates.max(1) as f64)
    }

    /// Lambda for the next step.
    fn steer(&mut self, stage: &mut Stage<'_>) -> Result<()> {
        let (config, warmup) = (stage.config, stage.config.warmup());
        let Some(target) = config
            .target
            .filter(|_| stage.progress >= warmup && stage.step > 0)
        else {
            self.lambda = 0.0;
            return Ok(());
        };
        if flat(&self.force.var)?[0] == 0.0 {
            let force = self.measured_force(stage)? as f32;
            self.force
                .var
                .set(&Tensor::new(&[force], self.force.var.device())?)?;
        }
        let controller = &config.controller;
        let wanted = controller.path(target, warmup, stage.progress);
        let open = self.open(stage)?;
        let mut multiplier = stage
            .multiplier
            .unwrap_or_else(|| Multiplier::new(controller));
        let lambda = multiplier.update(controller, open, wanted, 1.0 / stage.steps.max(1) as f64);
        *stage.multiplier = Some(multiplier);
        let unit = FIRST_FORCE * f64::from(flat(&self.force.var)?[0]);
        self.lambda = lambda / controller.start_lambda * unit;
        Ok(())
    }
}

impl Compressor for L0Weights {
    fn state(&self) -> Vec<Parameter> {
        let mut all = self.masks.state();
        all.extend(self.log_alpha.iter().cloned());
        all.push(self.force.clone());
        all
    }

    fn kept(&self) -> Kept {
        self.masks.kept()
    }

    fn is_done(&self) -> bool {
        self.done
    }

    fn restored(&mut self, kept: Kept, done: Option<bool>) {
        self.masks.restored(kept);
        // Only the last choice removes anything.
        self.done = done.unwrap_or(kept.is_reduced());
    }

    fn update(&mut self, stage: &mut Stage<'_>) -> Result<()> {
        self.temperature = stage.config.schedule.final_temperature();
        if self.done || !stage.settled() {
            return Ok(());
        }
        let reached = self.masks.reached(stage.optimiser)?;
        let keep = count(stage.target(), self.masks.count(&reached));
        let scores = scores_of(&self.log_alpha, &reached)?;
        self.masks.keep(&scores, keep)?;
        // The running mean is of weights without their gates, as the weights are, and is used from now on.
        let medians = self.medians()?;
        self.masks
            .scale_weights(&medians, stage.parameters, stage.average)?;
        self.masks.mask_weights(stage.parameters, stage.average)?;
        self.done = true;
        Ok(())
    }

    fn before_pass(&mut self, stage: &mut Stage<'_>) -> Result<()> {
        if self.done {
            return Ok(());
        }
        self.steer(stage)?;
        let temperature = stage.config.schedule.at(stage.progress).temperature;
        let mut generator = stage.root.stream("l0-weights", stage.step as u64);
        self.sampled.clear();
        for (weight, log_alpha) in self.masks.weights.iter().zip(&self.log_alpha) {
            let whole = weight.var.as_detached_tensor().copy()?;
            let (shape, device) = (whole.shape().clone(), whole.device());
            // 1e-6 from both ends, where the logit is infinite.
            let u = generator.uniform_tensor(shape, 1e-6, 1.0 - 1e-6, DType::F32, device)?;
            let now = log_alpha.var.as_detached_tensor();
            let (z, s) = sample(&now, &u, temperature, self.config.stretch())?;
            weight.var.set(&whole.mul(&z)?)?;
            self.sampled.push(Sampled { whole, z, s });
        }
        Ok(())
    }

    fn after_backward(
        &mut self,
        stage: &mut Stage<'_>,
        gradients: &mut GradStore,
        _: &Tensor,
    ) -> Result<()> {
        if self.done {
            return self.masks.mask_gradients(gradients);
        }
        let temperature = stage.config.schedule.at(stage.progress).temperature;
        let stretch = self.config.stretch();
        let sampled = std::mem::take(&mut self.sampled);
        for ((weight, log_alpha), sampled) in
            self.masks.weights.iter().zip(&self.log_alpha).zip(&sampled)
        {
            weight.var.set(&sampled.whole)?;
            let tensor = weight.var.as_tensor();
            let Some(g) = gradients.remove(tensor) else {
                continue;
            };
            let g = g.detach();
            let now = log_alpha.var.as_detached_tensor();
            let of_gates = gradient_of_gates(&g, sampled, &now, self.lambda, temperature, stretch)?;
            gradients.insert(log_alpha.var.as_tensor(), of_gates);
            gradients.insert(tensor, g.mul(&sampled.z)?);
        }
        Ok(())
    }

    fn after_step(&mut self, stage: &mut Stage<'_>) -> Result<()> {
        match self.done {
            true => self.masks.mask_weights(stage.parameters, &mut None),
            false => Ok(()),
        }
    }

    fn enter_use(&mut self, _: &mut Stage<'_>) -> Result<()> {
        if self.done {
            return Ok(());
        }
        let weights = self.masks.weights.iter();
        let whole = weights.map(|weight| Ok(weight.var.as_detached_tensor().copy()?));
        self.whole = Some(whole.collect::<Result<_>>()?);
        self.masks.scale_weights(&self.medians()?, &[], &mut None)
    }

    fn leave_use(&mut self, _: &mut Stage<'_>) -> Result<()> {
        let whole = self.whole.take().into_iter().flatten();
        for (weight, whole) in self.masks.weights.iter().zip(whole) {
            weight.var.set(&whole)?;
        }
        Ok(())
    }
}

impl L0Weights {
    /// The median of every weight's gate, in the weights' order.
    fn medians(&self) -> Result<Vec<Tensor>> {
        let one = |log_alpha: &Parameter| {
            let now = log_alpha.var.as_detached_tensor();
            let half = (now.ones_like()? * 0.5)?;
            let (z, _) = sample(&now, &half, self.temperature, self.config.stretch())?;
            Ok(z)
        };
        self.log_alpha.iter().map(one).collect()
    }
}

#[cfg(test)]
#[path = "l0_weights_tests.rs"]
mod tests;
