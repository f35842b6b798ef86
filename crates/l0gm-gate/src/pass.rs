//! Applies a gate to a batch: z ⊙ r (eq. 5), sampled in training and deterministic in use, and the penalty that
//! training adds (Algorithm 1, line 16).

use crate::gate::GateState;
use crate::relaxation;
use crate::{Error, Gate, GateKind, Interface, PenaltyReduction, Result, Temperature};
use candle_core::{DType, Device, Tensor, Var};
use l0gm_ops::{Generator, Mode, linear, mean, mul, reshape};

/// How a gate is passed. Only training gives a temperature; in use, the gate's own is taken ([`Gate::temperature`]).
#[derive(Debug)]
pub enum GateMode<'a> {
    /// In training, z is sampled.
    Train {
        /// Current temperature, from the schedule.
        temperature: Temperature,
        /// The source of the noise.
        noise: &'a mut Generator,
    },
    /// In use, z is deterministic.
    Eval,
}

impl<'a> GateMode<'a> {
    /// Sampled at `temperature` if the layers around the gate are in training mode, deterministic otherwise.
    pub fn of(mode: &'a mut Mode<'_>, temperature: Temperature) -> Self {
        match mode {
            Mode::Train(noise) => GateMode::Train { temperature, noise },
            Mode::Eval => GateMode::Eval,
        }
    }

    /// The training mode with noise from this generator.
    pub fn train(temperature: Temperature, noise: &'a mut Generator) -> Self {
        GateMode::Train { temperature, noise }
    }

    /// Whether z is sampled.
    pub fn is_train(&self) -> bool {
        matches!(self, GateMode::Train { .. })
    }

    /// The same mode, in which a gate that is fixed is never sampled.
    fn unless_fixed(self, inner: &GateState) -> Self {
        match inner.config.kind {
            GateKind::Fixed => GateMode::Eval,
            GateKind::Static | GateKind::PerExample | GateKind::Conditional => self,
        }
    }

    fn check(&self) -> Result<()> {
        match self {
            GateMode::Train { temperature, .. } => temperature.check("temperature"),
            GateMode::Eval => Ok(()),
        }
    }
}

/// The result of passing one batch through a gate.
#[derive(Clone, Debug)]
pub struct Gated {
    /// z ⊙ r, in r's shape and precision.
    pub value: Tensor,
    /// The log_alpha of each example, (batch, gates) f32 with gradient. Present for a conditional gate only.
    pub log_alpha: Option<Tensor>,
}

impl Gate {
    /// Computes z ⊙ r, sampled in training and deterministic in use. `r` and the result: (batch, dim),
    /// (batch, fields, dim), or the shape of the [`Interface`]'s channels, of which each has one z for all positions.
    /// Computes in f32 whatever the dtype of r is (f64 stays f64); the result has r's dtype.
    pub fn forward(&self, r: &Tensor, mode: GateMode<'_>) -> Result<Tensor> {
        Ok(self.pass(r, mode)?.value)
    }

    /// Like [`forward`](Self::forward), and also returns what [`penalty_of`](Self::penalty_of) and a
    /// [`GateReader`](crate::GateReader) need for a conditional gate.
    pub fn pass(&self, r: &Tensor, mode: GateMode<'_>) -> Result<Gated> {
        let batch = r.dims().first().copied().unwrap_or(0);
        if !self.interface.fits(r.dims()) {
            return Err(Error::input(format!(
                "the representation has shape {:?}, but the gate stands on {:?} and expects {}",
                r.dims(),
                self.interface,
                self.interface.expected()
            )));
        }
        let through = |value: &Tensor| Gated {
            value: value.clone(),
            log_alpha: None,
        };
        let Some(inner) = &self.inner else {
            return Ok(through(r));
        };
        mode.check()?;
        if r.elem_count() == 0 {
            return Ok(through(r));
        }
        let own = inner.of_examples(r, self.interface)?;
        let log_alpha = own.as_ref().unwrap_or(inner.log_alpha.as_tensor());
        let z = match mode.unless_fixed(inner) {
            GateMode::Eval => inner.deterministic(log_alpha)?,
            GateMode::Train { temperature, noise } => {
                let rows = match inner.config.kind {
                    GateKind::Static | GateKind::Fixed => 1,
                    GateKind::PerExample | GateKind::Conditional => batch,
                };
                let z = relaxation::sample(log_alpha, &inner.config, temperature, rows, noise)?;
                relaxation::repeat_rows(&z, batch)?
            }
        };
        Ok(Gated {
            value: inner.apply(r, &z, self.interface)?, // z ⊙ r: eq. 5
            log_alpha: own,
        })
    }

