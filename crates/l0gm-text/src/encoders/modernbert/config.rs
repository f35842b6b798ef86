//! ModernBERT's `config.json`, in the form that the checkpoints on the hub have and in the one that newer versions of
//! `transformers` write.
use super::ModernBert;
use crate::Result;
use crate::encoders::config::{at_least_one, epsilon, multiple, probabilities};
use crate::encoders::{Activation, EncoderShape, Family, FamilyConfig, Trainable};
use crate::params::{Norm, WeightSource};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The keys of `config.json` that are used. Others are ignored.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct ModernBertConfig {
    /// Width of the vector that stands for a token in every layer.
    pub hidden_size: usize,
    /// Number of Transformer layers.
    pub num_hidden_layers: usize,
    /// Number of attention heads; it divides the width into even parts.
    pub num_attention_heads: usize,
    /// Width between the layers of the gated feed-forward networks.
    pub intermediate_size: usize,
    /// Rows of the word embedding table.
    pub vocab_size: usize,
    /// Longest sequence of the encoder's training, in tokens.
    pub max_position_embeddings: usize,
    /// Activation of the feed-forward networks.
    #[serde(default)]
    pub hidden_activation: Activation,
    /// Added to the variance in every LayerNorm.
    #[serde(default = "norm_eps")]
    pub norm_eps: f64,
    /// Whether LayerNorms have a bias.
    #[serde(default)]
    pub norm_bias: bool,
    /// Whether the linear layers of attention have a bias.
    #[serde(default)]
    pub attention_bias: bool,
    /// Whether the linear layers of feed-forward networks have a bias.
    #[serde(default)]
    pub mlp_bias: bool,
    /// Dropout on embeddings.
    #[serde(default)]
    pub embedding_dropout: f64,
    /// Dropout on attention weights and on what attention adds to a state.
    #[serde(default)]
    pub attention_dropout: f64,
    /// Dropout inside feed-forward networks.
    #[serde(default)]
    pub mlp_dropout: f64,
    /// Twice the distance up to which a token attends to others in local layers.
    #[serde(default = "local_attention")]
    pub local_attention: usize,
    /// Every so many layers, from the first, one attends to all tokens. Unused if there are `layer_types`.
    #[serde(default = "global_attn_every_n_layers")]
    pub global_attn_every_n_layers: usize,
    /// The kind of each layer.
    #[serde(default)]
    pub layer_types: Option<Vec<LayerType>>,
    /// Base of the rotations' angles in layers that attend to all tokens, where it is not in `rope_parameters`.
    #[serde(default)]
    pub global_rope_theta: Option<f64>,
    /// Base of the rotations' angles in local layers, where it is not in `rope_parameters`.
    #[serde(default)]
    pub local_rope_theta: Option<f64>,
    /// How positions become rotations.
    #[serde(default)]
    pub rope_parameters: Option<RotaryKinds>,
    /// A change of the angles for longer texts; it must be absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rope_scaling: Option<Value>,
    /// Id of the token that fills short texts of a batch up; attention skips it.
    #[serde(default = "pad_token_id")]
    pub pad_token_id: u32,
    /// The model's family, "modernbert".
    pub model_type: String,
}

/// Which tokens a layer attends to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LayerType {
    /// All tokens.
    FullAttention,
    /// The tokens nearby.
    SlidingAttention,
}

/// The rotations of both kinds of layers.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
pub struct RotaryKinds {
    /// In layers that attend to all tokens.
    #[serde(default)]
    pub full_attention: Option<RotaryAngles>,
    /// In local layers.
    #[serde(default)]
    pub sliding_attention: Option<RotaryAngles>,
    /// Keys that are not known here, which are refused.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// How positions become angles.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
pub struct RotaryAngles {
    /// Base of the angles.
    #[serde(default)]
    pub rope_theta: Option<f64>,
    /// The kind of scaling; if given, it must be "default", which is none.
    #[serde(default)]
    pub rope_type: Option<String>,
    /// Keys that are not known here, which are refused.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

fn norm_eps() -> f64 {
    1e-5
}

fn local_attention() -> usize {
    128
}

fn global_attn_every_n_layers() -> usize {
    3
}

fn pad_token_id() -> u32 {
    50_283
}

impl ModernBertConfig {
    /// Whether a layer attends to tokens nearby only.
    pub(super) fn is_local(&self, layer: usize) -> bool {
        match &self.layer_types {
            Some(types) => types.get(layer) == Some(&LayerType::SlidingAttention),
            None => !layer.is_multiple_of(self.global_attn_every_n_layers),
        }
    }

