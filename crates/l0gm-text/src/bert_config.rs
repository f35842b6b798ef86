//! The `config.json` of a BERT-family encoder. The keys that determine its shape are checked before any weight is
//! read.
use crate::{Error, Result, ScratchSettings};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The activation between the two feed-forward layers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub enum Activation {
    /// GELU with the error function.
    #[default]
    #[serde(rename = "gelu")]
    Gelu,
    /// The tanh approximation of GELU.
    #[serde(rename = "gelu_new", alias = "gelu_pytorch_tanh")]
    GeluTanh,
    /// max(0, x).
    #[serde(rename = "relu")]
    Relu,
}

/// The shape of an encoder. Other keys of `config.json` are ignored.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct BertConfig {
    /// Width of a token's state.
    pub hidden_size: usize,
    /// Number of layers.
    pub num_hidden_layers: usize,
    /// Number of attention heads; it divides the width.
    pub num_attention_heads: usize,
    /// Width of the feed-forward layers.
    pub intermediate_size: usize,
    /// Rows of the word embedding table.
    pub vocab_size: usize,
    /// Longest sequence, in tokens.
    pub max_position_embeddings: usize,
    /// Rows of the token-type embedding table.
    pub type_vocab_size: usize,
    /// Added to the variance in every LayerNorm. If the key is missing, it is 1e-12, as in BERT's reference code.
    #[serde(default = "bert_layer_norm_eps")]
    pub layer_norm_eps: f64,
    /// Activation of the feed-forward layers.
    #[serde(default)]
    pub hidden_act: Activation,
    /// Dropout on states.
    #[serde(default)]
    pub hidden_dropout_prob: f64,
    /// Dropout on attention weights.
    #[serde(default)]
    pub attention_probs_dropout_prob: f64,
    /// Id of the token `[PAD]`.
    #[serde(default)]
    pub pad_token_id: u32,
    /// The model's family; if given, it must be "bert".
    #[serde(default)]
    pub model_type: Option<String>,
    /// The kind of position embedding; if given, it must be "absolute".
    #[serde(default)]
    pub position_embedding_type: Option<String>,
}

/// The default of BERT's reference code (Devlin et al. 2019) and of the hub.
fn bert_layer_norm_eps() -> f64 {
    1e-12
}

impl BertConfig {
    /// Reads and checks a `config.json`.
    ///
    /// # Errors
    /// Fails if the file cannot be read, lacks a key, describes another family, or holds numbers that do not match.
    pub fn from_file(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path)
            .map_err(|e| Error::model(path, format!("cannot be read: {e}")))?;
        let config: Self = serde_json::from_str(&text).map_err(|e| {
            Error::model(
                path,
                format!("does not describe a BERT-family encoder: {e}"),
            )
        })?;
        config
            .check()
            .map_err(|message| Error::model(path, message))?;
        Ok(config)
    }

    /// The shape of an encoder without pretrained weights.
    pub fn scratch(settings: &ScratchSettings, vocabulary: usize, max_tokens: usize) -> Self {
        Self {
            hidden_size: settings.width,
            num_hidden_layers: settings.layers,
            num_attention_heads: settings.heads,
            intermediate_size: settings.feed_forward,
            vocab_size: vocabulary,
            max_position_embeddings: max_tokens,
            type_vocab_size: 1,
            layer_norm_eps: 1e-5,
            hidden_act: Activation::Gelu,
            hidden_dropout_prob: 0.1,
            attention_probs_dropout_prob: 0.1,
            pad_token_id: 0,
            model_type: None,
            position_embedding_type: None,
        }
    }

    pub(crate) fn check(&self) -> std::result::Result<(), String> {
        if let Some(kind) = self.model_type.as_deref().filter(|k| *k != "bert") {
            return Err(format!(
                "model_type is \"{kind}\"; this encoder reads \"bert\" checkpoints"
            ));
        }
        if let Some(kind) = self
            .position_embedding_type
            .as_deref()
            .filter(|k| *k != "absolute")
        {
            return Err(format!(
                "position_embedding_type is \"{kind}\"; only \"absolute\" is known"
            ));
        }
        for (name, value) in [
            ("hidden_size", self.hidden_size),
            ("num_hidden_layers", self.num_hidden_layers),
            ("num_attention_heads", self.num_attention_heads),
            ("intermediate_size", self.intermediate_size),
            ("vocab_size", self.vocab_size),
            ("max_position_embeddings", self.max_position_embeddings),
            ("type_vocab_size", self.type_vocab_size),
        ] {
            if value == 0 {
                return Err(format!("{name} is 0; it must be at least 1"));
            }
        }
        if !(self.layer_norm_eps > 0.0 && self.layer_norm_eps < 1.0) {
            return Err(format!(
                "layer_norm_eps is {}; it must be above 0 and below 1",
                self.layer_norm_eps
            ));
        }
        for (name, value) in [
            ("hidden_dropout_prob", self.hidden_dropout_prob),
            (
                "attention_probs_dropout_prob",
                self.attention_probs_dropout_prob,
            ),
        ] {
            if !(0.0..1.0).contains(&value) {
                return Err(format!("{name} is {value}; it must lie in [0, 1)"));
            }
        }
        if !self.hidden_size.is_multiple_of(self.num_attention_heads) {
            return Err(format!(
                "hidden_size {} is not a multiple of num_attention_heads {}",
                self.hidden_size, self.num_attention_heads
            ));
        }
        Ok(())
    }
}
