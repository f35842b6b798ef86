//! Which family a `config.json` describes, and the sizes on which other parts of this crate depend. The keys are
//! checked before any weight is read.
use super::{
    BertConfig, DebertaConfig, DistilBertConfig, ElectraConfig, FamilyConfig, ModernBertConfig,
    MpnetConfig, RobertaConfig,
};
use crate::{Error, Result, ScratchSettings};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use std::path::Path;

/// The values of `model_type` that are known, as they stand in error messages.
const KNOWN: &str = "bert, distilbert, roberta, xlm-roberta, camembert, electra, mpnet, deberta-v2 (also of DeBERTa v3) and \
     modernbert";

/// The configuration of an encoder, which is one of the known families.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum EncoderConfig {
    /// BERT, also where `model_type` is absent.
    Bert(BertConfig),
    /// DistilBERT.
    DistilBert(DistilBertConfig),
    /// RoBERTa, XLM-RoBERTa and CamemBERT.
    Roberta(RobertaConfig),
    /// ELECTRA's discriminator.
    Electra(ElectraConfig),
    /// MPNet.
    Mpnet(MpnetConfig),
    /// DeBERTa v3, and v2 without a convolution.
    Deberta(DebertaConfig),
    /// ModernBERT.
    ModernBert(ModernBertConfig),
}

/// The numbers of an encoder that memory, time and the longest text depend on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EncoderShape {
    /// Width of the vector that stands for a token in every layer.
    pub width: usize,
    /// Number of Transformer layers.
    pub layers: usize,
    /// Number of attention heads in a layer.
    pub heads: usize,
    /// Width between the layers of a feed-forward network.
    pub inner: usize,
    /// Number of (width x inner) matrices in a feed-forward network: 2, or 3 if one of them gates another.
    pub inner_products: f64,
    /// Rows of the word embedding table.
    pub vocabulary: usize,
    /// Longest text, in tokens; `None` if any length can be read.
    pub max_tokens: Option<usize>,
    /// Id of the padding token.
    pub pad: u32,
}

impl EncoderConfig {
    /// Reads and checks a `config.json`.
    ///
    /// # Errors
    /// Fails if the file cannot be read, lacks a key, describes an unknown family, or holds numbers that do not match.
    pub fn from_file(path: &Path) -> Result<Self> {
        let unfit = |message: String| Error::model(path, message);
        let text =
            std::fs::read_to_string(path).map_err(|e| unfit(format!("cannot be read: {e}")))?;
        let value: Map<String, Value> = serde_json::from_str(&text)
            .map_err(|e| unfit(format!("does not describe an encoder: {e}")))?;
        let config = Self::from_keys(value).map_err(unfit)?;
        config.family().check().map_err(unfit)?;
        config.check_pad().map_err(unfit)?;
        Ok(config)
    }

    /// The configuration of an encoder without pretrained weights.
    pub fn scratch(settings: &ScratchSettings, vocabulary: usize, max_tokens: usize) -> Self {
        Self::Bert(BertConfig::scratch(settings, vocabulary, max_tokens))
    }

    /// The sizes that the keys give.
    pub fn shape(&self) -> EncoderShape {
        self.family().shape()
    }

    /// Fails if texts of `max_tokens` tokens are longer than the encoder can read.
    ///
    /// # Errors
    /// The error names the setting and the encoder's limit.
    pub(crate) fn check_length(&self, max_tokens: usize) -> Result<()> {
        match self.shape().max_tokens {
            Some(most) if max_tokens > most => Err(Error::Setting(format!(
                "max-tokens is {max_tokens}; the encoder has positions for {most} (max_position_embeddings)"
            ))),
            _ => Ok(()),
        }
    }

    /// Refuses a padding token without a row in the word embedding table.
    fn check_pad(&self) -> std::result::Result<(), String> {
        let EncoderShape {
            pad, vocabulary, ..
        } = self.shape();
        match (pad as usize) < vocabulary {
            true => Ok(()),
            false => Err(format!(
                "pad_token_id is {pad} (the family's default where the key is absent), but vocab_size is {vocabulary}; \
                 give the padding token's id, which must be below vocab_size"
            )),
        }
    }

