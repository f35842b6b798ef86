//! The `config.json` of DeBERTa v3, and of v2 without its convolution.
use super::distance::Distances;
use super::{Deberta, Layer, Terms};
use crate::Result;
use crate::encoders::blocks::{Embeddings, LayerNames, PostNormLayer, Tables};
use crate::encoders::{BertConfig, EncoderShape, Family, FamilyConfig, Trainable};
use crate::params::{Dense, Norm, Param, WeightSource};
use l0gm_train::ParameterKind;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

const NAMES: LayerNames = LayerNames {
    query: "attention.self.query_proj",
    key: "attention.self.key_proj",
    value: "attention.self.value_proj",
    attended: "attention.output.dense",
    attended_norm: "attention.output.LayerNorm",
    inner: "intermediate.dense",
    outer: "output.dense",
    outer_norm: "output.LayerNorm",
};

/// The keys of `config.json`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct DebertaConfig {
    /// The keys that are BERT's. If `type_vocab_size` is missing, it is 0, and `layer_norm_eps` is 1e-7.
    #[serde(flatten)]
    pub bert: BertConfig,
    /// Whether attention reads distances. No published checkpoint of this family is without.
    #[serde(default)]
    pub relative_attention: bool,
    /// Distances from this one on are alike; -1 for `max_position_embeddings`.
    #[serde(default = "none")]
    pub max_relative_positions: i64,
    /// Number of buckets of distances on each side; -1 for one bucket a distance.
    #[serde(default = "none")]
    pub position_buckets: i64,
    /// What the embeddings of distances go through: "layer_norm" or "none".
    #[serde(default = "no_norm")]
    pub norm_rel_ebd: String,
    /// Whether content's matrices make keys and queries of distances too.
    #[serde(default)]
    pub share_att_key: bool,
    /// Which products with distances a score holds.
    #[serde(default)]
    pub pos_att_type: PositionTerms,
    /// Whether the embeddings hold absolute positions too.
    #[serde(default = "yes")]
    pub position_biased_input: bool,
    /// Width of a convolution beside the first layer; it must be 0.
    #[serde(default)]
    pub conv_kernel_size: usize,
    /// Width of the embeddings; if given, it must be that of the states.
    #[serde(default)]
    pub embedding_size: Option<usize>,
    /// Width of a head; if given, the heads must make up the width of the states.
    #[serde(default)]
    pub attention_head_size: Option<usize>,
}

/// "c2p", "p2c" or both, as a list or as one text with bars between.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(untagged)]
pub enum PositionTerms {
    /// "c2p|p2c".
    Text(String),
    /// ["c2p", "p2c"].
    List(Vec<String>),
    /// Neither.
    #[default]
    Absent,
}

impl PositionTerms {
    fn names(&self) -> Vec<String> {
        let trimmed = |name: &str| name.trim().to_lowercase();
        match self {
            Self::Text(text) => text.split('|').map(trimmed).collect(),
            Self::List(names) => names.iter().map(|name| trimmed(name)).collect(),
            Self::Absent => Vec::new(),
        }
    }
}

fn none() -> i64 {
    -1
}

fn no_norm() -> String {
    "none".to_owned()
}

fn yes() -> bool {
    true
}

impl DebertaConfig {
    fn terms(&self) -> Terms {
        let names = self.pos_att_type.names();
        let has = |term: &str| names.iter().any(|name| name == term);
        Terms {
            c2p: has("c2p"),
            p2c: has("p2c"),
        }
    }

    fn distances(&self) -> Distances {
        let farthest = usize::try_from(self.max_relative_positions)
            .ok()
            .filter(|farthest| *farthest > 0)
            .unwrap_or(self.bert.max_position_embeddings);
        let buckets = usize::try_from(self.position_buckets).ok();
        Distances {
            farthest,
            buckets: buckets.filter(|buckets| *buckets > 0),
        }
    }

    fn has_norm(&self) -> bool {
        let mut parts = self.norm_rel_ebd.split('|');
        parts.any(|part| part.trim().eq_ignore_ascii_case("layer_norm"))
    }

    fn layer(
        &self,
        block: PostNormLayer,
        source: &mut dyn WeightSource,
        index: usize,
        trainable: bool,
    ) -> Result<Layer> {
        let dim = self.bert.hidden_size;
        let terms = self.terms();
        let mut own = |wanted: bool, name: &str| {
            let name = format!("encoder.layer.{index}.attention.self.{name}");
            (wanted && !self.share_att_key)
                .then(|| Dense::new(source, &name, dim, dim, trainable))
                .transpose()
        };
        Ok(Layer {
            block,
            position_key: own(terms.c2p, "pos_key_proj")?,
            position_query: own(terms.p2c, "pos_query_proj")?,
        })
    }
}

