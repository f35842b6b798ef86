//! The gate itself: a hard-concrete gate on the interface, or the identity (eq. 5; Algorithm 1,
//! lines 5 to 12). It holds one number a gate, `log_alpha`, in f32 whatever the backbone's
//! precision, and everything it says of itself is a function of that and of the temperature. A conditional
//! gate holds a matrix W besides, and its log_alpha of an example is `log_alpha + W r`.

use crate::distribution::{log_alpha_for_open_probability, open_probability};
use crate::relaxation;
use crate::{
    Error, GateConfig, GateKind, GateReading, Interface, PenaltyReduction, Result, Temperature,
};
use candle_core::{DType, Device, Tensor, Var};
use l0gm_ops::{Mode, linear, mul, reshape};
use serde::{Deserialize, Serialize};

/// Share of gate dimensions the deterministic gate leaves non-zero, in [0, 1].
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ActiveFraction(pub f64);

/// A gate on an interface. The identity gate (for `dense`) has no parameter and passes r through.
///
/// A clone shares its parameters with the original.
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
    /// (gates, width), f32; of [`GateKind::Conditional`] alone.
    weight: Option<Var>,
    /// Dimensions each gate covers.
    covers: usize,
}

/// What a gate made of one batch.
#[derive(Clone, Debug)]
pub struct Gated {
    /// z ⊙ r, in r's shape and precision.
    pub value: Tensor,
    /// Each example's own log_alpha, (batch, gates) f32 with gradient: of a conditional gate alone.
    pub log_alpha: Option<Tensor>,
}

impl Gate {
    /// A hard-concrete gate; `tau` is the temperature at which `config.initial_open` is meant.
    /// [`Granularity::Group`](crate::Granularity::Group) has one gate a field for [`Interface::Fields`],
    /// and one for every [`GateConfig::group_width`] neighbouring dimensions for [`Interface::Flat`].
    /// W of a conditional gate starts at 0: at first every example meets the same gate.
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