    /// The bases of the angles in global and in local layers, with the published defaults.
    pub(super) fn thetas(&self) -> [f64; 2] {
        let kinds = self.rope_parameters.clone().unwrap_or_default();
        let of = |kind: Option<RotaryAngles>, key: Option<f64>, default: f64| {
            let own = kind.and_then(|angles| angles.rope_theta);
            own.or(key).unwrap_or(default)
        };
        [
            of(kinds.full_attention, self.global_rope_theta, 160_000.0),
            of(kinds.sliding_attention, self.local_rope_theta, 10_000.0),
        ]
    }

    /// Refuses what would change the angles and is not computed here.
    fn check_rotations(&self) -> std::result::Result<(), String> {
        if let Some(scaling) = &self.rope_scaling {
            return Err(format!(
                "rope_scaling is {scaling}; scaled rotations cannot be read: take a checkpoint without the key"
            ));
        }
        let kinds = self.rope_parameters.clone().unwrap_or_default();
        let mut unknown = kinds.other;
        for angles in [kinds.full_attention, kinds.sliding_attention] {
            let angles = angles.unwrap_or_default();
            if let Some(kind) = angles.rope_type.filter(|kind| kind != "default") {
                return Err(format!(
                    "rope_type is \"{kind}\"; only \"default\" is known"
                ));
            }
            unknown.extend(angles.other);
        }
        match unknown.first_key_value() {
            None => Ok(()),
            Some((key, value)) => Err(format!(
                "rope_parameters holds \"{key}\": {value}, which is not known; known are full_attention and \
                 sliding_attention, and in each rope_theta and rope_type"
            )),
        }
    }

    /// Reads a LayerNorm.
    pub(super) fn norm(
        &self,
        source: &mut dyn WeightSource,
        name: &str,
        trainable: bool,
    ) -> Result<Norm> {
        let make = match self.norm_bias {
            true => Norm::new,
            false => Norm::without_bias,
        };
        make(source, name, self.hidden_size, self.norm_eps, trainable)
    }
}

impl FamilyConfig for ModernBertConfig {
    fn shape(&self) -> EncoderShape {
        EncoderShape {
            width: self.hidden_size,
            layers: self.num_hidden_layers,
            heads: self.num_attention_heads,
            inner: self.intermediate_size,
            inner_products: 3.0,
            vocabulary: self.vocab_size,
            max_tokens: Some(self.max_position_embeddings),
            pad: self.pad_token_id,
        }
    }

    fn check(&self) -> std::result::Result<(), String> {
        at_least_one(&[
            ("hidden_size", self.hidden_size),
            ("num_hidden_layers", self.num_hidden_layers),
            ("num_attention_heads", self.num_attention_heads),
            ("intermediate_size", self.intermediate_size),
            ("vocab_size", self.vocab_size),
            ("max_position_embeddings", self.max_position_embeddings),
            ("local_attention", self.local_attention),
            (
                "global_attn_every_n_layers",
                self.global_attn_every_n_layers,
            ),
        ])?;
        epsilon("norm_eps", self.norm_eps)?;
        probabilities(&[
            ("embedding_dropout", self.embedding_dropout),
            ("attention_dropout", self.attention_dropout),
            ("mlp_dropout", self.mlp_dropout),
        ])?;
        multiple(
            ("hidden_size", self.hidden_size),
            ("2 x num_attention_heads", 2 * self.num_attention_heads),
        )?;
        let types = self.layer_types.as_ref().map(Vec::len);
        if let Some(count) = types.filter(|count| *count != self.num_hidden_layers) {
            return Err(format!(
                "layer_types names {count} layers, and num_hidden_layers is {}",
                self.num_hidden_layers
            ));
        }
        self.check_rotations()?;
        match self.thetas().iter().find(|theta| **theta <= 1.0) {
            Some(theta) => Err(format!("rope_theta is {theta}; it must be above 1")),
            None => Ok(()),
        }
    }

    fn build(
        &self,
        source: &mut dyn WeightSource,
        trainable: Trainable,
        dropout: Option<f64>,
    ) -> Result<Arc<dyn Family>> {
        let family = ModernBert::new(self, source, trainable, dropout)?;
        Ok(Arc::new(family))
    }
}