impl FamilyConfig for DebertaConfig {
    fn shape(&self) -> EncoderShape {
        let plain = self.bert.plain_shape();
        EncoderShape {
            // Distances beyond the farthest are alike, so only a table of absolute positions limits a text.
            max_tokens: plain.max_tokens.filter(|_| self.position_biased_input),
            ..plain
        }
    }

    fn check(&self) -> std::result::Result<(), String> {
        self.bert.check_common()?;
        if !self.relative_attention {
            return Err(
                "relative_attention is false; DeBERTa v2 and v3 read distances, so take a checkpoint with true".into(),
            );
        }
        if self.conv_kernel_size > 0 {
            return Err(format!(
                "conv_kernel_size is {}; the convolution of the xlarge and xxlarge checkpoints of DeBERTa v2 cannot be \
                 read: take v3, or a checkpoint without it",
                self.conv_kernel_size
            ));
        }
        let (width, heads) = (self.bert.hidden_size, self.bert.num_attention_heads);
        for (name, given, wanted) in [
            ("embedding_size", self.embedding_size, width),
            (
                "attention_head_size",
                self.attention_head_size,
                width / heads,
            ),
        ] {
            if let Some(value) = given.filter(|value| *value != wanted) {
                return Err(format!("{name} is {value}; only {wanted} can be read here"));
            }
        }
        let names = self.pos_att_type.names();
        let unknown = names
            .iter()
            .find(|name| !["c2p", "p2c"].contains(&name.as_str()));
        if let Some(name) = unknown {
            return Err(format!(
                "pos_att_type holds \"{name}\"; known are c2p and p2c"
            ));
        }
        if names.is_empty() {
            return Err("pos_att_type is empty; it must name c2p, p2c or both".into());
        }
        self.distances().check()
    }

    fn build(
        &self,
        source: &mut dyn WeightSource,
        trainable: Trainable,
        dropout: Option<f64>,
    ) -> Result<Arc<dyn Family>> {
        let positions = match self.position_biased_input {
            true => self.bert.max_position_embeddings,
            false => 0,
        };
        let tables = Tables {
            positions,
            ..self.bert.tables(dropout)
        };
        let (dim, heads) = (self.bert.hidden_size, self.bert.num_attention_heads);
        let (distances, terms) = (self.distances(), self.terms());
        let embeddings = Embeddings::new(source, tables, trainable.embeddings)?;
        let relative = Param::new(
            source,
            "encoder.rel_embeddings.weight".to_owned(),
            &[2 * distances.span(), dim],
            ParameterKind::Weight,
            trainable.embeddings,
        )?;
        let relative_norm = match self.has_norm() {
            true => Some(Norm::new(
                source,
                "encoder.LayerNorm",
                dim,
                self.bert.layer_norm_eps,
                trainable.embeddings,
            )?),
            false => None,
        };
        let blocks = self.bert.layers(source, &NAMES, trainable, dropout)?;
        let layers = blocks.into_iter().enumerate();
        let layers = layers
            .map(|(i, block)| self.layer(block, source, i, i >= trainable.from_layer))
            .collect::<Result<_>>()?;
        let products = 1 + usize::from(terms.c2p) + usize::from(terms.p2c);
        Ok(Arc::new(Deberta {
            embeddings,
            relative,
            relative_norm,
            layers,
            distances,
            terms,
            heads,
            scale: 1.0 / ((dim / heads * products) as f64).sqrt(),
            state_dropout: dropout.unwrap_or(self.bert.hidden_dropout_prob),
            attention_dropout: self.bert.attention_dropout(dropout),
        }))
    }

    fn flops(&self, tokens: f64) -> f64 {
        let terms = self.terms();
        let terms = f64::from(u8::from(terms.c2p)) + f64::from(u8::from(terms.p2c));
        let (dim, rows) = (
            self.bert.hidden_size as f64,
            2.0 * self.distances().span() as f64,
        );
        let a_layer = terms * (2.0 * rows * dim * dim + 2.0 * tokens * rows * dim);
        self.bert.flops(tokens) + self.bert.num_hidden_layers as f64 * a_layer
    }
}
