//! The gate: a hard-concrete gate on the interface, or the identity (eq. 5; Algorithm 1, lines 5 to 12). It holds one
//! number per gate, `log_alpha`, in f32 whatever the backbone's precision, and the temperature at which it is used
//! after training. A conditional gate also holds a matrix W; for an example with representation r its log_alpha is
//! `log_alpha + W r`.
//!
//! What a gate does to a batch is in `pass.rs`, and what can be read from it is in `reading.rs`.

use crate::{Error, GateConfig, GateKind, Interface, Result, Schedule, Temperature};
use candle_core::{DType, Device, Tensor, Var};

/// A gate on an interface. The identity gate (of a `dense` model) has no parameters and returns r unchanged.
///
/// A gate knows the temperature at which it is used after training, because the same `log_alpha` at another
/// temperature is another model. Only training passes a temperature, which changes with the schedule; all other code
/// uses the gate's own.
///
/// A clone shares its parameters with the original.
#[derive(Clone, Debug)]
pub struct Gate {
    pub(crate) interface: Interface,
    /// Absent for the identity gate.
    pub(crate) inner: Option<GateState>,
}

/// The content of a gate that is not the identity.
#[derive(Clone, Debug)]
pub(crate) struct GateState {
    pub(crate) config: GateConfig,
    /// Shape (gates,), f32.
    pub(crate) log_alpha: Var,
    /// W, (gates, width), f32. Present for [`GateKind::Conditional`] only.
    pub(crate) weight: Option<Var>,
    /// Number of dimensions that each gate covers.
    pub(crate) covers: usize,
    /// Temperature at which the trained gate is used.
    pub(crate) temperature: Temperature,
    /// What an open gate costs, (gates,) f32. Absent where each costs 1.
    pub(crate) costs: Option<Tensor>,
    /// The settings as a variable beside the parameters. Present for a gate in a `VarMap` only.
    pub(crate) settings: Option<Var>,
}

impl Gate {
    /// A hard-concrete gate that will be trained with `schedule`. At the schedule's first temperature it is open as
    /// `config.initial_open` says; at the final temperature it is used.
    /// [`Granularity::Group`](crate::Granularity::Group) gives one gate per field on [`Interface::Fields`], and one
    /// per [`GateConfig::group_width`] neighbouring dimensions on [`Interface::Flat`]. W of a conditional gate starts
    /// at 0, so that at first every example gets the same gate.
    ///
    /// # Errors
    /// Settings or a schedule are out of range; the interface has no dimensions, or a width that the groups do not
    /// fill.
    pub fn new(
        interface: Interface,
        config: &GateConfig,
        schedule: &Schedule,
        device: &Device,
    ) -> Result<Self> {
        config.check()?;
        schedule.check()?;
        let (gates, _) = interface.gates(config)?;
        let first = schedule.at(0.0).temperature;
        let start = config.start(first);
        let log_alpha = Tensor::full(start as f32, gates, device)?;
        Self::from_log_alpha(interface, config, &log_alpha, schedule.final_temperature())
    }

    /// A hard-concrete gate with given parameters of shape (gates,), which are copied and converted to f32. W of a
    /// conditional gate is 0. The gate is used at `temperature`.
    ///
    /// # Errors
    /// There is not exactly one finite value per gate, or the temperature is out of range.
    pub fn from_log_alpha(
        interface: Interface,
        config: &GateConfig,
        log_alpha: &Tensor,
        temperature: Temperature,
    ) -> Result<Self> {
        Self::from_parameters(interface, config, log_alpha, None, temperature)
    }

    /// Like [`from_log_alpha`](Self::from_log_alpha), with the W of a conditional gate, (gates, width).
    ///
    /// # Errors
    /// Those of `from_log_alpha`; W does not fit, or is given to a gate of another kind.
    pub fn from_parameters(
        interface: Interface,
        config: &GateConfig,
        log_alpha: &Tensor,
        weight: Option<&Tensor>,
        temperature: Temperature,
    ) -> Result<Self> {
        config.check_ranges()?;
        temperature.check("temperature")?;
        let (gates, covers) = interface.gates(config)?;
        if log_alpha.dims() != [gates] {
            return Err(Error::input(format!(
                "log_alpha has shape {:?}, but the interface {interface:?} with granularity {:?} has {gates} gates",
                log_alpha.dims(),
                config.granularity
            )));
        }
        let width = interface.width();
        let weight = match (config.kind, weight) {
            (GateKind::Conditional, Some(weight)) if weight.dims() == [gates, width] => {
                Some(finite("weight", weight)?)
            }
            (GateKind::Conditional, Some(weight)) => {
                return Err(Error::input(format!(
                    "the weight has shape {:?}, but {gates} gates on {width} dimensions need ({gates}, {width})",
                    weight.dims()
                )));
            }
            (GateKind::Conditional, None) => {
                Some(Var::zeros((gates, width), DType::F32, log_alpha.device())?)
            }
            (GateKind::Static | GateKind::PerExample | GateKind::Fixed, None) => None,
            (GateKind::Static | GateKind::PerExample | GateKind::Fixed, Some(_)) => {
                return Err(Error::input(format!(
                    "a weight was given to a gate of kind {:?}; only a conditional one has one",
                    config.kind
                )));
            }
        };
        Ok(Self {
            interface,
            inner: Some(GateState {
                config: config.clone(),
                log_alpha: finite("log_alpha", log_alpha)?,
                weight,
                covers,
                temperature,
                costs: None,
                settings: None,
            }),
        })
    }

