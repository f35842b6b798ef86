//! A gate that is not trained. Something else decides which dimensions are open: a ranking of columns before training,
//! or a criterion that prunes a trained model. Reading, files and compaction treat it like any other gate.

use crate::{Error, Gate, GateConfig, GateKind, Interface, Result, Schedule};
use candle_core::{Device, Tensor};

/// `log_alpha` of an open gate; a closed one has its negative. Only the sign matters.
const OPEN: f32 = 1.0;

impl Gate {
    /// A gate that passes exactly the dimensions for which `open` is true, in training as in use. `open` holds one value
    /// for each dimension of the interface, field by field on [`Interface::Fields`].
    ///
    /// It has no noise, adds nothing to the penalty and gets no gradient. Its `log_alpha` is 1 where it is open and -1
    /// elsewhere, so that checkpoints hold what was open; an optimiser must leave it alone.
    ///
    /// ```
    /// use candle_core::{Device, Tensor};
    /// use l0gm_gate::{Gate, GateMode, Interface};
    ///
    /// let gate = Gate::fixed(Interface::Flat { dim: 3 }, &[true, false, true], &Device::Cpu)?;
    /// let r = Tensor::new(&[[1f32, 2.0, 3.0]], &Device::Cpu)?;
    /// let gated = gate.forward(&r, GateMode::Eval)?.to_vec2::<f32>()?;
    /// assert_eq!(gated, [[1.0, 0.0, 3.0]]);
    /// gate.set_open(&[false, true, true])?; // pruned anew
    /// assert_eq!(gate.hard_mask()?, [false, true, true]);
    /// # Ok::<(), l0gm_gate::Error>(())
    /// ```
    ///
    /// # Errors
    /// `open` does not have one value for each dimension.
    pub fn fixed(interface: Interface, open: &[bool], device: &Device) -> Result<Self> {
        let config = GateConfig {
            kind: GateKind::Fixed,
            ..GateConfig::default()
        };
        let log_alpha = signs(interface.width(), open, device)?;
        let temperature = Schedule::default().final_temperature();
        Self::from_log_alpha(interface, &config, &log_alpha, temperature)
    }

    /// Whether something else than training decides what is open ([`Gate::fixed`]).
    pub fn is_fixed(&self) -> bool {
        self.config()
            .is_some_and(|config| config.kind == GateKind::Fixed)
    }

    /// Opens the dimensions of a fixed gate for which `open` is true and closes the others. Clones of the gate change
    /// with it.
    ///
    /// # Errors
    /// The gate is not fixed, or `open` does not have one value for each dimension.
    pub fn set_open(&self, open: &[bool]) -> Result<()> {
        match self.log_alpha().filter(|_| self.is_fixed()) {
            Some(log_alpha) => {
                let width = self.interface().width();
                Ok(log_alpha.set(&signs(width, open, log_alpha.device())?)?)
            }
            None => Err(Error::input(
                "only a fixed gate can be told what to leave open; make it with Gate::fixed",
            )),
        }
    }
}

/// The `log_alpha` of a fixed gate, (width,).
fn signs(width: usize, open: &[bool], device: &Device) -> Result<Tensor> {
    if open.len() != width {
        return Err(Error::input(format!(
            "{} values say what is open, but the interface has {width} dimensions",
            open.len()
        )));
    }
    let signs = open.iter().map(|&open| if open { OPEN } else { -OPEN });
    Ok(Tensor::from_iter(signs, device)?)
}

#[cfg(test)]
#[path = "fixed_tests.rs"]
mod tests;