    /// Like [`forward`](Self::forward), for values looked up in a table. The gate stands on [`Interface::Fields`]
    /// with one field per table row. `values`: (batch, k, dim); `rows`: (batch, k) u32, the table row from which each
    /// value comes. Per-example gates draw noise for every lookup; static gates draw one z per table entry.
    ///
    /// # Errors
    /// The gate stands on another interface or is a group gate, or values and rows do not fit.
    pub fn forward_rows(
        &self,
        values: &Tensor,
        rows: &Tensor,
        mode: GateMode<'_>,
    ) -> Result<Tensor> {
        let Some(inner) = &self.inner else {
            return Ok(values.clone());
        };
        mode.check()?;
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
        let z = match mode.unless_fixed(inner) {
            GateMode::Eval => of_rows(&inner.deterministic(log_alpha)?)?,
            GateMode::Train { temperature, noise } => match inner.config.kind {
                GateKind::Static | GateKind::Fixed => of_rows(&relaxation::sample(
                    log_alpha,
                    &inner.config,
                    temperature,
                    1,
                    noise,
                )?)?,
                GateKind::PerExample | GateKind::Conditional => {
                    let lookups = values.elem_count() / dim;
                    let own = reshape(&of_rows(log_alpha)?, (lookups, dim))?;
                    let z = relaxation::sample(&own, &inner.config, temperature, lookups, noise)?;
                    reshape(&z, shape)?
                }
            },
        };
        let dtype = wide(values);
        Ok(mul(&values.to_dtype(dtype)?, &z.to_dtype(dtype)?)?.to_dtype(values.dtype())?)
    }

    /// Expected L0 (sum or mean over gates, as configured) as a scalar with gradient on the gate's device. For the
    /// identity it is 0 on the CPU, because the identity has no tensors and so no device. Training never uses that 0,
    /// because [`Objective`](crate::Objective) adds nothing for the identity. A fixed gate's is 0 too.
    ///
    /// # Errors
    /// The temperature is out of range. A conditional gate is an error too, because its penalty depends on the batch;
    /// use [`penalty_of`](Self::penalty_of).
    pub fn penalty(&self, tau: Temperature) -> Result<Tensor> {
        self.same_for_all("penalty", "Gate::pass and then Gate::penalty_of")?;
        self.penalty_at(self.log_alpha().map(Var::as_tensor), tau)
    }

    /// Like [`penalty`](Self::penalty), for the batch that [`pass`](Self::pass) returned. The penalty of a
    /// conditional gate is averaged over the examples.
    pub fn penalty_of(&self, gated: &Gated, tau: Temperature) -> Result<Tensor> {
        match (&gated.log_alpha, self.is_conditional()) {
            (Some(own), true) => self.penalty_at(Some(own), tau),
            (None, true) => Err(Error::input(
                "a conditional gate's penalty needs what Gate::pass found for its examples",
            )),
            (_, false) => self.penalty(tau),
        }
    }

    /// The penalty for `log_alpha`, (gates,) or (batch, gates); 0 where there is none.
    fn penalty_at(&self, log_alpha: Option<&Tensor>, tau: Temperature) -> Result<Tensor> {
        tau.check("temperature")?;
        let (Some(inner), Some(log_alpha)) = (&self.inner, log_alpha) else {
            return Ok(Tensor::new(0f32, &Device::Cpu)?);
        };
        if inner.config.kind == GateKind::Fixed {
            return Ok(Tensor::new(0f32, log_alpha.device())?);
        }
        let open = relaxation::penalised(log_alpha, &inner.config, tau)?;
        let open = match &inner.costs {
            Some(costs) => open.broadcast_mul(costs)?, // costⱼ P(zⱼ ≠ 0)
            None => open,
        };
        let mean = open.flatten_all()?.mean_all()?;
        Ok(match inner.config.penalty {
            // For one row, sum directly: mean times count differs in the last bit.
            PenaltyReduction::Sum if log_alpha.rank() == 1 => open.sum_all()?, // L₀ = Σⱼ P(zⱼ ≠ 0): line 16
            PenaltyReduction::Sum => (mean * inner.log_alpha.elem_count() as f64)?,
            PenaltyReduction::Mean => mean,
        })
    }
}

