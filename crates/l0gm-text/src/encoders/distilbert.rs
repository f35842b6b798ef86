//! DistilBERT (Sanh et al. 2019;
//! <https://github.com/huggingface/transformers/tree/main/src/transformers/models/distilbert>): BERT's network with
//! half its layers, without token types, without a pooler, and with names of its own.
use super::blocks::{
    Activation, Embeddings, LayerNames, LayerSizes, Places, PostNormLayer, Tables,
};
use super::config::{at_least_one, multiple, probabilities};
use super::{EncoderShape, Family, FamilyConfig, Steps, Trainable};
use crate::Result;
use crate::input::Padding;
use crate::params::{Param, WeightSource};
use candle_core::Tensor;
use l0gm_ops::{Mode, attention};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Added to the variance in every LayerNorm. No key of the configuration changes it.
const EPSILON: f64 = 1e-12;

const NAMES: LayerNames = LayerNames {
    query: "attention.q_lin",
    key: "attention.k_lin",
    value: "attention.v_lin",
    attended: "attention.out_lin",
    attended_norm: "sa_layer_norm",
    inner: "ffn.lin1",
    outer: "ffn.lin2",
    outer_norm: "output_layer_norm",
};

/// The keys of `config.json`. Positions that were sines and cosines in training are read from the checkpoint like
/// others.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct DistilBertConfig {
    /// Width of the vector that stands for a token in every layer.
    pub dim: usize,
    /// Number of layers.
    pub n_layers: usize,
    /// Number of attention heads; it divides the width.
    pub n_heads: usize,
    /// Width of the feed-forward layers.
    pub hidden_dim: usize,
    /// Rows of the word embedding table.
    pub vocab_size: usize,
    /// Longest sequence, in tokens.
    pub max_position_embeddings: usize,
    /// Activation of the feed-forward layers.
    #[serde(default)]
    pub activation: Activation,
    /// Share of the components of tokens' vectors that training sets to 0 after each sublayer.
    #[serde(default)]
    pub dropout: f64,
    /// Dropout on attention weights.
    #[serde(default)]
    pub attention_dropout: f64,
    /// Id of the token that fills short texts of a batch up; attention skips it.
    #[serde(default)]
    pub pad_token_id: u32,
    /// The model's family, "distilbert".
    pub model_type: String,
}

impl FamilyConfig for DistilBertConfig {
    fn shape(&self) -> EncoderShape {
        EncoderShape {
            width: self.dim,
            layers: self.n_layers,
            heads: self.n_heads,
            inner: self.hidden_dim,
            inner_products: 2.0,
            vocabulary: self.vocab_size,
            max_tokens: Some(self.max_position_embeddings),
            pad: self.pad_token_id,
        }
    }

    fn check(&self) -> std::result::Result<(), String> {
        at_least_one(&[
            ("dim", self.dim),
            ("n_layers", self.n_layers),
            ("n_heads", self.n_heads),
            ("hidden_dim", self.hidden_dim),
            ("vocab_size", self.vocab_size),
            ("max_position_embeddings", self.max_position_embeddings),
        ])?;
        probabilities(&[
            ("dropout", self.dropout),
            ("attention_dropout", self.attention_dropout),
        ])?;
        multiple(("dim", self.dim), ("n_heads", self.n_heads))
    }

    fn build(
        &self,
        source: &mut dyn WeightSource,
        trainable: Trainable,
        dropout: Option<f64>,
    ) -> Result<Arc<dyn Family>> {
        let tables = Tables {
            vocabulary: self.vocab_size,
            positions: self.max_position_embeddings,
            types: 0,
            width: self.dim,
            places: Places::Plain,
            epsilon: EPSILON,
            dropout: dropout.unwrap_or(self.dropout),
        };
        let sizes = LayerSizes {
            width: self.dim,
            inner: self.hidden_dim,
            epsilon: EPSILON,
            activation: self.activation,
            // The published code drops nothing of what attention adds.
            attended_dropout: 0.0,
            outer_dropout: dropout.unwrap_or(self.dropout),
        };
        let embeddings = Embeddings::new(source, tables, trainable.embeddings)?;
        let layer = |i: usize| {
            let prefix = format!("transformer.layer.{i}");
            PostNormLayer::new(source, &prefix, &NAMES, sizes, i >= trainable.from_layer)
        };
        Ok(Arc::new(DistilBert {
            embeddings,
            layers: (0..self.n_layers).map(layer).collect::<Result<_>>()?,
            heads: self.n_heads,
            attention_dropout: dropout.unwrap_or(self.attention_dropout),
        }))
    }
}

#[derive(Debug)]
struct DistilBert {
    embeddings: Embeddings,
    layers: Vec<PostNormLayer>,
    heads: usize,
    attention_dropout: f64,
}

impl Family for DistilBert {
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
