//! An untrained text model: encoder, gate and head as the settings ask for them and the seed draws them.
use crate::{LoadedEncoder, Result, SplitCorpus, TextHead, TextSettings};
use candle_core::Device;
use l0gm_gate::{Gate, Granularity};
use l0gm_ops::Generator;
use l0gm_train::Encoder;
use std::path::Path;

/// The parts of an untrained model.
pub(crate) struct Built {
    /// The encoder, its fine gates on it where they are asked for.
    pub(crate) loaded: LoadedEncoder,
    /// On the interface; the identity for a dense model and for one with fine gates.
    pub(crate) gate: Gate,
    /// The classifier.
    pub(crate) head: TextHead,
}

/// Encoder, gate (where `gated`) and head as the run's seed initialises them. `weights`: the folder of a pretrained encoder;
/// without one, its tokenizer is at `tokenizer` or is made there.
pub(crate) fn build(
    seed: u64,
    gated: bool,
    settings: &TextSettings,
    split: &SplitCorpus,
    weights: Option<&Path>,
    tokenizer: &Path,
    device: &Device,
) -> Result<Built> {
    let generator = Generator::new(seed).stream("initialisation", 0);
    let mut loaded = match weights {
        Some(folder) => LoadedEncoder::from_folder(folder, settings, device)?,
        None => LoadedEncoder::from_scratch(
            &split.train.texts,
            settings,
            tokenizer,
            &generator,
            device,
        )?,
    };
    let interface = loaded.encoder.interface();
    if gated {
        // Before minutes are spent on features for a gate that does not fit the encoder.
        settings.gate.check_on(interface)?;
    }
    let fine = settings.gate.granularity == Granularity::Fine;
    let schedule = &settings.train.schedule;
    if fine && gated {
        let places = settings.max_tokens;
        loaded.encoder = loaded
            .encoder
            .with_gates(places, &settings.gate, schedule, device)?;
    }
    let gate = if !gated || fine {
        Gate::identity(interface)
    } else {
        Gate::new(interface, &settings.gate, schedule, device)?
    };
    let head = TextHead::new(
        interface.width(),
        split.classes.len(),
        settings.dropout,
        &mut generator.stream("head", 0),
        device,
    )?;
    Ok(Built { loaded, gate, head })
}