    /// The same gate with a penalty in which gate j costs `costs[j]` instead of 1: Σⱼ costⱼ P(zⱼ ≠ 0). Dimensions that
    /// need more parameters than others can thus be made to pay for them. Only training needs the costs, so a gate's
    /// file does not have them; the active fraction and the expected L0 count every gate once. The identity has no
    /// penalty and stays as it is.
    ///
    /// # Errors
    /// There is not exactly one finite cost above 0 per gate.
    pub fn with_costs(mut self, costs: &[f32]) -> Result<Self> {
        let Some(inner) = &mut self.inner else {
            return Ok(self);
        };
        let gates = inner.log_alpha.elem_count();
        if costs.len() != gates {
            return Err(Error::input(format!(
                "{} costs were given for {gates} gates",
                costs.len()
            )));
        }
        if let Some(at) = costs
            .iter()
            .position(|cost| !(cost.is_finite() && *cost > 0.0))
        {
            return Err(Error::input(format!(
                "costs[{at}] is {}, but must be finite and above 0",
                costs[at]
            )));
        }
        inner.costs = Some(Tensor::from_slice(costs, gates, inner.log_alpha.device())?);
        Ok(self)
    }

    /// The identity gate of a dense model.
    pub fn identity(interface: Interface) -> Self {
        Self {
            interface,
            inner: None,
        }
    }

    /// Whether this is the identity gate.
    pub fn is_identity(&self) -> bool {
        self.inner.is_none()
    }

    /// Whether z depends on the example.
    pub fn is_conditional(&self) -> bool {
        self.weight().is_some()
    }

    /// The interface on which the gate stands.
    pub fn interface(&self) -> Interface {
        self.interface
    }

    /// The parameter `log_alpha`, (gates,), which is the bias of a conditional gate. Absent for the identity.
    pub fn log_alpha(&self) -> Option<&Var> {
        self.inner.as_ref().map(|inner| &inner.log_alpha)
    }

    /// The W of a conditional gate, (gates, width). Absent for all others.
    pub fn weight(&self) -> Option<&Var> {
        self.inner.as_ref().and_then(|inner| inner.weight.as_ref())
    }

    /// The gate's settings. Absent for the identity.
    pub fn config(&self) -> Option<&GateConfig> {
        self.inner.as_ref().map(|inner| &inner.config)
    }

    /// The temperature at which the trained gate is used. Absent for the identity.
    pub fn temperature(&self) -> Option<Temperature> {
        self.inner.as_ref().map(|inner| inner.temperature)
    }

    /// The same gate used at another temperature. It shares its parameters with this one.
    ///
    /// # Errors
    /// The temperature is not finite or not above 0.
    pub fn at_temperature(&self, temperature: Temperature) -> Result<Self> {
        temperature.check("temperature")?;
        let mut other = self.clone();
        if let Some(inner) = &mut other.inner {
            inner.temperature = temperature;
            // The variables' settings are those of the gate at its own temperature.
            inner.settings = None;
        }
        Ok(other)
    }

    /// The largest log_alpha at which the gate in use is closed. Absent for the identity.
    pub fn closing_point(&self) -> Option<f64> {
        self.inner
            .as_ref()
            .map(|inner| inner.config.closing_point(inner.temperature))
    }

    /// Number of dimensions that each gate covers: 1, except for groups.
    pub(crate) fn covers(&self) -> usize {
        self.inner.as_ref().map_or(1, |inner| inner.covers)
    }
}

/// A new parameter with a copy of `tensor` in f32. It is an error if a value is not finite; the error calls it
/// `name`.
fn finite(name: &str, tensor: &Tensor) -> Result<Var> {
    let tensor = tensor.detach().to_dtype(DType::F32)?;
    check_finite(name, &tensor)?;
    Ok(Var::from_tensor(&tensor)?)
}

/// Refuses an f32 tensor with a value that is not finite. The error calls it `name`.
pub(crate) fn check_finite(name: &str, tensor: &Tensor) -> Result<()> {
    let values: Vec<f32> = tensor.flatten_all()?.to_vec1()?;
    match values.iter().position(|value| !value.is_finite()) {
        Some(at) => Err(Error::input(format!(
            "{name}[{at}] is {}, but must be finite",
            values[at]
        ))),
        None => Ok(()),
    }
}

#[cfg(test)]
#[path = "gate_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "conditional_tests.rs"]
mod conditional_tests;
