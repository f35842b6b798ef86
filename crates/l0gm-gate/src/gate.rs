//! The gate itself: a hard-concrete gate on the interface, or the identity.
use crate::{GateConfig, Result, Temperature};
use candle_core::{Device, Tensor, Var};
use l0gm_ops::Mode;
use serde::{Deserialize, Serialize};
/// Share of gate dimensions the deterministic gate leaves non-zero, in [0, 1].
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ActiveFraction(pub f64);
/// The shape of what the classifier reads, without the batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Interface {
    /// (batch, dim).
    Flat {
        /// Width.
        dim: usize,
    },
    /// (batch, fields, dim).
    Fields {
        /// Number of fields.
        fields: usize,
        /// Width of each field's embedding.
        dim: usize,
    },
}
impl Interface {
    /// Number of dimensions: dim, or fields * dim.
    pub fn width(&self) -> usize {
        match *self {
            Interface::Flat { dim } => dim,
            Interface::Fields { fields, dim } => fields * dim,
        }
    }
}
/// A gate on an interface. The identity gate (for `dense`) has no parameter and passes r through.
#[derive(Clone, Debug)]
pub struct Gate {
    _private: (),
}
impl Gate {
    /// A hard-concrete gate; `tau` is the temperature at which `config.initial_open` is meant.
    /// `Granularity::Group` has one gate a field for `Interface::Fields`; for `Interface::Flat` it is an error.
    pub fn new(_interface: Interface, _config: &GateConfig, _tau: Temperature, _device: &Device) -> Result<Self> {
        todo!()
    }
    /// The identity gate of a dense model.
    pub fn identity(_interface: Interface) -> Self {
        todo!()
    }
    /// Whether this is the identity gate.
    pub fn is_identity(&self) -> bool {
        todo!()
    }
    /// The interface it stands on.
    pub fn interface(&self) -> Interface {
        todo!()
    }
    /// z ⊙ r: sampled in training, deterministic in evaluation. `r` and the result: (batch, dim) or
    /// (batch, fields, dim). Works in f32 whatever r's dtype is.
    pub fn forward(&self, _r: &Tensor, _tau: Temperature, _mode: &mut Mode<'_>) -> Result<Tensor> {
        todo!()
    }
    /// Expected L0 (sum or mean over gates, as configured), a scalar with gradient; 0 for the identity.
    pub fn penalty(&self, _tau: Temperature) -> Result<Tensor> {
        todo!()
    }
    /// The deterministic z of every *dimension* of the interface (a group's z repeated), length `width()`.
    pub fn deterministic(&self, _tau: Temperature) -> Result<Vec<f32>> {
        todo!()
    }
    /// P(z != 0) of every gate.
    pub fn open_probability(&self, _tau: Temperature) -> Result<Vec<f64>> {
        todo!()
    }
    /// Expected L0 in dimensions of the interface (a group counts its width).
    pub fn expected_l0(&self, _tau: Temperature) -> Result<f64> {
        todo!()
    }
    /// Share of dimensions the deterministic gate leaves non-zero.
    pub fn active_fraction(&self, _tau: Temperature) -> Result<ActiveFraction> {
        todo!()
    }
    /// Which dimensions stay: what compaction keeps.
    pub fn hard_mask(&self, _tau: Temperature) -> Result<Vec<bool>> {
        todo!()
    }
    /// The gate's parameter, absent for the identity.
    pub fn log_alpha(&self) -> Option<&Var> {
        todo!()
    }
    /// The settings, absent for the identity.
    pub fn config(&self) -> Option<&GateConfig> {
        todo!()
    }
}