/// The precision in which z ⊙ r is computed: f32, or f64 if r has it.
fn wide(r: &Tensor) -> DType {
    match r.dtype() {
        DType::F64 => DType::F64,
        _ => DType::F32,
    }
}

impl GateState {
    /// The deterministic z of use, in the shape of `log_alpha`.
    pub(crate) fn deterministic(&self, log_alpha: &Tensor) -> Result<Tensor> {
        self.check_settings()?;
        relaxation::deterministic(log_alpha, &self.config, self.temperature)
    }

    /// log α = a + W r of every example, (batch, gates) with gradient; `None` if there is no W. Of channels, W reads
    /// the mean over positions.
    fn of_examples(&self, r: &Tensor, interface: Interface) -> Result<Option<Tensor>> {
        let Some(weight) = &self.weight else {
            return Ok(None);
        };
        let r = r.to_dtype(DType::F32)?.contiguous()?;
        let batch = r.dim(0)?;
        let flat = match interface {
            Interface::Flat { .. } | Interface::Fields { .. } => {
                reshape(&r, (batch, r.elem_count() / batch))?
            }
            Interface::ChannelsFirst { channels } => {
                let positions = r.elem_count() / (batch * channels);
                mean(&reshape(&r, (batch, channels, positions))?, 2)?
            }
            Interface::ChannelsLast { .. } => mean(&r, 1)?,
        };
        let own = linear(&flat, weight, Some(&self.log_alpha))?;
        Ok(Some(own))
    }

    /// Computes z ⊙ r. `z`: (batch, gates), or (gates,) for the whole batch.
    fn apply(&self, r: &Tensor, z: &Tensor, interface: Interface) -> Result<Tensor> {
        let dtype = wide(r);
        let (wide, z) = (r.to_dtype(dtype)?, z.to_dtype(dtype)?);
        let gated = match interface {
            Interface::Flat { .. } | Interface::Fields { .. } => self.on_dimensions(&wide, &z)?,
            Interface::ChannelsFirst { channels } => {
                // z of (1 or batch, channels, 1) against r of (batch, channels, positions).
                let z = self.of_channels(&z, channels)?;
                let positions = r.elem_count() / (r.dim(0)? * channels);
                wide.reshape((r.dim(0)?, channels, positions))?
                    .broadcast_mul(&z.unsqueeze(2)?)?
                    .reshape(r.shape())?
            }
            Interface::ChannelsLast { channels } => {
                // z of (1 or batch, 1, channels) against r of (batch, length, channels).
                let z = self.of_channels(&z, channels)?.unsqueeze(1)?;
                match z.track_op() {
                    true => mul(&wide, &relaxation::repeat_positions(&z, r.dim(1)?)?)?,
                    false => wide.broadcast_mul(&z)?,
                }
            }
        };
        Ok(gated.to_dtype(r.dtype())?)
    }

    /// Repeats the z of a group for each of its channels: (1 or batch, channels).
    fn of_channels(&self, z: &Tensor, channels: usize) -> Result<Tensor> {
        let rows = z.elem_count() * self.covers / channels;
        let gates = channels / self.covers;
        if self.covers == 1 {
            return Ok(z.reshape((rows, channels))?);
        }
        Ok(z.reshape((rows, gates, 1))?
            .broadcast_as((rows, gates, self.covers))?
            .reshape((rows, channels))?)
    }

    /// Computes z ⊙ r where every dimension is one number, or a group's dimensions lie side by side.
    fn on_dimensions(&self, wide: &Tensor, z: &Tensor) -> Result<Tensor> {
        if self.covers == 1 && z.elem_count() == wide.elem_count() {
            return Ok(mul(wide, &reshape(z, wide.shape().clone())?)?);
        }
        if self.covers == 1 {
            // z of (gates,) against r of (batch, dim) or (batch, fields, dim).
            let mut dims = wide.dims().to_vec();
            dims[0] = 1;
            return Ok(wide.broadcast_mul(&z.reshape(dims)?)?);
        }
        // z of (1 or batch, gates, 1) against r of (batch, gates, dimensions per gate).
        let (batch, gates) = (wide.dim(0)?, self.log_alpha.elem_count());
        let rows = z.elem_count() / gates;
        Ok(wide
            .reshape((batch, gates, self.covers))?
            .broadcast_mul(&z.reshape((rows, gates, 1))?)?
            .reshape(wide.shape())?)
    }
}
