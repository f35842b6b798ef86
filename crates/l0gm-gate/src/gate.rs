//! The gate itself: a hard-concrete gate on the interface, or the identity (eq. 5; Algorithm 1,
//! lines 5 to 12). It holds one number a gate, `log_alpha`, in f32 whatever the backbone's
//! precision, and the temperature at which it is used after training. A conditional gate holds a matrix W
//! besides, and its log_alpha of an example is `log_alpha + W r`.
//!
//! What it does to a batch is in `pass.rs`, what it says of itself in `reading.rs`.

use crate::distribution::log_alpha_for_open_probability;
use crate::{Error, GateConfig, GateKind, Interface, Result, Schedule, Temperature};
use candle_core::{DType, Device, Tensor, Var};

/// A gate on an interface. The identity gate (for `dense`) has no parameter and passes r through.
///
/// A gate knows the temperature at which it is used after training, because the same `log_alpha` at
/// another temperature is another model. Training passes the temperature of the moment; everything else
/// asks the gate.
///
/// A clone shares its parameters with the original.
#[derive(Clone, Debug)]
pub struct Gate {
    pub(crate) interface: Interface,
    /// Absent for the identity.
    pub(crate) inner: Option<HardConcrete>,
}

/// What a gate that is not the identity holds.
#[derive(Clone, Debug)]
pub(crate) struct HardConcrete {
    pub(crate) config: GateConfig,
    /// (gates,), f32.
    pub(crate) log_alpha: Var,
    /// (gates, width), f32; of [`GateKind::Conditional`] alone.
    pub(crate) weight: Option<Var>,
    /// Dimensions each gate covers.
    pub(crate) covers: usize,
    /// The temperature at which the trained gate is used.
    pub(crate) temperature: Temperature,
}

impl Gate {
    /// A hard-concrete gate to be trained by `schedule`: open as `config.initial_open` says at the schedule's
    /// first temperature, and used at its final one.
    /// [`Granularity::Group`](crate::Granularity::Group) has one gate a field for [`Interface::Fields`],
    /// and one for every [`GateConfig::group_width`] neighbouring dimensions for [`Interface::Flat`].
    /// W of a conditional gate starts at 0: at first every example meets the same gate.
    ///
    /// # Errors
    /// Settings or a schedule outside their range; an interface without dimensions, or of a width that
    /// the groups do not fill.
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
        let start = log_alpha_for_open_probability(config.initial_open, first, config.stretch());
        let log_alpha = Tensor::full(start as f32, gates, device)?;
        Self::from_log_alpha(interface, config, &log_alpha, schedule.final_temperature())
    }

    /// A hard-concrete gate with these parameters, shape (gates,), copied and converted to f32; W of a
    /// conditional gate is 0. It is used at `temperature`.
    ///
    /// # Errors
    /// Where there is not exactly one finite value a gate; a temperature outside its range.
    pub fn from_log_alpha(
        interface: Interface,
        config: &GateConfig,
        log_alpha: &Tensor,
        temperature: Temperature,
    ) -> Result<Self> {
        Self::from_parameters(interface, config, log_alpha, None, temperature)
    }

    /// As [`from_log_alpha`](Self::from_log_alpha), with a conditional gate's W, (gates, width).
    ///
    /// # Errors
    /// Also where W does not fit, or is given to a gate of another kind.
    pub fn from_parameters(
        interface: Interface,
        config: &GateConfig,
        log_alpha: &Tensor,
        weight: Option<&Tensor>,
        temperature: Temperature,
    ) -> Result<Self> {
        config.check()?;
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
            (GateKind::Static | GateKind::PerExample, None) => None,
            (GateKind::Static | GateKind::PerExample, Some(_)) => {
                return Err(Error::input(format!(
                    "a weight was given to a gate of kind {:?}; only a conditional one has one",
                    config.kind
                )));
            }
        };
        Ok(Self {
            interface,
            inner: Some(HardConcrete {
                config: config.clone(),
                log_alpha: finite("log_alpha", log_alpha)?,
                weight,
                covers,
                temperature,
            }),
        })
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

    /// Whether its z depends on the example it gates.
    pub fn is_conditional(&self) -> bool {
        self.weight().is_some()
    }

    /// The interface it stands on.
    pub fn interface(&self) -> Interface {
        self.interface
    }

    /// The gate's parameter, (gates,): absent for the identity; a conditional gate's bias.
    pub fn log_alpha(&self) -> Option<&Var> {
        self.inner.as_ref().map(|inner| &inner.log_alpha)
    }

    /// A conditional gate's W, (gates, width); absent for the others.
    pub fn weight(&self) -> Option<&Var> {
        self.inner.as_ref().and_then(|inner| inner.weight.as_ref())
    }

    /// The settings, absent for the identity.
    pub fn config(&self) -> Option<&GateConfig> {
        self.inner.as_ref().map(|inner| &inner.config)
    }

    /// The temperature at which the trained gate is used; absent for the identity.
    pub fn temperature(&self) -> Option<Temperature> {
        self.inner.as_ref().map(|inner| inner.temperature)
    }

    /// The same gate used at another temperature; it shares its parameters with this one.
    ///
    /// # Errors
    /// A temperature that is not finite or not above 0.
    pub fn at_temperature(&self, temperature: Temperature) -> Result<Self> {
        temperature.check("temperature")?;
        let mut other = self.clone();
        if let Some(inner) = &mut other.inner {
            inner.temperature = temperature;
        }
        Ok(other)
    }

    /// The log_alpha at and below which the gate in use is closed; absent for the identity.
    pub fn closing_point(&self) -> Option<f64> {
        self.inner
            .as_ref()
            .map(|inner| inner.config.closing_point(inner.temperature))
    }

    /// Dimensions that each gate covers: 1 but for groups.
    pub(crate) fn covers(&self) -> usize {
        self.inner.as_ref().map_or(1, |inner| inner.covers)
    }
}

/// A parameter of its own, in f32; the error calls it `name`.
fn finite(name: &str, tensor: &Tensor) -> Result<Var> {
    let tensor = tensor.detach().to_dtype(DType::F32)?;
    let values: Vec<f32> = tensor.flatten_all()?.to_vec1()?;
    if let Some(at) = values.iter().position(|value| !value.is_finite()) {
        return Err(Error::input(format!(
            "{name}[{at}] is {}, but must be finite",
            values[at]
        )));
    }
    Ok(Var::from_tensor(&tensor)?)
}

#[cfg(test)]
#[path = "gate_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "conditional_tests.rs"]
mod conditional_tests;
