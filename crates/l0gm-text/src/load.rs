//! Loads an encoder with its tokenizer from a folder in the hub's layout, or makes them without pretrained weights.
use crate::{
    Checkpoint, EncoderConfig, Error, FineTune, Pooling, RandomWeights, Result, TextEncoder,
    TextSettings, TextTokenizer, Trainable, Transformer,
};
use candle_core::Device;
use l0gm_ops::Generator;
use std::path::Path;

/// An encoder ready for use.
#[derive(Debug)]
pub struct LoadedEncoder {
    /// The encoder, including its pooling.
    pub encoder: TextEncoder,
    /// The tokenizer that makes its token ids.
    pub tokenizer: TextTokenizer,
    /// sha256 of the weights file; `None` if nothing is cached under it.
    pub weights_sha256: Option<String>,
}

impl LoadedEncoder {
    /// Reads `config.json`, `tokenizer.json` (or `vocab.txt`) and `model.safetensors` (or the shards listed in
    /// `model.safetensors.index.json`) from a folder. If the settings ask for a pooler and the checkpoint has none, the
    /// first token's state is pooled as it is ([`Pooling::Cls`]).
    ///
    /// # Errors
    /// Fails if a file is missing, damaged or of another architecture, if tokenizer and weights do not match, or if a
    /// setting does not match the encoder.
    pub fn from_folder(dir: &Path, settings: &TextSettings, device: &Device) -> Result<Self> {
        let config = EncoderConfig::from_file(&dir.join("config.json"))?;
        config.check_length(settings.max_tokens)?;
        let tokenizer = TextTokenizer::from_folder(dir)?;
        tokenizer.check_fits(config.shape().vocabulary)?;
        let checkpoint = Checkpoint::read_folder(dir)?;
        let frozen = settings.fine_tune == FineTune::Frozen;
        let transformer = Transformer::new(
            &config,
            &mut checkpoint.open(device)?,
            trainable(settings.fine_tune, config.shape().layers)?,
            settings.pooling == Pooling::Pooler,
            settings.encoder_dropout,
        )?;
        let pooling = match settings.pooling {
            Pooling::Pooler if !transformer.has_pooler() => Pooling::Cls,
            pooling => pooling,
        };
        Ok(Self {
            encoder: TextEncoder::new(transformer, pooling),
            tokenizer,
            weights_sha256: frozen.then(|| checkpoint.sha256()),
        })
    }

    /// Makes a small Transformer with random weights and a WordPiece vocabulary trained on `texts`. The vocabulary is
    /// stored at `tokenizer_path` and read from there the next time.
    ///
    /// # Errors
    /// Fails if the vocabulary cannot be trained, read or written.
    pub fn from_scratch(
        texts: &[String],
        settings: &TextSettings,
        tokenizer_path: &Path,
        generator: &Generator,
        device: &Device,
    ) -> Result<Self> {
        let tokenizer = if tokenizer_path.is_file() {
            TextTokenizer::from_file(tokenizer_path)?
        } else {
            let trained = TextTokenizer::train(
                texts,
                settings.scratch.vocabulary,
                settings.scratch.alphabet,
            )?;
            trained.save(tokenizer_path)?;
            trained
        };
        let config = EncoderConfig::scratch(
            &settings.scratch,
            tokenizer.vocabulary(),
            settings.max_tokens,
        );
        let transformer = Transformer::new(
            &config,
            &mut RandomWeights::new(generator.stream("encoder", 0), device),
            trainable(settings.fine_tune, config.shape().layers)?,
            false,
            settings.encoder_dropout,
        )?;
        Ok(Self {
            encoder: TextEncoder::new(transformer, settings.pooling),
            tokenizer,
            weights_sha256: None,
        })
    }
}

/// Which of this many layers are trained.
fn trainable(fine_tune: FineTune, layers: usize) -> Result<Trainable> {
    Ok(match fine_tune {
        FineTune::Full => Trainable {
            embeddings: true,
            from_layer: 0,
        },
        FineTune::Frozen => Trainable {
            embeddings: false,
            from_layer: layers,
        },
        FineTune::Last(k) if k <= layers => Trainable {
            embeddings: false,
            from_layer: layers - k,
        },
        FineTune::Last(k) => {
            return Err(Error::Setting(format!(
                "fine-tune is \"last-{k}\"; the encoder has {layers} layers"
            )));
        }
    })
}
