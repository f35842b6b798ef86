//! Writes a compact text model to files and reads it back. A trained encoder is included. A frozen encoder is a
//! pretrained checkpoint that exists elsewhere, so only its name and the checksum of its weights are stored. The
//! vocabulary behind the class scores is included. Parts that the closed dimensions made superfluous are left out.
use super::model::CompactScores;
use super::{CompactModel, TextStream};
use crate::features::each_batch;
use crate::params::WeightSource;
use crate::{
    Checkpoint, EncoderConfig, Error, FineTune, Pooling, Result, TextEncoder, TextInput,
    TextScores, TextSettings, TextTokenizer, TfIdf, TfIdfSettings, Trainable, Transformer,
};
use candle_core::{DType, Device, Tensor};
use l0gm_data::rows::{HeaderRow, Source};
use l0gm_gate::LinearLayer;
use l0gm_train::{ClassProbabilities, CompactFolder, CompactHeader, CompactParts, RowOptions};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const MODALITY: &str = "text";
const TOKENIZER: &str = "tokenizer.json";
/// The terms behind the class scores, in the order of their columns.
const TERMS: &str = "terms.json";
/// Configuration and weights of a frozen encoder that was copied into the folder.
const ENCODER_CONFIG: &str = "encoder.json";
const ENCODER_WEIGHTS: &str = "encoder.safetensors";

/// The compact model of a finished run, ready for new texts.
#[derive(Clone, Debug)]
pub struct CompactText {
    header: CompactHeader,
    model: CompactModel,
    /// `None` if the model has no encoder.
    tokenizer: Option<TextTokenizer>,
    max_tokens: usize,
    text_column: Option<String>,
    names: Option<HeaderRow>,
    device: Device,
}

/// The part of `model.json` that texts define.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Body {
    /// Largest number of tokens of a text; longer texts are truncated at the end.
    max_tokens: usize,
    pooling: Pooling,
    /// The pooled embedding's dimensions that are kept.
    kept: Vec<u32>,
    /// Absent if none is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    encoder: Option<EncoderFrom>,
    /// Absent if no class score is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scores: Option<ScoresBody>,
    /// Column of the texts in the training data; absent in format 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text_column: Option<String>,
    /// Where the column names come from, where it was given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    header: Option<HeaderRow>,
}

/// The class scores of a model.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct ScoresBody {
    /// What is counted in a text.
    features: TfIdfSettings,
    /// Number of scores before compaction.
    outputs: usize,
    /// The scores that are kept.
    kept: Vec<u32>,
}

/// Where the encoder's weights are.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum EncoderFrom {
    /// In `model.safetensors`, with this configuration.
    Here(Box<EncoderConfig>),
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
    /// Fails if the tokenizer or the model cannot be written as JSON, or if the model keeps class scores and was not
    /// told how they are made ([`with_scores`](Self::with_scores)).
    pub fn parts(
        &self,
        settings: &TextSettings,
        tokenizer: &TextTokenizer,
        encoder_sha256: Option<&str>,
    ) -> Result<CompactParts> {
        let mut tensors = BTreeMap::new();
        let mut files = BTreeMap::new();
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
        let encoder = match (&self.encoder, settings.fine_tune, encoder_sha256) {
            (None, ..) => None,
            (_, FineTune::Frozen, Some(sha256)) => Some(EncoderFrom::Elsewhere {
                name: settings.encoder.clone(),
                sha256: sha256.to_owned(),
            }),
            (Some(encoder), ..) => {
                for (name, tensor) in encoder.transformer().tensors_below_pooler()? {
                    tensors.insert(format!("encoder.{name}"), tensor);
                }
                let config = encoder.transformer().config().clone();
                Some(EncoderFrom::Here(Box::new(config)))
            }
        };
        if encoder.is_some() {
            files.insert(TOKENIZER.to_owned(), tokenizer.to_bytes()?);
        }
        let scores = match &self.scores {
            Some(scores) => Some(scores.write(&mut tensors, &mut files)?),
            None => None,
        };
        let body = Body {
            max_tokens: settings.max_tokens,
            pooling: (self.encoder.as_ref()).map_or(settings.pooling, TextEncoder::pooling),
            kept: self.kept.clone(),
            encoder,
            scores,
            text_column: Some(settings.text_column.clone()),
            header: settings.header,
        };
        Ok(CompactParts {
            model: serde_json::to_value(body)
                .map_err(|e| Error::Setting(format!("the compact model as JSON: {e}")))?,
            tensors,
            files,
            label: Some(settings.label_column.clone()),
        })
    }
}

