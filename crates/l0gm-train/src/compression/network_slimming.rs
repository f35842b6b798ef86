//! Network slimming (Liu et al. 2017): a scale factor on every dimension of the interface, with an L1 penalty on the factors.
//! At `controller.settle` the dimensions with the largest factors stay, and the model is trained on without the
//! penalty.
//!
//! The paper penalises the scales of batch normalisation. The interface has none, so each dimension gets a factor of its
//! own, which starts at 1/2 as there and stays in [0, 1]. In use the interface's gate passes exactly the factors, so
//! that compaction can fold them into the head.

use super::masks::flat;
use super::ranking::{count, keep_largest};
use super::technique::{Interior, Technique, check, dimension_rival, one, read, written};
use super::{Compression, Compressor, Ingredients, Kept, Stage, Unit};
use crate::{Error, Parameter, ParameterKind, Part, Result};
use candle_core::backprop::GradStore;
use candle_core::{DType, Tensor, Var};
use l0gm_gate::{Gate, GateConfig, Temperature};
use serde::{Deserialize, Serialize};

const NAME: &str = "network-slimming";
/// Factors at first.
const START: f32 = 0.5;
/// Least factor of a dimension that stays.
const LEAST: f32 = 1e-3;

pub(super) const TECHNIQUE: Technique = Technique {
    info: dimension_rival(
        NAME,
        "network slimming",
        "a scale factor with an L1 penalty on each dimension of the interface; the largest stay",
        "arXiv:1708.06519",
    ),
    interior: Interior::Scales,
    settings: written::<Settings>,
    members: one,
    apply: |settings, train| {
        let own: Settings = read(settings, NAME)?;
        let allowed = own.strength > 0.0 && own.strength <= 1e6;
        check(
            allowed,
            NAME,
            "strength",
            own.strength,
            "above 0 and at most 1000000",
        )?;
        train.compression = Some(Compression::NetworkSlimming(own));
        Ok(())
    },
};

/// The technique's own settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// The penalty on each factor, in nats for each unit of it.
    pub strength: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { strength: 1e-3 }
    }
}

/// The state of network slimming during a training.
#[derive(Debug)]
pub(super) struct Slimming {
    gate: Gate,
    config: GateConfig,
    temperature: Temperature,
    /// The factors, (width,).
    scales: Parameter,
    /// 1 for every dimension that is left and 0 for the others, (width,).
    open: Parameter,
    kept: Kept,
    /// Whether the dimensions that stay have been chosen.
    done: bool,
    strength: f64,
}

impl Slimming {
    pub(super) fn new(settings: &Settings, model: &Ingredients<'_>) -> Result<Self> {
        let (Some(config), Some(temperature), Some(log_alpha)) = (
            model.gate.config(),
            model.gate.temperature(),
            model.gate.log_alpha(),
        ) else {
            return Err(Error::Task(format!(
                "method {NAME} needs a model whose gate can hold the scale factors"
            )));
        };
        let (width, device) = (log_alpha.elem_count(), log_alpha.device());
        let of = |name: &str, value: f32, kind| -> Result<Parameter> {
            Ok(Parameter {
                name: format!("compression.{name}"),
                var: Var::from_tensor(&Tensor::full(value, width, device)?)?,
                kind,
                part: Part::Head,
            })
        };
        Ok(Self {
            gate: model.gate.clone(),
            config: config.clone(),
            temperature,
            scales: of("scales", START, ParameterKind::NoDecay)?,
            open: of("open", 1.0, ParameterKind::Fixed)?,
            kept: Kept {
                unit: Unit::Dimensions,
                kept: width,
                of: width,
            },
            done: false,
            strength: settings.strength,
        })
    }
}

/// The log_alpha at which a gate of this kind passes exactly z in use.
fn log_alpha_of(z: f32, config: &GateConfig, temperature: Temperature) -> f32 {
    /// Far below the point at which any gate closes.
    const CLOSED: f32 = -12.0;
    if z <= 0.0 {
        return CLOSED;
    }
    let s = (f64::from(z) - config.gamma) / (config.zeta - config.gamma);
    (temperature.0 * (s / (1.0 - s)).ln()) as f32
}

