//! Gates among candle's layers: a trained gate is a [`Module`], and [`GateLayer`] is a [`ModuleT`] that is sampled in
//! training. Their errors become candle's own.

use crate::{Error, Gate, GateMode, Gated, Generator, Result, Steered, Temperature};
use candle_core::{Module, ModuleT, Tensor};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The gate in use: z ⊙ r with the deterministic z, as [`Gate::forward`] gives it in [`GateMode::Eval`]. Because
/// `Gate::forward` takes a mode, call this one as `r.apply(&gate)`, or put the gate into a `Sequential`.
///
/// candle makes every `Module` a `ModuleT` that ignores whether it is trained. So a bare gate is deterministic in
/// `forward_t(r, true)` too, and its `log_alpha` gets no gradient there: train with a [`GateLayer`] or with
/// `Gate::forward`.
impl Module for Gate {
    fn forward(&self, r: &Tensor) -> candle_core::Result<Tensor> {
        Ok(Gate::forward(self, r, GateMode::Eval)?)
    }
}

/// A gate as a layer that is sampled in training and deterministic otherwise, for models of `forward_t(x, train)`. It
/// has its own noise and the temperature of the current step.
///
/// ```
/// use candle_core::{DType, Device, ModuleT, Tensor};
/// use l0gm_gate::{Gate, GateConfig, GateLayer, Generator, Interface, Schedule};
///
/// let schedule = Schedule::default();
/// let gate = Gate::new(Interface::Flat { dim: 8 }, &GateConfig::default(), &schedule, &Device::Cpu)?;
/// let layer = GateLayer::new(gate, Generator::new(1));
/// let r = Tensor::ones((4, 8), DType::F32, &Device::Cpu)?;
///
/// layer.set_temperature(schedule.at(0.5).temperature)?; // once a step, where the schedule changes it
/// let sampled = layer.forward_t(&r, true)?;
/// let loss = (sampled.sqr()?.mean_all()? + (layer.penalty()? * 1e-3)?)?;
/// assert!(loss.backward()?.get(layer.gate().log_alpha().unwrap()).is_some());
/// let used = layer.forward_t(&r, false)?;
/// assert_eq!(used.dims(), [4, 8]);
/// # Ok::<(), candle_core::Error>(())
/// ```
#[derive(Debug)]
pub struct GateLayer {
    gate: Gate,
    training: Mutex<Training>,
}

/// What changes while training.
#[derive(Debug)]
struct Training {
    noise: Generator,
    temperature: Option<Temperature>,
    /// Whether the gate has settled and is deterministic in training too.
    settled: bool,
    /// The last training batch of a conditional gate, on which its penalty depends.
    last: Option<Gated>,
}

impl GateLayer {
    /// A layer of this gate with noise from this generator. Until
    /// [`set_temperature`](Self::set_temperature) is called, it is trained at the gate's own temperature.
    pub fn new(gate: Gate, noise: Generator) -> Self {
        let temperature = gate.temperature();
        Self {
            gate,
            training: Mutex::new(Training {
                noise,
                temperature,
                settled: false,
                last: None,
            }),
        }
    }

    /// The gate, which shares its parameters with the layer.
    pub fn gate(&self) -> &Gate {
        &self.gate
    }

    /// Sets the temperature of training, from the schedule.
    ///
    /// # Errors
    /// It is not finite or not above 0.
    pub fn set_temperature(&self, temperature: Temperature) -> Result<()> {
        temperature.check("temperature")?;
        self.training().temperature = Some(temperature);
        Ok(())
    }

    /// Takes temperature and phase from [`Steering`](crate::Steering). Once the gate has settled, it is deterministic in
    /// training too and gets no gradient, so that an optimiser of all variables leaves it where it is.
    ///
    /// # Errors
    /// The temperature is not finite or not above 0.
    pub fn steer(&self, now: &Steered) -> Result<()> {
        self.set_temperature(now.temperature)?;
        self.training().settled = now.settled;
        Ok(())
    }

    /// The penalty at the temperature of training, with gradient. For a conditional gate it is that of the last batch
    /// that passed in training; call it once a batch.
    ///
    /// # Errors
    /// The gate is conditional and no batch has passed since the last call.
    pub fn penalty(&self) -> Result<Tensor> {
        let mut training = self.training();
        let Some(temperature) = training.temperature else {
            return self.gate.penalty(Temperature(1.0)); // the identity's, which is 0
        };
        match (self.gate.is_conditional(), training.last.take()) {
            (false, _) => self.gate.penalty(temperature),
            (true, Some(last)) => self.gate.penalty_of(&last, temperature),
            (true, None) => Err(Error::input(
                "a conditional gate's penalty depends on its examples, but no batch has passed the layer in training",
            )),
        }
    }

    fn training(&self) -> MutexGuard<'_, Training> {
        // The state is valid after every statement, so a panic elsewhere does no harm to it.
        self.training.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ModuleT for GateLayer {
    fn forward_t(&self, r: &Tensor, train: bool) -> candle_core::Result<Tensor> {
        let mut training = self.training();
        let temperature = match training.temperature {
            Some(temperature) if train && !training.settled => temperature,
            _ => return Ok(Gate::forward(&self.gate, r, GateMode::Eval)?),
        };
        let mode = GateMode::train(temperature, &mut training.noise);
        let gated = self.gate.pass(r, mode)?;
        let value = gated.value.clone();
        training.last = self.gate.is_conditional().then_some(gated);
        Ok(value)
    }
}

/// A gate's error inside of code that returns candle's. Those that were candle's come back as they were.
impl From<Error> for candle_core::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Tensor(error) => error,
            other => candle_core::Error::wrap(other),
        }
    }
}

#[cfg(test)]
#[path = "module_tests.rs"]
mod tests;