impl CompactScores {
    /// Adds the scores' tensors and files.
    fn write(
        &self,
        tensors: &mut BTreeMap<String, Tensor>,
        files: &mut BTreeMap<String, Vec<u8>>,
    ) -> Result<ScoresBody> {
        let fitted = self.fitted.as_ref().ok_or_else(|| {
            Error::Setting("the model keeps class scores, but not how they are made".into())
        })?;
        let (terms, idf) = fitted.tfidf().vocabulary();
        let (weights, bias) = fitted.numbers();
        let shape = (terms.len(), self.kept.len());
        let of = |values: &[f32]| Tensor::new(values, &Device::Cpu);
        tensors.insert("scores.classifier".into(), self.classifier.clone());
        tensors.insert("scores.idf".into(), of(idf)?);
        tensors.insert("scores.weight".into(), of(weights)?.reshape(shape)?);
        tensors.insert("scores.bias".into(), of(bias)?);
        let terms = serde_json::to_vec(&terms)
            .map_err(|e| Error::Setting(format!("the terms as JSON: {e}")))?;
        files.insert(TERMS.to_owned(), terms);
        Ok(ScoresBody {
            features: fitted.tfidf().settings().clone(),
            outputs: fitted.outputs(),
            kept: self.kept.clone(),
        })
    }

