//! BERT (Devlin et al. 2019; <https://github.com/google-research/bert>): word, position and token-type embeddings, and
//! layers of self-attention and feed-forward networks, each followed by LayerNorm. RoBERTa, ELECTRA, MPNet and DeBERTa
//! have the same keys in their `config.json` and add some of their own.
use super::blocks::{
    Activation, BERT_NAMES, Embeddings, LayerNames, LayerSizes, Places, PostNormLayer, Tables,
};
use super::config::{at_least_one, epsilon, multiple, probabilities};
use super::{EncoderShape, Family, FamilyConfig, Steps, Trainable};
use crate::input::Padding;
use crate::params::{Param, WeightSource};
use crate::{Result, ScratchSettings};
use candle_core::Tensor;
use l0gm_ops::{Mode, attention};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The keys of `config.json` that are used. Others are ignored.
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
    /// Rows of the position embedding table.
    pub max_position_embeddings: usize,
    /// Rows of the token-type embedding table.
    pub type_vocab_size: usize,
    /// Added to the variance in every LayerNorm. If the key is missing, it is 1e-12, as in BERT's reference code.
    #[serde(default = "bert_layer_norm_eps")]
    pub layer_norm_eps: f64,
    /// Activation of the feed-forward layers.
    #[serde(default)]
    pub hidden_act: Activation,
    /// Share of the components of tokens' vectors that training sets to 0 after each sublayer.
    #[serde(default)]
    pub hidden_dropout_prob: f64,
    /// Dropout on attention weights.
    #[serde(default)]
    pub attention_probs_dropout_prob: f64,
    /// Id of the token `[PAD]`.
    #[serde(default)]
    pub pad_token_id: u32,
    /// The model's family, if given.
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

    /// The sizes of an encoder whose position table can be used from its first row.
    pub(super) fn plain_shape(&self) -> EncoderShape {
        EncoderShape {
            width: self.hidden_size,
            layers: self.num_hidden_layers,
            heads: self.num_attention_heads,
            inner: self.intermediate_size,
            inner_products: 2.0,
            vocabulary: self.vocab_size,
            max_tokens: Some(self.max_position_embeddings),
            pad: self.pad_token_id,
        }
    }

    /// Checks all keys but the number of token types, which not every family with these keys has.
    pub(super) fn check_common(&self) -> std::result::Result<(), String> {
        let kind = self.position_embedding_type.as_deref();
        if let Some(kind) = kind.filter(|kind| *kind != "absolute") {
            return Err(format!(
                "position_embedding_type is \"{kind}\"; only \"absolute\" is known"
            ));
        }
        at_least_one(&[
            ("hidden_size", self.hidden_size),
            ("num_hidden_layers", self.num_hidden_layers),
            ("num_attention_heads", self.num_attention_heads),
            ("intermediate_size", self.intermediate_size),
            ("vocab_size", self.vocab_size),
            ("max_position_embeddings", self.max_position_embeddings),
        ])?;
        epsilon("layer_norm_eps", self.layer_norm_eps)?;
        probabilities(&[
            ("hidden_dropout_prob", self.hidden_dropout_prob),
            (
                "attention_probs_dropout_prob",
                self.attention_probs_dropout_prob,
            ),
        ])?;
        multiple(
            ("hidden_size", self.hidden_size),
            ("num_attention_heads", self.num_attention_heads),
        )
    }

    /// The embedding tables, with positions counted from their first row.
    pub(super) fn tables(&self, dropout: Option<f64>) -> Tables {
        Tables {
            vocabulary: self.vocab_size,
            positions: self.max_position_embeddings,
            types: self.type_vocab_size,
            width: self.hidden_size,
            places: Places::Plain,
            epsilon: self.layer_norm_eps,
            dropout: dropout.unwrap_or(self.hidden_dropout_prob),
        }
    }

    /// Every layer, called `encoder.layer.N`, with tensors called by `names`.
    pub(super) fn layers(
        &self,
        source: &mut dyn WeightSource,
        names: &LayerNames,
        trainable: Trainable,
        dropout: Option<f64>,
    ) -> Result<Vec<PostNormLayer>> {
        let state_dropout = dropout.unwrap_or(self.hidden_dropout_prob);
        let sizes = LayerSizes {
            width: self.hidden_size,
            inner: self.intermediate_size,
            epsilon: self.layer_norm_eps,
            activation: self.hidden_act,
            attended_dropout: state_dropout,
            outer_dropout: state_dropout,
        };
        (0..self.num_hidden_layers)
            .map(|i| {
                let prefix = format!("encoder.layer.{i}");
                PostNormLayer::new(source, &prefix, names, sizes, i >= trainable.from_layer)
            })
            .collect()
    }

    /// Dropout on attention weights.
    pub(super) fn attention_dropout(&self, dropout: Option<f64>) -> f64 {
        dropout.unwrap_or(self.attention_probs_dropout_prob)
    }
}

impl FamilyConfig for BertConfig {
    fn shape(&self) -> EncoderShape {
        self.plain_shape()
    }

    fn check(&self) -> std::result::Result<(), String> {
        self.check_common()?;
        at_least_one(&[("type_vocab_size", self.type_vocab_size)])
    }

    fn build(
        &self,
        source: &mut dyn WeightSource,
        trainable: Trainable,
        dropout: Option<f64>,
    ) -> Result<Arc<dyn Family>> {
        let tables = self.tables(dropout);
        Ok(Arc::new(Bert::new(
            self, source, tables, trainable, dropout,
        )?))
    }

    fn has_pooler(&self) -> bool {
        true
    }
}

/// Embeddings, and layers with plain attention.
#[derive(Debug)]
pub(super) struct Bert {
    embeddings: Embeddings,
    layers: Vec<PostNormLayer>,
    heads: usize,
    attention_dropout: f64,
}

impl Bert {
    pub(super) fn new(
        config: &BertConfig,
        source: &mut dyn WeightSource,
        tables: Tables,
        trainable: Trainable,
        dropout: Option<f64>,
    ) -> Result<Self> {
        Ok(Self {
            embeddings: Embeddings::new(source, tables, trainable.embeddings)?,
            layers: config.layers(source, &BERT_NAMES, trainable, dropout)?,
            heads: config.num_attention_heads,
            attention_dropout: config.attention_dropout(dropout),
        })
    }
}

impl Family for Bert {
    fn embed(&self, ids: &Tensor, mode: &mut Mode<'_>) -> candle_core::Result<Tensor> {
        self.embeddings.forward(ids, mode)
    }

    fn layers(
        &self,
        x: &Tensor,
        padding: &Padding,
        steps: Steps,
        mode: &mut Mode<'_>,
    ) -> candle_core::Result<Tensor> {
        let mask = padding.mask.as_ref();
        let (heads, p) = (self.heads, self.attention_dropout);
        steps.walk(x, mode, |i, x, wanted, mode| {
            self.layers[i].forward(x, wanted, mode, |q, k, v, mode| {
                attention(q, k, v, mask, heads, p, mode)
            })
        })
    }

    fn params(&self) -> Vec<&Param> {
        let mut all = self.embeddings.params();
        all.extend(self.layers.iter().flat_map(PostNormLayer::params));
        all
    }
}