    pub(crate) fn family(&self) -> &dyn FamilyConfig {
        match self {
            Self::Bert(config) => config,
            Self::DistilBert(config) => config,
            Self::Roberta(config) => config,
            Self::Electra(config) => config,
            Self::Mpnet(config) => config,
            Self::Deberta(config) => config,
            Self::ModernBert(config) => config,
        }
    }

    /// Reads the keys as those of the family that `model_type` names.
    fn from_keys(mut keys: Map<String, Value>) -> std::result::Result<Self, String> {
        drop_nulls(&mut keys);
        let kind = match keys.get("model_type") {
            None => "bert".to_owned(),
            Some(Value::String(kind)) => kind.clone(),
            Some(other) => {
                return Err(format!("model_type is {other}; known are {KNOWN}"));
            }
        };
        Ok(match kind.as_str() {
            "bert" => Self::Bert(parsed(keys, &kind, &[])?),
            "distilbert" => Self::DistilBert(parsed(keys, &kind, &[])?),
            "roberta" | "xlm-roberta" | "camembert" => {
                Self::Roberta(parsed(keys, &kind, &[("pad_token_id", 1.into())])?)
            }
            "electra" => Self::Electra(parsed(keys, &kind, &[])?),
            "mpnet" => {
                let absent = [("pad_token_id", 1.into()), ("type_vocab_size", 0.into())];
                Self::Mpnet(parsed(keys, &kind, &absent)?)
            }
            "deberta-v2" => {
                let absent = [
                    ("type_vocab_size", 0.into()),
                    ("layer_norm_eps", 1e-7.into()),
                ];
                Self::Deberta(parsed(keys, &kind, &absent)?)
            }
            "modernbert" => Self::ModernBert(parsed(keys, &kind, &[])?),
            _ => {
                return Err(format!(
                    "model_type is \"{kind}\", which cannot be read; known are {KNOWN}"
                ));
            }
        })
    }
}

/// Removes keys with the value null, which count as absent.
fn drop_nulls(keys: &mut Map<String, Value>) {
    keys.retain(|_, value| !value.is_null());
    for value in keys.values_mut() {
        if let Value::Object(inner) = value {
            drop_nulls(inner);
        }
    }
}

/// Reads a family's keys. `absent` has the values of keys that the file does not give.
fn parsed<C: DeserializeOwned>(
    mut keys: Map<String, Value>,
    kind: &str,
    absent: &[(&str, Value)],
) -> std::result::Result<C, String> {
    for (key, value) in absent {
        keys.entry(*key).or_insert_with(|| value.clone());
    }
    serde_json::from_value(Value::Object(keys))
        .map_err(|e| format!("does not describe an encoder of the type {kind}: {e}"))
}

impl<'de> Deserialize<'de> for EncoderConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let keys = Map::deserialize(deserializer)?;
        Self::from_keys(keys).map_err(serde::de::Error::custom)
    }
}

/// Refuses sizes that are 0.
pub(super) fn at_least_one(sizes: &[(&str, usize)]) -> std::result::Result<(), String> {
    match sizes.iter().find(|(_, value)| *value == 0) {
        Some((name, _)) => Err(format!("{name} is 0; it must be at least 1")),
        None => Ok(()),
    }
}

/// Refuses dropout values outside [0, 1).
pub(super) fn probabilities(values: &[(&str, f64)]) -> std::result::Result<(), String> {
    match values.iter().find(|(_, p)| !(0.0..1.0).contains(p)) {
        Some((name, value)) => Err(format!("{name} is {value}; it must lie in [0, 1)")),
        None => Ok(()),
    }
}

/// Refuses a number added to variances that is not small and positive.
pub(super) fn epsilon(name: &str, value: f64) -> std::result::Result<(), String> {
    match value > 0.0 && value < 1.0 {
        true => Ok(()),
        false => Err(format!("{name} is {value}; it must be above 0 and below 1")),
    }
}

/// Refuses a width that the heads do not divide.
pub(super) fn multiple(
    (width_name, width): (&str, usize),
    (heads_name, heads): (&str, usize),
) -> std::result::Result<(), String> {
    match width.is_multiple_of(heads) {
        true => Ok(()),
        false => Err(format!(
            "{width_name} {width} is not a multiple of {heads_name} {heads}"
        )),
    }
}