    /// A hard-concrete gate with these parameters, shape (gates,), copied and converted to f32; W of a
    /// conditional gate is 0.
    ///
    /// # Errors
    /// Where there is not exactly one finite value a gate.
    pub fn from_log_alpha(
        interface: Interface,
        config: &GateConfig,
        log_alpha: &Tensor,
    ) -> Result<Self> {
        Self::from_parameters(interface, config, log_alpha, None)
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

    /// Dimensions that each gate covers: 1 but for groups.
    pub(crate) fn covers(&self) -> usize {
        self.inner.as_ref().map_or(1, |inner| inner.covers)
    }

    /// z ⊙ r: sampled in training, deterministic in evaluation. `r` and the result: (batch, dim) or
    /// (batch, fields, dim). Works in f32 whatever r's dtype is (f64 stays f64); the result has r's dtype.
    pub fn forward(&self, r: &Tensor, tau: Temperature, mode: &mut Mode<'_>) -> Result<Tensor> {
        Ok(self.pass(r, tau, mode)?.value)
    }

    /// [`forward`](Self::forward) with what [`penalty_of`](Self::penalty_of) and a
    /// [`GateReader`](crate::GateReader) need of a conditional gate.
    pub fn pass(&self, r: &Tensor, tau: Temperature, mode: &mut Mode<'_>) -> Result<Gated> {
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
        let through = |value: &Tensor| Gated {
            value: value.clone(),
            log_alpha: None,
        };
        let Some(inner) = &self.inner else {
            return Ok(through(r));
        };
        tau.check("temperature")?;
        if batch == 0 {
            return Ok(through(r));
        }
        let own = inner.of_examples(r)?;
        let log_alpha = own.as_ref().unwrap_or(inner.log_alpha.as_tensor());
        let z = match mode {
            Mode::Eval => relaxation::deterministic(log_alpha, &inner.config, tau)?,
            Mode::Train(generator) => {
                let rows = match inner.config.kind {
                    GateKind::Static => 1,
                    GateKind::PerExample | GateKind::Conditional => batch,
                };
                let z = relaxation::sample(log_alpha, &inner.config, tau, rows, generator)?;
                relaxation::repeat_rows(&z, batch)?
            }
        };
        Ok(Gated {
            value: inner.apply(r, &z)?,
            log_alpha: own,
        })
    }

    /// [`forward`](Self::forward) for values looked up in a table: the gate stands on
    /// [`Interface::Fields`] with a field a table row. `values`: (batch, k, dim); `rows`: (batch, k) u32,
    /// the table row that each value comes from. Per-example gates draw noise for every lookup, static
    /// gates one z a table entry.
    ///
    /// # Errors
    /// A gate on another interface, a group gate, or values and rows that do not fit.
    pub fn forward_rows(
        &self,
        values: &Tensor,
        rows: &Tensor,
        tau: Temperature,
        mode: &mut Mode<'_>,
    ) -> Result<Tensor> {
        let Some(inner) = &self.inner else {
            return Ok(values.clone());
        };
        tau.check("temperature")?;
        let (table, dim) = match self.interface {
            Interface::Fields { fields, dim } if inner.covers == 1 && inner.weight.is_none() => {
                (fields, dim)
            }
            _ => {
                return Err(Error::input(format!(
                    "a table's rows need a gate an entry, but this is a {:?} gate of granularity {:?} on {:?}",
                    inner.config.kind, inner.config.granularity, self.interface
                )));
            }
        };
        let shape = values.dims();
        if shape.len() != 3 || shape[2] != dim || rows.dims() != &shape[..2] {
            return Err(Error::input(format!(
                "values have shape {shape:?} and rows {:?}; expected (batch, k, {dim}) and (batch, k)",
                rows.dims()
            )));
        }
        if values.elem_count() == 0 {
            return Ok(values.clone());
        }
        let log_alpha = inner.log_alpha.as_tensor();
        let of_rows = |entries: &Tensor| -> Result<Tensor> {
            Ok(l0gm_ops::embedding(&reshape(entries, (table, dim))?, rows)?)
        };
        let z = match mode {
            Mode::Eval => of_rows(&relaxation::deterministic(log_alpha, &inner.config, tau)?)?,
            Mode::Train(generator) => match inner.config.kind {
                GateKind::Static => of_rows(&relaxation::sample(
                    log_alpha,
                    &inner.config,
                    tau,
                    1,
                    generator,
                )?)?,
                GateKind::PerExample | GateKind::Conditional => {
                    let lookups = values.elem_count() / dim;
                    let own = reshape(&of_rows(log_alpha)?, (lookups, dim))?;
                    let z = relaxation::sample(&own, &inner.config, tau, lookups, generator)?;
                    reshape(&z, shape)?
                }
            },
        };
        let dtype = wide(values);
        Ok(mul(&values.to_dtype(dtype)?, &z.to_dtype(dtype)?)?.to_dtype(values.dtype())?)
    }

    /// Expected L0 (sum or mean over gates, as configured), a scalar with gradient on the gate's device; 0 for the
    /// identity, on the CPU: it has no tensors and knows no other device. [`Objective`](crate::Objective) adds
    /// nothing for the identity, so training meets that 0 nowhere.
    ///
    /// # Errors
    /// Also for a conditional gate, whose penalty is that of a batch: [`penalty_of`](Self::penalty_of).
    pub fn penalty(&self, tau: Temperature) -> Result<Tensor> {
        self.same_for_all("penalty", "Gate::pass and then Gate::penalty_of")?;
        self.penalty_at(self.log_alpha().map(Var::as_tensor), tau)
    }

    /// [`penalty`](Self::penalty) of the batch that [`pass`](Self::pass) met: a conditional gate's is
    /// averaged over the examples.
    pub fn penalty_of(&self, gated: &Gated, tau: Temperature) -> Result<Tensor> {
        match (&gated.log_alpha, self.is_conditional()) {
            (Some(own), true) => self.penalty_at(Some(own), tau),
            (None, true) => Err(Error::input(
                "a conditional gate's penalty needs what Gate::pass found for its examples",
            )),
            (_, false) => self.penalty(tau),
        }
    }

    /// Of `log_alpha`, (gates,) or (batch, gates); 0 where there is none.
    fn penalty_at(&self, log_alpha: Option<&Tensor>, tau: Temperature) -> Result<Tensor> {
        tau.check("temperature")?;
        let (Some(inner), Some(log_alpha)) = (&self.inner, log_alpha) else {
            return Ok(Tensor::new(0f32, &Device::Cpu)?);
        };
        let open = relaxation::open_probability(log_alpha, tau, inner.config.stretch())?;
        let mean = open.flatten_all()?.mean_all()?;
        Ok(match inner.config.penalty {
            // Of one row the sum itself: a mean times their number would differ in the last bit.
            PenaltyReduction::Sum if log_alpha.rank() == 1 => open.sum_all()?,
            PenaltyReduction::Sum => (mean * inner.log_alpha.elem_count() as f64)?,
            PenaltyReduction::Mean => mean,
        })
    }

    /// The deterministic z of every *dimension* of the interface (a group's z repeated), length
    /// `width()`: exactly what evaluation multiplies with. Field by field for `Interface::Fields`.
    ///
    /// # Errors
    /// For a conditional gate, as for all that follows: it has no z but that of an example, and cannot be
    /// folded into another layer.
    pub fn deterministic(&self, tau: Temperature) -> Result<Vec<f32>> {
        tau.check("temperature")?;
        self.same_for_all("z", "Gate::forward, or a GateReader for its mean")?;
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
        self.same_for_all("P(z != 0)", "a GateReader for its mean")?;
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
        Ok(self.covers() as f64 * self.open_probability(tau)?.iter().sum::<f64>())
    }

    /// Share of dimensions the deterministic gate leaves non-zero.
    pub fn active_fraction(&self, tau: Temperature) -> Result<ActiveFraction> {
        Ok(share_open(&self.hard_mask(tau)?))
    }

    /// Which dimensions stay: what compaction keeps.
    pub fn hard_mask(&self, tau: Temperature) -> Result<Vec<bool>> {
        Ok(self.deterministic(tau)?.iter().map(|&z| z != 0.0).collect())
    }

    /// All of the above at once.
    pub fn reading(&self, tau: Temperature) -> Result<GateReading> {
        let z = self.deterministic(tau)?;
        let open: Vec<bool> = z.iter().map(|&z| z != 0.0).collect();
        Ok(GateReading {
            active: share_open(&open),
            expected_l0: self.expected_l0(tau)?,
            open_probability: self.open_probability(tau)?,
            z,
            open,
        })
    }

    /// Refuses what a gate says of all examples at once, where it says it of each apart.
    fn same_for_all(&self, what: &str, instead: &str) -> Result<()> {
        if !self.is_conditional() {
            return Ok(());
        }
        Err(Error::input(format!(
            "a conditional gate has no {what} of its own: it depends on the example; use {instead}. Such a gate \
             is not compacted either: train one of kind static or per-example for that"
        )))
    }
}

/// Share of dimensions open.
fn share_open(mask: &[bool]) -> ActiveFraction {
    let open = mask.iter().filter(|&&open| open).count();
    ActiveFraction(open as f64 / mask.len().max(1) as f64)
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

/// The precision z ⊙ r is computed in: f32, or f64 where r has it.
fn wide(r: &Tensor) -> DType {
    match r.dtype() {
        DType::F64 => DType::F64,
        _ => DType::F32,
    }
}

impl HardConcrete {
    /// log_alpha + W r of every example, (batch, gates) with gradient; `None` where there is no W.
    fn of_examples(&self, r: &Tensor) -> Result<Option<Tensor>> {
        let Some(weight) = &self.weight else {
            return Ok(None);
        };
        let batch = r.dim(0)?;
        let flat = reshape(&r.contiguous()?, (batch, r.elem_count() / batch))?;
        let own = linear(&flat.to_dtype(DType::F32)?, weight, Some(&self.log_alpha))?;
        Ok(Some(own))
    }

    /// z ⊙ r; `z`: (batch, gates) or (gates,) for the whole batch.
    fn apply(&self, r: &Tensor, z: &Tensor) -> Result<Tensor> {
        let dtype = wide(r);
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

#[cfg(test)]
#[path = "conditional_tests.rs"]
mod conditional_tests;
