//! Builds an untrained text model: encoder, gate and head with the settings' shapes, initialised from the seed.
use crate::{LoadedEncoder, Result, SplitCorpus, TextHead, TextSettings};
use candle_core::Device;
use l0gm_gate::{Gate, Granularity};
use l0gm_ops::Generator;
use l0gm_train::{ClassScores, Encoder};
use std::path::Path;

/// The parts of an untrained model.
pub(crate) struct Built {
    /// The encoder, including its fine gates if the settings ask for them.
    pub(crate) loaded: LoadedEncoder,
    /// The gate on the interface. It is the identity for a dense model and for one with fine gates.
    pub(crate) gate: Gate,
    pub(crate) head: TextHead,
}

/// Encoder, gate (if `gated`) and head, initialised from the run's seed. `weights` is the folder of a pretrained
/// encoder. Without one, the tokenizer is read from `tokenizer`, or trained and stored there.
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
    let (classes, width) = (split.classes.len(), loaded.encoder.width());
    let outputs = ClassScores::outputs(classes);
    if settings.has_scores() {
        loaded.encoder = loaded.encoder.with_scores(outputs);
    }
    let interface = loaded.encoder.interface();
    if gated {
        // Check this before spending minutes on features for a gate that does not match the encoder.
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
    let mut head = TextHead::new(
        width,
        classes,
        settings.dropout,
        &mut generator.stream("head", 0),
        device,
    )?;
    if settings.has_scores() {
        head = head.blended(outputs, gated)?;
    }
    Ok(Built { loaded, gate, head })
}
