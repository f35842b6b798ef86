//! Writes a compact text model to files and reads it back. A trained encoder is included. A frozen encoder is a
//! pretrained checkpoint that exists elsewhere, so only its name and the checksum of its weights are stored.
use super::CompactModel;
use crate::bert::check_length;
use crate::features::each_batch;
use crate::params::WeightSource;
use crate::{
    Bert, BertConfig, Checkpoint, Error, FineTune, Pooling, Result, TextEncoder, TextSettings,
    TextTokenizer, Trainable,
};
use candle_core::{DType, Device, Tensor};
use l0gm_gate::LinearLayer;
use l0gm_train::{ClassProbabilities, CompactFolder, CompactHeader, CompactParts};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

const MODALITY: &str = "text";
const TOKENIZER: &str = "tokenizer.json";

/// The compact model of a finished run, ready for new texts.
#[derive(Clone, Debug)]
pub struct CompactText {
    header: CompactHeader,
    model: CompactModel,
    tokenizer: TextTokenizer,
    max_tokens: usize,
    device: Device,
}

/// The part of `model.json` that texts define.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Body {
    /// Largest number of tokens of a text; longer texts are truncated at the end.
    max_tokens: usize,
    pooling: Pooling,
    /// The interface's dimensions that are kept.
    kept: Vec<u32>,
    encoder: EncoderFrom,
}

/// Where the encoder's weights are.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum EncoderFrom {
    /// In `model.safetensors`, with this configuration.
    Here(BertConfig),
    /// In the folder of a pretrained checkpoint.
    Elsewhere {
        /// The run's setting `encoder`.
        name: String,
        /// Checksum of its `model.safetensors`.
        sha256: String,
    },
}

impl CompactModel {
    /// The files that a run writes. `encoder_sha256` is the checksum of a frozen encoder's weights file, which is
    /// then not written again.
    ///
    /// # Errors
    /// Fails if the tokenizer or the model cannot be written as JSON.
    pub fn parts(
        &self,
        settings: &TextSettings,
        tokenizer: &TextTokenizer,
        encoder_sha256: Option<&str>,
    ) -> Result<CompactParts> {
        let mut tensors = BTreeMap::new();
        let mut layer = |name: &str, layer: &LinearLayer| {
            // If no dimension is kept, the weight is empty and is left out.
            if layer.weight.elem_count() > 0 {
                tensors.insert(format!("{name}.weight"), layer.weight.clone());
            }
            if let Some(bias) = layer.bias.as_ref().filter(|bias| bias.elem_count() > 0) {
                tensors.insert(format!("{name}.bias"), bias.clone());
            }
        };
        layer("classifier", &self.classifier);
        if let Some(pooler) = &self.pooler {
            layer("pooler", pooler);
        }
        let bert = self.encoder.bert();
        let encoder = match (settings.fine_tune, encoder_sha256) {
            (FineTune::Frozen, Some(sha256)) => EncoderFrom::Elsewhere {
                name: settings.encoder.clone(),
                sha256: sha256.to_owned(),
            },
            _ => {
                for (name, tensor) in bert.tensors_below_pooler()? {
                    tensors.insert(format!("encoder.{name}"), tensor);
                }
                EncoderFrom::Here(bert.config().clone())
            }
        };
        let body = Body {
            max_tokens: settings.max_tokens,
            pooling: self.encoder.pooling(),
            kept: self.kept.clone(),
            encoder,
        };
        Ok(CompactParts {
            model: serde_json::to_value(body)
                .map_err(|e| Error::Setting(format!("the compact model as JSON: {e}")))?,
            tensors,
            files: [(TOKENIZER.to_owned(), tokenizer.to_bytes()?)].into(),
        })
    }
}

impl CompactText {
    /// Reads the folder `compact` of a finished run. `encoder` is the folder of the checkpoint that the run left
    /// frozen (`config.json`, `model.safetensors`); it is ignored if the encoder was trained.
    ///
    /// # Errors
    /// Fails if a file is missing, truncated, of another format or modality, or does not match the others; and if an
    /// encoder is needed but not given, or is not the run's.
    pub fn load(dir: impl AsRef<Path>, encoder: Option<&Path>, device: &Device) -> Result<Self> {
        let folder = CompactFolder::load(dir.as_ref(), MODALITY, device)?;
        let body: Body = folder.model()?;
        let bert = match &body.encoder {
            EncoderFrom::Here(config) => {
                config
                    .check()
                    .map_err(|message| folder.unfit(format!("its encoder: {message}")))?;
                frozen(config, &mut InFolder(&folder))?
            }
            EncoderFrom::Elsewhere { name, sha256 } => {
                let encoder = encoder.ok_or_else(|| {
                    Error::model(
                        folder.path(),
                        format!(
                            "holds no encoder: the run left \"{name}\" as it was; give that encoder's folder too"
                        ),
                    )
                })?;
                read_encoder(encoder, name, sha256, device)?
            }
        };
        check_length(bert.config(), body.max_tokens)?;
        let tokenizer =
            TextTokenizer::from_bytes(&folder.read(TOKENIZER)?, &folder.path().join(TOKENIZER))?;
        tokenizer.check_fits(bert.config().vocab_size)?;
        let (width, kept) = (bert.config().hidden_size, body.kept.len());
        let inside = body.kept.last().is_none_or(|&d| (d as usize) < width);
        if !inside || !body.kept.is_sorted_by(|a, b| a < b) {
            let message = format!("its kept dimensions do not fit an encoder of width {width}");
            return Err(folder.unfit(message).into());
        }
        let classes = folder.header().classes.len();
        let classifier = LinearLayer {
            weight: match kept {
                0 => Tensor::zeros((classes, 0), DType::F32, device)?,
                _ => folder.tensor("classifier.weight", &[classes, kept])?,
            },
            bias: Some(folder.tensor("classifier.bias", &[classes])?),
        };
        let pooler = match body.pooling {
            Pooling::Pooler if kept > 0 => Some(LinearLayer {
                weight: folder.tensor("pooler.weight", &[kept, width])?,
                bias: Some(folder.tensor("pooler.bias", &[kept])?),
            }),
            _ => None,
        };
        Ok(Self {
            header: folder.header().clone(),
            model: CompactModel {
                encoder: TextEncoder::new(bert, body.pooling),
                kept: body.kept,
                pooler,
                classifier,
                wide: std::sync::OnceLock::new(),
            },
            tokenizer,
            max_tokens: body.max_tokens,
            device: device.clone(),
        })
    }

