//! The gate itself: a hard-concrete gate on the interface, or the identity (eq. 5; Algorithm 1,
//! lines 5 to 12). It holds one number a gate, `log_alpha`, in f32 whatever the backbone's
//! precision, and everything it says of itself is a function of that and of the temperature.

use crate::distribution::{log_alpha_for_open_probability, open_probability};
use crate::relaxation;
use crate::{Error, GateConfig, GateKind, Granularity, PenaltyReduction, Result, Temperature};
use candle_core::{DType, Device, Tensor, Var};
use l0gm_ops::{Mode, mul, reshape};
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

    /// Number of gates under these settings, and how many neighbouring dimensions each covers.
    pub(crate) fn gates(&self, config: &GateConfig) -> Result<(usize, usize)> {
        let width = self.width();
        if width == 0 {
            return Err(Error::input(format!(
                "the interface {self:?} has no dimension to gate"
            )));
        }
        match (config.granularity, *self) {
            (Granularity::Interface, _) => Ok((width, 1)),
            (Granularity::Group, Interface::Fields { fields, dim }) => Ok((fields, dim)),
            (Granularity::Group, Interface::Flat { dim }) => {
                let group = config.group_width;
                if group != 0 && dim.is_multiple_of(group) {
                    return Ok((dim / group, group));
                }
                Err(Error::Setting(format!(
                    "group-width is {group}, but the interface has {dim} dimensions, which groups of {group} do \
                     not fill; {}",
                    nearest_divisors(dim, group)
                )))
            }
        }
    }

    /// The shape r must have for its batch size.
    fn dims(&self, batch: usize) -> Vec<usize> {
        match *self {
            Interface::Flat { dim } => vec![batch, dim],
            Interface::Fields { fields, dim } => vec![batch, fields, dim],
        }
    }
}

/// The divisors of `dim` on both sides of `group`, as advice.
fn nearest_divisors(dim: usize, group: usize) -> String {
    let divides = |&width: &usize| dim.is_multiple_of(width);
    let below = (1..group.min(dim + 1)).rev().find(divides);
    let above = (group + 1..=dim).find(divides);
    let nearest: Vec<String> = below
        .into_iter()
        .chain(above)
        .map(|w| w.to_string())
        .collect();
    match nearest.len() {
        1 => format!("the nearest width that does is {}", nearest[0]),
        _ => format!("the nearest widths that do are {}", nearest.join(" and ")),
    }
}

/// A gate on an interface. The identity gate (for `dense`) has no parameter and passes r through.
///
/// A clone shares its parameter with the original.
#[derive(Clone, Debug)]
pub struct Gate {
    interface: Interface,
    /// Absent for the identity.
    inner: Option<HardConcrete>,
}

/// What a gate that is not the identity holds.
#[derive(Clone, Debug)]
struct HardConcrete {
    config: GateConfig,
    /// (gates,), f32.
    log_alpha: Var,
    /// Dimensions each gate covers.
    covers: usize,
}

impl Gate {
    /// A hard-concrete gate; `tau` is the temperature at which `config.initial_open` is meant.
    /// [`Granularity::Group`] has one gate a field for [`Interface::Fields`], and one for every
    /// [`GateConfig::group_width`] neighbouring dimensions for [`Interface::Flat`].
    ///
    /// # Errors
    /// Settings or a temperature outside their range; an interface without dimensions, or of a width that
    /// the groups do not fill.
    pub fn new(
        interface: Interface,
        config: &GateConfig,
        tau: Temperature,
        device: &Device,
    ) -> Result<Self> {
        config.check()?;
        tau.check("temperature")?;
        let (gates, _) = interface.gates(config)?;
        let start = log_alpha_for_open_probability(config.initial_open, tau, config.stretch());
        let log_alpha = Tensor::full(start as f32, gates, device)?;
        Self::from_log_alpha(interface, config, &log_alpha)
    }

