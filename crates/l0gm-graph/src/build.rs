//! Builds an untrained graph model: encoder, gate and head with the settings' shapes, initialised from the seed.

use crate::scores::Scores;
use crate::{Graph, GraphEncoder, GraphModel, GraphSettings, LinearHead, Result};
use candle_core::Device;
use l0gm_gate::{Gate, Granularity};
use l0gm_ops::Generator;
use l0gm_train::{ClassScores, Encoder};

/// The model that a spec describes, initialised from the run's seed. Class scores in its interface are 0 until fitted
/// regressions are put into them.
pub fn build_model(
    graph: &Graph,
    settings: &GraphSettings,
    gated: bool,
    seed: u64,
    device: &Device,
) -> Result<GraphModel> {
    let mut generator = Generator::new(seed).stream("init", 0);
    let mut encoder = GraphEncoder::new(
        settings.encoder,
        graph.features().columns(),
        &settings.gcn,
        &mut generator,
        device,
    )?;
    if gated && settings.gate.granularity == Granularity::Fine {
        encoder = encoder.with_gates(&settings.gate, &settings.train.schedule, device)?;
    }
    let classes = graph.classes().len();
    let mut head = LinearHead::new(encoder.channels(), classes, &mut generator, device)?;
    if settings.scores {
        encoder = encoder.with_scores(ClassScores::outputs(classes), device)?;
        let widths: Vec<usize> = encoder.scores.iter().map(Scores::outputs).collect();
        head = head.blended(&widths)?;
    }
    let interface = encoder.interface();
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