    /// Reads what [`write`](Self::write) wrote.
    fn read(folder: &CompactFolder, body: ScoresBody, classes: usize) -> Result<Self> {
        let ScoresBody {
            features,
            outputs,
            kept,
        } = body;
        let terms: Vec<String> = serde_json::from_slice(&folder.read(TERMS)?)
            .map_err(|e| folder.unfit(format!("its {TERMS} is no list of terms: {e}")))?;
        let numbers = |name: &str, shape: &[usize]| -> Result<Vec<f32>> {
            Ok(folder.tensor(name, shape)?.flatten_all()?.to_vec1()?)
        };
        let idf = numbers("scores.idf", &[terms.len()])?;
        let weights = numbers("scores.weight", &[terms.len(), kept.len()])?;
        let bias = numbers("scores.bias", &[kept.len()])?;
        let made = TfIdf::from_vocabulary(features, terms, idf)
            .and_then(|tfidf| TextScores::new(tfidf, outputs, kept.clone(), weights, bias));
        let fitted = made.map_err(|e| folder.unfit(format!("its class scores: {e}")))?;
        Ok(Self {
            kept,
            classifier: folder.tensor("scores.classifier", &[classes, outputs])?,
            fitted: Some(Arc::new(fitted)),
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
        let transformer = match &body.encoder {
            None => None,
            Some(EncoderFrom::Here(config)) => {
                config
                    .family()
                    .check()
                    .map_err(|message| folder.unfit(format!("its encoder: {message}")))?;
                Some(frozen(config, &mut InFolder(&folder))?)
            }
            Some(EncoderFrom::Elsewhere { name, sha256 }) => {
                let copied = folder.header().files.contains_key(ENCODER_WEIGHTS);
                if let (None, true) = (encoder, copied) {
                    let config = EncoderConfig::from_file(&folder.path().join(ENCODER_CONFIG))?;
                    let checkpoint = Checkpoint::read(&folder.path().join(ENCODER_WEIGHTS))?;
                    Some(checked(
                        &config,
                        &checkpoint,
                        folder.path(),
                        name,
                        sha256,
                        device,
                    )?)
                } else {
                    let encoder = encoder.ok_or_else(|| {
                    Error::model(
                        folder.path(),
                        format!(
                            "holds no encoder: the run left \"{name}\" as it was; give that encoder's folder too"
                        ),
                    )
                })?;
                    Some(read_encoder(encoder, name, sha256, device)?)
                }
            }
        };
        let (mut width, mut tokenizer) = (0, None);
        if let Some(transformer) = &transformer {
            transformer.config().check_length(body.max_tokens)?;
            let path = folder.path().join(TOKENIZER);
            let own = TextTokenizer::from_bytes(&folder.read(TOKENIZER)?, &path)?;
            let shape = transformer.shape();
            own.check_fits(shape.vocabulary)?;
            (width, tokenizer) = (shape.width, Some(own));
        }
        let kept = body.kept.len();
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
        let scores = body.scores;
        let scores = scores.map(|own| CompactScores::read(&folder, own, classes));
        Ok(Self {
            header: folder.header().clone(),
            model: CompactModel {
                encoder: transformer.map(|own| TextEncoder::new(own, body.pooling)),
                width,
                kept: body.kept,
                pooler,
                classifier,
                scores: scores.transpose()?,
                wide: std::sync::OnceLock::new(),
            },
            tokenizer,
            max_tokens: body.max_tokens,
            text_column: body.text_column,
            names: body.header,
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

    /// Name of the encoder that the run left frozen and whose weights are not in the folder, if there is one.
    ///
    /// # Errors
    /// Fails if the folder cannot be read.
    pub fn encoder_elsewhere(dir: &Path) -> Result<Option<String>> {
        let header = CompactHeader::read(dir)?;
        if header.files.contains_key(ENCODER_WEIGHTS) {
            return Ok(None);
        }
        // A body that cannot be read is reported when the model is loaded.
        match serde_json::from_value::<Body>(header.model) {
            Ok(Body {
                encoder: Some(EncoderFrom::Elsewhere { name, .. }),
                ..
            }) => Ok(Some(name)),
            _ => Ok(None),
        }
    }

    /// The files of the encoder's folder that make a copy of this model complete, by their names in the copy; for
    /// [`CompactFolder::export_with`]. None are needed if the encoder was trained, or no dimension of it is kept; and
    /// weights in several files are not copied.
    ///
    /// # Errors
    /// Fails if the folder cannot be read.
    pub fn encoder_files(dir: &Path, encoder: &Path) -> Result<BTreeMap<String, PathBuf>> {
        let weights = encoder.join("model.safetensors");
        if Self::encoder_elsewhere(dir)?.is_none() || !weights.is_file() {
            return Ok(BTreeMap::new());
        }
        Ok([
            (ENCODER_CONFIG.to_owned(), encoder.join("config.json")),
            (ENCODER_WEIGHTS.to_owned(), weights),
        ]
        .into())
    }

    /// Column of the texts in the training data; `None` in folders of format 1.
    pub fn text_column(&self) -> Option<&str> {
        self.text_column.as_deref()
    }

    /// Predicts a column of texts chunk by chunk, so that the file need not fit in memory.
    ///
    /// # Errors
    /// Fails if the source cannot be opened. Later errors are those of reading rows and of [`predict`](Self::predict).
    pub fn stream(
        self,
        source: &Source,
        text_column: &str,
        options: &RowOptions,
    ) -> Result<TextStream> {
        TextStream::new(self, source, text_column, options)
    }

    /// Where the column names of the training data came from, where it was given.
    pub(super) fn names(&self) -> Option<HeaderRow> {
        self.names
    }

    /// A remark on words that did not occur in training, if the texts contain any.
    ///
    /// # Errors
    /// Fails if a text cannot be tokenised.
    pub fn remark(&self, texts: &[String]) -> Result<Option<String>> {
        let (count, words) = self.unknown_words(texts)?;
        Ok((count > 0).then(|| unknown_note(count, words, texts.len())))
    }

    /// Numbers of texts with words that the vocabulary does not know, and of such words.
    pub(super) fn unknown_words(&self, texts: &[String]) -> Result<(usize, usize)> {
        let Some(tokenizer) = &self.tokenizer else {
            return Ok((0, 0));
        };
        let Some(unknown) = tokenizer.unknown() else {
            return Ok((0, 0));
        };
        let rows = tokenizer.encode(texts, self.max_tokens)?;
        let strange = |row: &usize| rows.get(*row).contains(&unknown);
        let count = (0..rows.rows()).filter(strange).count();
        let tokens = (0..rows.rows()).flat_map(|row| rows.get(row));
        Ok((count, tokens.filter(|&&id| id == unknown).count()))
    }

    /// Logits before temperature scaling: (texts, classes).
    ///
    /// # Errors
    /// Fails like [`predict`](Self::predict).
    pub fn logits(&self, texts: &[String]) -> Result<Tensor> {
        if texts.is_empty() {
            return Err(Error::Setting("there are no texts to predict".into()));
        }
        let scores = match &self.model.scores {
            Some(CompactScores {
                fitted: Some(fitted),
                ..
            }) => Some(fitted.of(texts, &self.device)?),
            _ => None,
        };
        let (Some(tokenizer), Some(encoder)) = (&self.tokenizer, &self.model.encoder) else {
            // Without an encoder, the scores are all that is read of the texts.
            let nothing = Tensor::zeros((texts.len(), 0), DType::F32, &self.device)?;
            return Ok(self
                .model
                .logits(&TextInput::Pooled(nothing).scored(scores))?);
        };
        let tokens = tokenizer.encode(texts, self.max_tokens)?;
        let classes = self.header.classes.len();
        let mut values = vec![0f32; texts.len() * classes];
        each_batch(
            &tokens,
            encoder.transformer().shape().pad,
            &self.device,
            &mut |_, _| Ok(()),
            |rows, input| {
                let own = match &scores {
                    Some(scores) => {
                        let rows: Vec<u32> = rows.iter().map(|&row| row as u32).collect();
                        let rows = Tensor::new(rows, &self.device)?;
                        Some(scores.index_select(&rows, 0)?)
                    }
                    None => None,
                };
                let logits = self.model.logits(&input.clone().scored(own))?;
                let logits: Vec<f32> = logits.flatten_all()?.to_vec1()?;
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

/// A remark on texts with unknown words.
pub(super) fn unknown_note(count: usize, words: usize, texts: usize) -> String {
    format!(
        "{count} of {texts} texts hold words that the vocabulary does not know ({words} of them): they are read as \
         unknown"
    )
}

/// Reads the encoder in a checkpoint's folder, if its weights have this checksum.
fn read_encoder(dir: &Path, name: &str, sha256: &str, device: &Device) -> Result<Transformer> {
    let config = EncoderConfig::from_file(&dir.join("config.json"))?;
    let checkpoint = Checkpoint::read_folder(dir)?;
    checked(&config, &checkpoint, dir, name, sha256, device)
}

/// Builds an encoder from weights with this checksum.
fn checked(
    config: &EncoderConfig,
    checkpoint: &Checkpoint,
    dir: &Path,
    name: &str,
    sha256: &str,
    device: &Device,
) -> Result<Transformer> {
    let found = checkpoint.sha256();
    if found != sha256 {
        return Err(Error::model(
            dir,
            format!(
                "does not hold the encoder this model was made with, \"{name}\" (sha256 {found}, expected {sha256})"
            ),
        ));
    }
    frozen(config, &mut checkpoint.open(device)?)
}

/// A frozen encoder without its pooler, because the compact model holds what is kept of that.
fn frozen(config: &EncoderConfig, source: &mut dyn WeightSource) -> Result<Transformer> {
    let learns = Trainable {
        embeddings: false,
        from_layer: config.shape().layers,
    };
    Transformer::new(config, source, learns, false, None)
}

/// Reads the encoder's tensors from a compact model's folder.
struct InFolder<'a>(&'a CompactFolder);

impl WeightSource for InFolder<'_> {
    fn tensor(&mut self, name: &str, shape: &[usize]) -> Result<Tensor> {
        Ok(self.0.tensor(&format!("encoder.{name}"), shape)?)
    }
}