    /// A hard-concrete gate with these parameters, shape (gates,), copied and converted to f32.
    ///
    /// # Errors
    /// Where there is not exactly one finite value a gate.
    pub fn from_log_alpha(
        interface: Interface,
        config: &GateConfig,
        log_alpha: &Tensor,
    ) -> Result<Self> {
        config.check()?;
        let (gates, covers) = interface.gates(config)?;
        if log_alpha.dims() != [gates] {
            return Err(Error::input(format!(
                "log_alpha has shape {:?}, but the interface {interface:?} with granularity {:?} has {gates} gates",
                log_alpha.dims(),
                config.granularity
            )));
        }
        let log_alpha = log_alpha.detach().to_dtype(DType::F32)?;
        let values: Vec<f32> = log_alpha.to_vec1()?;
        if let Some(at) = values.iter().position(|value| !value.is_finite()) {
            return Err(Error::input(format!(
                "log_alpha[{at}] is {}, but must be finite",
                values[at]
            )));
        }
        Ok(Self {
            interface,
            inner: Some(HardConcrete {
                config: config.clone(),
                log_alpha: Var::from_tensor(&log_alpha)?,
                covers,
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

    /// The interface it stands on.
    pub fn interface(&self) -> Interface {
        self.interface
    }

    /// The gate's parameter, absent for the identity.
    pub fn log_alpha(&self) -> Option<&Var> {
        self.inner.as_ref().map(|inner| &inner.log_alpha)
    }

    /// The settings, absent for the identity.
    pub fn config(&self) -> Option<&GateConfig> {
        self.inner.as_ref().map(|inner| &inner.config)
    }

    /// z ⊙ r: sampled in training, deterministic in evaluation. `r` and the result: (batch, dim) or
    /// (batch, fields, dim). Works in f32 whatever r's dtype is (f64 stays f64); the result has r's dtype.
    pub fn forward(&self, r: &Tensor, tau: Temperature, mode: &mut Mode<'_>) -> Result<Tensor> {
        let batch = r.dims().first().copied().unwrap_or(0);
        if r.dims() != self.interface.dims(batch) {
            return Err(Error::input(format!(
                "the representation has shape {:?}, but the gate stands on {:?} and expects (batch, {})",
                r.dims(),
                self.interface,
                self.interface.dims(0)[1..]
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join(", ")
            )));
        }
        let Some(inner) = &self.inner else {
            return Ok(r.clone());
        };
        tau.check("temperature")?;
        if batch == 0 {
            return Ok(r.clone());
        }
        let z = match mode {
            Mode::Eval => {
                relaxation::deterministic(inner.log_alpha.as_tensor(), &inner.config, tau)?
            }
            Mode::Train(generator) => {
                let rows = match inner.config.kind {
                    GateKind::Static => 1,
                    GateKind::PerExample => batch,
                };
                let z = relaxation::sample(
                    inner.log_alpha.as_tensor(),
                    &inner.config,
                    tau,
                    rows,
                    generator,
                )?;
                relaxation::repeat_rows(&z, batch)?
            }
        };
        inner.apply(r, &z)
    }

    /// Expected L0 (sum or mean over gates, as configured), a scalar with gradient; 0 for the identity.
    pub fn penalty(&self, tau: Temperature) -> Result<Tensor> {
        tau.check("temperature")?;
        match &self.inner {
            None => Ok(Tensor::new(0f32, &Device::Cpu)?),
            Some(inner) => {
                let open = relaxation::open_probability(
                    inner.log_alpha.as_tensor(),
                    tau,
                    inner.config.stretch(),
                )?;
                Ok(match inner.config.penalty {
                    PenaltyReduction::Sum => open.sum_all()?,
                    PenaltyReduction::Mean => open.mean_all()?,
                })
            }
        }
    }

    /// The deterministic z of every *dimension* of the interface (a group's z repeated), length
    /// `width()`: exactly what evaluation multiplies with. Field by field for `Interface::Fields`.
    pub fn deterministic(&self, tau: Temperature) -> Result<Vec<f32>> {
        tau.check("temperature")?;
        let Some(inner) = &self.inner else {
            return Ok(vec![1.0; self.interface.width()]);
        };
        let z = relaxation::deterministic(inner.log_alpha.as_tensor(), &inner.config, tau)?
            .to_vec1::<f32>()?;
        Ok(z.iter()
            .flat_map(|&z| std::iter::repeat_n(z, inner.covers))
            .collect())
    }

    /// P(z != 0) of every gate.
    pub fn open_probability(&self, tau: Temperature) -> Result<Vec<f64>> {
        tau.check("temperature")?;
        let Some(inner) = &self.inner else {
            return Ok(vec![1.0; self.interface.width()]);
        };
        let log_alpha = inner.log_alpha.to_vec1::<f32>()?;
        let stretch = inner.config.stretch();
        Ok(log_alpha
            .iter()
            .map(|&a| open_probability(f64::from(a), tau, stretch))
            .collect())
    }

    /// Expected L0 in dimensions of the interface (a group counts its width).
    pub fn expected_l0(&self, tau: Temperature) -> Result<f64> {
        let covers = self.inner.as_ref().map_or(1, |inner| inner.covers) as f64;
        Ok(covers * self.open_probability(tau)?.iter().sum::<f64>())
    }

    /// Share of dimensions the deterministic gate leaves non-zero.
    pub fn active_fraction(&self, tau: Temperature) -> Result<ActiveFraction> {
        let mask = self.hard_mask(tau)?;
        let open = mask.iter().filter(|&&open| open).count();
        Ok(ActiveFraction(open as f64 / mask.len().max(1) as f64))
    }

    /// Which dimensions stay: what compaction keeps.
    pub fn hard_mask(&self, tau: Temperature) -> Result<Vec<bool>> {
        Ok(self.deterministic(tau)?.iter().map(|&z| z != 0.0).collect())
    }
}

impl HardConcrete {
    /// z ⊙ r; `z`: (batch, gates) or (gates,) for the whole batch.
    fn apply(&self, r: &Tensor, z: &Tensor) -> Result<Tensor> {
        let dtype = match r.dtype() {
            DType::F64 => DType::F64,
            _ => DType::F32,
        };
        let (wide, z) = (r.to_dtype(dtype)?, z.to_dtype(dtype)?);
        let gated = if self.covers == 1 && z.elem_count() == r.elem_count() {
            mul(&wide, &reshape(&z, r.shape().clone())?)?
        } else if self.covers == 1 {
            // (gates,) against (batch, dim) or (batch, fields, dim).
            let mut dims = r.dims().to_vec();
            dims[0] = 1;
            wide.broadcast_mul(&z.reshape(dims)?)?
        } else {
            // (1 or batch, gates, 1) against (batch, gates, dimensions a gate).
            let (batch, gates) = (r.dim(0)?, self.log_alpha.elem_count());
            let rows = z.elem_count() / gates;
            wide.reshape((batch, gates, self.covers))?
                .broadcast_mul(&z.reshape((rows, gates, 1))?)?
                .reshape(r.shape())?
        };
        Ok(gated.to_dtype(r.dtype())?)
    }
}

#[cfg(test)]
#[path = "gate_tests.rs"]
mod tests;
