//! What all gates of a model leave open together: one number where a model has a gate on its interface, one
//! where it has several below it (granularity fine).

use crate::{Encoder, GatedModel, Head, Result};
use l0gm_gate::{Gate, GateReader, Gated};

/// The state of a model's gates, one after another: those below the interface first.
#[derive(Clone, Debug, PartialEq)]
pub struct GatesReading {
    /// Deterministic z of every gated dimension; its mean over examples where the gate reads them.
    pub z: Vec<f32>,
    /// Which are open, for at least one example.
    pub open: Vec<bool>,
    /// P(z != 0) of every gate.
    pub open_probability: Vec<f64>,
    /// Share of gated dimensions open; 1 for a dense model.
    pub active_fraction: f64,
    /// Expected number of dimensions open under training noise.
    pub expected_l0: f64,
    /// Gated dimensions in all; the interface's width for a dense model.
    pub total_dims: usize,
}

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

    /// The reading over what was added.
    pub fn finish<E: Encoder, H: Head<E::Input>>(
        &self,
        model: &GatedModel<E, H>,
    ) -> Result<GatesReading> {
        let gates = model.gates();
        let mut all = GatesReading {
            z: Vec::new(),
            open: Vec::new(),
            open_probability: Vec::new(),
            active_fraction: 1.0,
            expected_l0: 0.0,
            total_dims: 0,
        };
        let mut active = 0.0;
        for gate in &gates {
            let reading = self.of(gate)?;
            let dims = reading.z.len();
            active += reading.active.0 * dims as f64;
            all.total_dims += dims;
            all.expected_l0 += reading.expected_l0;
            all.z.extend(reading.z);
            all.open.extend(reading.open);
            all.open_probability.extend(reading.open_probability);
        }
        if gates.is_empty() {
            all.total_dims = model.gate.interface().width();
            all.expected_l0 = all.total_dims as f64;
        } else {
            all.active_fraction = active / all.total_dims.max(1) as f64;
        }
        Ok(all)
    }

    fn of(&self, gate: &Gate) -> Result<l0gm_gate::GateReading> {
        // A reader of examples is the interface gate's; the others are the same for all.
        let none = GateReader::default();
        let reader = if gate.is_conditional() {
            &self.0
        } else {
            &none
        };
        Ok(reader.finish(gate)?)
    }
}
