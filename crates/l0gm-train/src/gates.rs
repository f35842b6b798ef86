//! What all gates of a model leave open together. A model has one gate on its interface, or several below it
//! (granularity fine); either way the run record holds one set of numbers.

use crate::{Encoder, GatedModel, Head, Result};
use l0gm_gate::{Gate, GateReader, GateReading, Gated, Granularity};

/// Collects what a model's gates leave open over a split. Only conditional gates, which read their examples, need
/// this.
#[derive(Clone, Debug, Default)]
pub struct ModelReader(GateReader);

impl ModelReader {
    /// Adds a batch that the model has evaluated.
    pub fn add<E: Encoder, H: Head<E::Input>>(
        &mut self,
        model: &GatedModel<E, H>,
        gated: &Gated,
    ) -> Result<()> {
        Ok(self.0.add(&model.gate, gated)?)
    }

    /// The combined reading of all gates, those below the interface first. The z of fine gates is left out, because
    /// there are tens of thousands of them.
    pub fn finish<E: Encoder, H: Head<E::Input>>(
        &self,
        model: &GatedModel<E, H>,
    ) -> Result<GateReading> {
        // Only the interface's gate can be conditional; the other gates are the same for all examples.
        let of = |gate: &Gate| match gate.is_conditional() {
            true => self.0.finish(gate),
            false => gate.reading(),
        };
        let parts = model.gates().into_iter().map(of);
        let parts = parts.collect::<l0gm_gate::Result<Vec<_>>>()?;
        let Some(mut all) = GateReading::together(parts) else {
            return Ok(model.gate.reading()?);
        };
        if all.granularity == Some(Granularity::Fine) {
            all.z = Vec::new();
        }
        Ok(all)
    }
}
