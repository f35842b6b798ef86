//! Builds an untrained graph model: encoder, gate and head with the settings' shapes, initialised from the seed.

use crate::{Gcn, Graph, GraphModel, GraphSettings, LinearHead, Result};
use candle_core::Device;
use l0gm_gate::{Gate, Granularity};
use l0gm_ops::Generator;
use l0gm_train::Encoder;

/// The model that a spec describes, initialised from the run's seed.
pub fn build_model(
    graph: &Graph,
    settings: &GraphSettings,
    gated: bool,
    seed: u64,
    device: &Device,
) -> Result<GraphModel> {
    let mut generator = Generator::new(seed).stream("init", 0);
    let mut encoder = Gcn::new(
        graph.features().columns(),
        &settings.gcn,
        &mut generator,
        device,
    )?;
    if gated && settings.gate.granularity == Granularity::Fine {
        encoder = encoder.with_gates(&settings.gate, &settings.train.schedule, device)?;
    }
    let interface = encoder.interface();
    let head = LinearHead::new(
        interface.width(),
        graph.classes().len(),
        &mut generator,
        device,
    )?;
    let gate = if gated {
        Gate::new(interface, &settings.gate, &settings.train.schedule, device)?
    } else {
        Gate::identity(interface)
    };
    Ok(GraphModel {
        encoder,
        gate,
        head,
    })
}