impl Compressor for Slimming {
    fn state(&self) -> Vec<Parameter> {
        vec![self.scales.clone(), self.open.clone()]
    }

    fn kept(&self) -> Kept {
        self.kept
    }

    fn is_done(&self) -> bool {
        self.done
    }

    fn restored(&mut self, kept: Kept, done: Option<bool>) {
        self.kept = kept;
        // Only the last choice removes anything.
        self.done = done.unwrap_or(kept.is_reduced());
    }

    fn update(&mut self, stage: &mut Stage<'_>) -> Result<()> {
        let keep = count(stage.target(), self.kept.of);
        if self.done || !stage.settled() {
            return Ok(());
        }
        let mask = keep_largest(&[flat(&self.scales.var)?], keep).remove(0);
        self.kept.kept = keep;
        self.done = true;
        let open = Tensor::from_vec(mask, self.kept.of, self.open.var.device())?;
        self.open.var.set(&open)?;
        self.bound()?;
        if let Some(average) = stage.average {
            for (parameter, mean) in stage.parameters.iter().zip(average) {
                if parameter.name == self.scales.name {
                    *mean = self.bounded(mean)?;
                }
            }
        }
        Ok(())
    }

    fn factors(&self) -> Option<Tensor> {
        Some(self.scales.var.as_tensor().clone())
    }

    fn after_backward(
        &mut self,
        _: &mut Stage<'_>,
        gradients: &mut GradStore,
        _: &Tensor,
    ) -> Result<()> {
        let tensor = self.scales.var.as_tensor();
        if let Some(gradient) = gradients.remove(tensor) {
            let gradient = gradient.detach();
            let gradient = match self.done {
                true => gradient.mul(&self.open.var.as_detached_tensor())?,
                // Factors are not negative, so the L1 norm's slope is 1.
                false => (gradient + self.strength)?,
            };
            gradients.insert(tensor, gradient);
        }
        Ok(())
    }

    fn after_step(&mut self, _: &mut Stage<'_>) -> Result<()> {
        self.bound()
    }

    fn enter_use(&mut self, _: &mut Stage<'_>) -> Result<()> {
        let Some(log_alpha) = self.gate.log_alpha() else {
            return Ok(());
        };
        let values = flat(&self.scales.var)?;
        let values = values
            .into_iter()
            .map(|z| log_alpha_of(z, &self.config, self.temperature));
        let values: Vec<f32> = values.collect();
        Ok(log_alpha.set(&Tensor::from_vec(values, self.kept.of, log_alpha.device())?)?)
    }
}

impl Slimming {
    /// Factors in [0, 1], those of what is left above 0 once the choice is made.
    fn bounded(&self, scales: &Tensor) -> Result<Tensor> {
        let least = if self.done { LEAST } else { 0.0 };
        let open = self.open.var.as_detached_tensor().to_dtype(DType::F32)?;
        Ok(scales.clamp(least, 1f32)?.mul(&open)?)
    }

    fn bound(&self) -> Result<()> {
        let scales = self.scales.var.as_detached_tensor();
        Ok(self.scales.var.set(&self.bounded(&scales)?)?)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use candle_core::Device;
    use l0gm_gate::Interface;

    #[test]
    fn the_gate_passes_exactly_the_factors() {
        let factors = [0.0f32, 0.001, 0.2, 0.5, 0.999, 1.0];
        for tau in [0.5, 2.0 / 3.0, 2.0] {
            let config = GateConfig::default();
            let values = factors.map(|z| log_alpha_of(z, &config, Temperature(tau)));
            let log_alpha = Tensor::new(&values, &Device::Cpu).unwrap();
            let interface = Interface::Flat { dim: factors.len() };
            let gate = Gate::from_log_alpha(interface, &config, &log_alpha, Temperature(tau));
            let found = gate.unwrap().deterministic().unwrap();
            for (found, factor) in found.iter().zip(factors) {
                assert!((found - factor).abs() < 1e-6, "{tau}: {found} {factor}");
            }
        }
    }
}
