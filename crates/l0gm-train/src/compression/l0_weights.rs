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

use super::masks::{Masks, companion, flat};
use super::ranking::count;
use super::technique::{Interior, Technique, no_settings, one, rival};
use super::{Compression, Compressor, Ingredients, Kept, Stage};
use crate::{Parameter, ParameterKind, Result};
use candle_core::backprop::GradStore;
use candle_core::{DType, Tensor, Var};
use l0gm_gate::distribution::log_alpha_for_open_probability;
use l0gm_gate::{GateConfig, Multiplier, Schedule, Stretch, Temperature};

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

/// What a training step used in the place of one weight.
#[derive(Debug)]
struct Sampled {
    whole: Tensor,
    /// z and s, in the weight's shape.
    z: Tensor,
    s: Tensor,
}

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
    last: bool,
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
            last: false,
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

/// 1 / (1 + exp(-x)).
fn sigmoid(x: &Tensor) -> candle_core::Result<Tensor> {
    (x.neg()?.exp()? + 1.0)?.recip()
}

/// s and z of gates with these log α and this noise u in (0, 1).
fn sample(
    log_alpha: &Tensor,
    u: &Tensor,
    temperature: Temperature,
    stretch: Stretch,
) -> candle_core::Result<(Tensor, Tensor)> {
    let logit = (u.log()? - (1.0 - u)?.log()?)?;
    let s = sigmoid(&((logit + log_alpha)? / temperature.0)?)?;
    let z = s.affine(stretch.zeta - stretch.gamma, stretch.gamma)?;
    Ok((z.clamp(0.0, 1.0)?, s))
}

/// The gradient of the loss on log α, from g = ∂L/∂(W ⊙ z), and of λ times the expected number of open gates.
fn gradient_of_gates(
    g: &Tensor,
    sampled: &Sampled,
    log_alpha: &Tensor,
    lambda: f64,
    temperature: Temperature,
    stretch: Stretch,
) -> candle_core::Result<Tensor> {
    let Sampled { whole, z, s } = sampled;
    let inside = z.gt(0.0)?.mul(&z.lt(1.0)?)?.to_dtype(s.dtype())?;
    let slope = s.mul(&(1.0 - s)?)?.mul(&inside)?;
    let slope = (slope * ((stretch.zeta - stretch.gamma) / temperature.0))?;
    let of_task = g.mul(whole)?.mul(&slope)?;
    let shift = -temperature.0 * (-stretch.gamma / stretch.zeta).ln();
    let open = sigmoid(&(log_alpha + shift)?)?;
    let of_penalty = (open.mul(&(1.0 - &open)?)? * lambda)?;
    of_task + of_penalty
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

    fn restored(&mut self, kept: Kept) {
        self.masks.restored(kept);
        // Only the last ranking sets masks.
        self.last = kept.kept < kept.of;
    }

    fn update(&mut self, stage: &mut Stage<'_>) -> Result<()> {
        self.temperature = stage.config.schedule.final_temperature();
        if self.last || !stage.settled() {
            return Ok(());
        }
        let reached = self.masks.reached(stage.optimiser)?;
        let keep = count(stage.target(), self.masks.count(&reached));
        let mut scores = Vec::with_capacity(self.log_alpha.len());
        for (log_alpha, reached) in self.log_alpha.iter().zip(&reached) {
            let of = |(value, reached): (f32, &bool)| match reached {
                true => value,
                false => f32::MIN,
            };
            scores.push(
                flat(&log_alpha.var)?
                    .into_iter()
                    .zip(reached)
                    .map(of)
                    .collect(),
            );
        }
        self.masks.keep(&scores, keep)?;
        self.fold()?;
        self.masks.mask_weights(stage.parameters, stage.average)?;
        self.last = true;
        Ok(())
    }

    fn before_pass(&mut self, stage: &mut Stage<'_>) -> Result<()> {
        if self.last {
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
        if self.last {
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
        match self.last {
            true => self.masks.mask_weights(stage.parameters, &mut None),
            false => Ok(()),
        }
    }

    fn enter_use(&mut self, _: &mut Stage<'_>) -> Result<()> {
        if self.last {
            return Ok(());
        }
        let weights = self.masks.weights.iter();
        let whole = weights.map(|weight| Ok(weight.var.as_detached_tensor().copy()?));
        self.whole = Some(whole.collect::<Result<_>>()?);
        self.fold()
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
    /// Multiplies every weight with its gate's median.
    fn fold(&self) -> Result<()> {
        for (weight, log_alpha) in self.masks.weights.iter().zip(&self.log_alpha) {
            let now = log_alpha.var.as_detached_tensor();
            let half = (now.ones_like()? * 0.5)?;
            let (z, _) = sample(&now, &half, self.temperature, self.config.stretch())?;
            weight.var.set(&weight.var.as_detached_tensor().mul(&z)?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use candle_core::Device;

    const TAU: Temperature = Temperature(2.0 / 3.0);
    const LAMBDA: f64 = 0.7;

    fn stretch() -> Stretch {
        GateConfig::default().stretch()
    }

    /// g · (w z) + λ P of one gate: the objective whose gradient is checked.
    fn value(log_alpha: f64, u: f64, g: f64, w: f64) -> f64 {
        let (gamma, zeta) = (stretch().gamma, stretch().zeta);
        let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
        let s = sigmoid(((u / (1.0 - u)).ln() + log_alpha) / TAU.0);
        let z = (s * (zeta - gamma) + gamma).clamp(0.0, 1.0);
        g * w * z + LAMBDA * sigmoid(log_alpha - TAU.0 * (-gamma / zeta).ln())
    }

    #[test]
    fn the_gradient_on_a_weights_gate_is_that_of_finite_differences() {
        let device = Device::Cpu;
        for log_alpha in [-4.0, -1.0, 0.0, 1.5, 5.0] {
            for u in [0.02, 0.4, 0.9] {
                let (g, w) = (1.3, -0.8);
                let of = |x: f64| Tensor::new(&[x], &device).unwrap();
                let (z, s) = sample(&of(log_alpha), &of(u), TAU, stretch()).unwrap();
                let sampled = Sampled { whole: of(w), z, s };
                let found =
                    gradient_of_gates(&of(g), &sampled, &of(log_alpha), LAMBDA, TAU, stretch());
                let found = found.unwrap().to_vec1::<f64>().unwrap()[0];
                let h = 1e-6;
                let expected =
                    (value(log_alpha + h, u, g, w) - value(log_alpha - h, u, g, w)) / (2.0 * h);
                assert!(
                    (found - expected).abs() < 1e-5,
                    "{log_alpha} {u}: {found} {expected}"
                );
            }
        }
    }
}
