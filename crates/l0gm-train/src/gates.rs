//! What all gates of a model leave open together: one number where a model has a gate on its interface, one
//! where it has several below it (granularity fine).

use crate::{Encoder, GatedModel, Head, Result};
use l0gm_gate::{Gate, GateReader, GateReading, Gated, Granularity};

/// Collects a model's reading over a split. Only gates that read their examples need any.
#[derive(Clone, Debug, Default)]
pub struct ModelReader(GateReader);

impl ModelReader {
    /// Adds a batch that the model met in evaluation.
    pub fn add<E: Encoder, H: Head<E::Input>>(
        &mut self,
        model: &GatedModel<E, H>,
        gated: &Gated,
    ) -> Result<()> {
        Ok(self.0.add(&model.gate, gated)?)
    }

    /// The reading over what was added: of all gates together, those below the interface first. Fine gates are
    /// tens of thousands, so their z is left out.
    pub fn finish<E: Encoder, H: Head<E::Input>>(
        &self,
        model: &GatedModel<E, H>,
    ) -> Result<GateReading> {
        // A reader of examples is the interface gate's; the others are the same for all.
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