    /// The header in `model.json`: run, classes, temperature, and sizes before and after.
    pub fn header(&self) -> &CompactHeader {
        &self.header
    }

    /// The compact model.
    pub fn model(&self) -> &CompactModel {
        &self.model
    }

    /// Calibrated probabilities of each text.
    ///
    /// # Errors
    /// Fails if there are no texts, or a text cannot be tokenised.
    pub fn predict(&self, texts: &[String]) -> Result<ClassProbabilities> {
        let logits = self.logits(texts)?;
        let (temperature, classes) = (self.header.temperature, &self.header.classes);
        Ok(ClassProbabilities::from_logits(
            &logits,
            temperature,
            classes,
        )?)
    }

    /// A remark on words that did not occur in training, if the texts contain any.
    ///
    /// # Errors
    /// Fails if a text cannot be tokenised.
    pub fn remark(&self, texts: &[String]) -> Result<Option<String>> {
        let Some(unknown) = self.tokenizer.unknown() else {
            return Ok(None);
        };
        let rows = self.tokenizer.encode(texts, self.max_tokens)?;
        let strange = |row: &usize| rows.get(*row).contains(&unknown);
        let count = (0..rows.rows()).filter(strange).count();
        let tokens = (0..rows.rows()).flat_map(|row| rows.get(row));
        let in_all = tokens.filter(|&&id| id == unknown).count();
        Ok((count > 0).then(|| {
            format!(
                "{count} of {} texts hold words that the vocabulary does not know ({in_all} of them): they are read as \
                 unknown",
                rows.rows()
            )
        }))
    }

    /// Logits before temperature scaling: (texts, classes).
    ///
    /// # Errors
    /// Fails like [`predict`](Self::predict).
    pub fn logits(&self, texts: &[String]) -> Result<Tensor> {
        if texts.is_empty() {
            return Err(Error::Setting("there are no texts to predict".into()));
        }
        let tokens = self.tokenizer.encode(texts, self.max_tokens)?;
        let classes = self.header.classes.len();
        let mut values = vec![0f32; texts.len() * classes];
        let pad = self.model.encoder.bert().config().pad_token_id;
        each_batch(
            &tokens,
            pad,
            &self.device,
            &mut |_, _| Ok(()),
            |rows, input| {
                let logits: Vec<f32> = self.model.logits(input)?.flatten_all()?.to_vec1()?;
                for (&row, logits) in rows.iter().zip(logits.chunks_exact(classes)) {
                    values[row * classes..(row + 1) * classes].copy_from_slice(logits);
                }
                Ok(())
            },
        )?;
        Ok(Tensor::from_vec(
            values,
            (texts.len(), classes),
            &self.device,
        )?)
    }
}

/// Reads the encoder in a checkpoint's folder, if its weights have this checksum.
fn read_encoder(dir: &Path, name: &str, sha256: &str, device: &Device) -> Result<Bert> {
    let config = BertConfig::from_file(&dir.join("config.json"))?;
    let checkpoint = Checkpoint::read_folder(dir)?;
    let found = checkpoint.sha256();
    if found != sha256 {
        return Err(Error::model(
            dir,
            format!(
                "does not hold the encoder this model was made with, \"{name}\" (sha256 {found}, expected {sha256})"
            ),
        ));
    }
    frozen(&config, &mut checkpoint.open(device)?)
}

/// A frozen encoder without its pooler, because the compact model holds what is kept of that.
fn frozen(config: &BertConfig, source: &mut dyn WeightSource) -> Result<Bert> {
    let learns = Trainable {
        embeddings: false,
        from_layer: config.num_hidden_layers,
    };
    Bert::new(config, source, learns, false, None)
}

/// Reads the encoder's tensors from a compact model's folder.
struct InFolder<'a>(&'a CompactFolder);

impl WeightSource for InFolder<'_> {
    fn tensor(&mut self, name: &str, shape: &[usize]) -> Result<Tensor> {
        Ok(self.0.tensor(&format!("encoder.{name}"), shape)?)
    }
}
