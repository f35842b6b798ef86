//! MPNet (Song et al. 2020; <https://github.com/microsoft/MPNet>): BERT without token types, with positions counted as
//! RoBERTa does, and with a learned bias on attention scores for the distance between two tokens. Distances fall into
//! 32 buckets, which T5's code (Raffel et al. 2020) introduced, and all layers share the bias of each head.
use super::attention::{attend, open_keys, products, split_heads};
use super::blocks::{Embeddings, LayerNames, Places, PostNormLayer, Tables};
use super::roberta::{check_positions, shape_behind_padding};
use super::{BertConfig, EncoderShape, Family, FamilyConfig, Steps, Trainable};
use crate::Result;
use crate::input::Padding;
use crate::params::{Param, WeightSource};
use candle_core::{Device, Tensor};
use l0gm_ops::{Mode, add_bias, embedding, reshape};
use l0gm_train::ParameterKind;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Number of buckets of distances, half of them for keys behind the query. The published code has no other number.
const BUCKETS: usize = 32;
/// Distances from this one on fall into the last bucket of their side.
const FARTHEST: f32 = 128.0;

const NAMES: LayerNames = LayerNames {
    query: "attention.attn.q",
    key: "attention.attn.k",
    value: "attention.attn.v",
    attended: "attention.attn.o",
    attended_norm: "attention.LayerNorm",
    inner: "intermediate.dense",
    outer: "output.dense",
    outer_norm: "output.LayerNorm",
};

/// The keys of `config.json`.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub struct MpnetConfig {
    /// The keys that are BERT's, without token types. If `pad_token_id` is missing, it is 1.
    #[serde(flatten)]
    pub bert: BertConfig,
    /// Rows of the table of biases; it must be 32.
    #[serde(default = "buckets")]
    pub relative_attention_num_buckets: usize,
}

fn buckets() -> usize {
    BUCKETS
}

impl FamilyConfig for MpnetConfig {
    fn shape(&self) -> EncoderShape {
        shape_behind_padding(&self.bert)
    }

    fn check(&self) -> std::result::Result<(), String> {
        self.bert.check_common()?;
        check_positions(&self.bert)?;
        match self.relative_attention_num_buckets {
            BUCKETS => Ok(()),
            other => Err(format!(
                "relative_attention_num_buckets is {other}; MPNet has {BUCKETS}"
            )),
        }
    }

    fn build(
        &self,
        source: &mut dyn WeightSource,
        trainable: Trainable,
        dropout: Option<f64>,
    ) -> Result<Arc<dyn Family>> {
        let tables = Tables {
            types: 0,
            places: Places::Behind(self.bert.pad_token_id),
            ..self.bert.tables(dropout)
        };
        let heads = self.bert.num_attention_heads;
        Ok(Arc::new(Mpnet {
            embeddings: Embeddings::new(source, tables, trainable.embeddings)?,
            bias: Param::new(
                source,
                "encoder.relative_attention_bias.weight".to_owned(),
                &[BUCKETS, heads],
                ParameterKind::NoDecay,
                trainable.embeddings,
            )?,
            layers: self.bert.layers(source, &NAMES, trainable, dropout)?,
            heads,
            scale: 1.0 / ((self.bert.hidden_size / heads) as f64).sqrt(),
            attention_dropout: self.bert.attention_dropout(dropout),
        }))
    }

    fn has_pooler(&self) -> bool {
        true
    }
}

#[derive(Debug)]
struct Mpnet {
    embeddings: Embeddings,
    /// The bias of each bucket and head, (buckets, heads).
    bias: Param,
    layers: Vec<PostNormLayer>,
    heads: usize,
    /// 1 / sqrt(head_dim), the factor on products of queries and keys.
    scale: f64,
    attention_dropout: f64,
}

impl Family for Mpnet {
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
        let length = x.dim(1)?;
        let track = steps.shared(mode).is_train();
        let rows = buckets_of(length, x.device())?; // (length, length)
        let bias = embedding(&self.bias.read(track), &rows)?;
        let bias = bias.permute((2, 0, 1))?.contiguous()?; // (heads, length, keys)
        let open = open_keys(padding)?;
        steps.walk(x, mode, |i, x, wanted, mode| {
            self.layers[i].forward(x, wanted, mode, |q, k, v, mode| {
                let q = split_heads(&q.affine(self.scale, 0.0)?, self.heads)?;
                let scores = products(&q, &split_heads(k, self.heads)?)?;
                let scores = biased(&scores, &bias)?;
                attend(&scores, open.as_ref(), v, self.attention_dropout, mode)
            })
        })
    }

    fn params(&self) -> Vec<&Param> {
        let mut all = self.embeddings.params();
        all.push(&self.bias);
        all.extend(self.layers.iter().flat_map(PostNormLayer::params));
        all
    }
}

/// Adds the bias (heads, length, keys) of the first queries to scores (batch, heads, queries, keys). The bias is laid
/// out as one row, because the gradient of such a row is a fast sum over the batch.
fn biased(scores: &Tensor, bias: &Tensor) -> candle_core::Result<Tensor> {
    let (batch, heads, queries, keys) = scores.dims4()?;
    let bias = bias.narrow(1, 0, queries)?.contiguous()?;
    let row = reshape(&bias, heads * queries * keys)?;
    let scores = add_bias(&reshape(scores, (batch, heads * queries * keys))?, &row)?;
    reshape(&scores, (batch, heads, queries, keys))
}

/// The bucket of each query (row) and key (column).
fn buckets_of(length: usize, device: &Device) -> candle_core::Result<Tensor> {
    let rows: Vec<u32> = (0..length)
        .flat_map(|query| (0..length).map(move |key| bucket(query, key)))
        .collect();
    Tensor::from_vec(rows, (length, length), device)
}

/// Small distances have a bucket each, and the buckets of larger ones grow with their logarithm.
fn bucket(query: usize, key: usize) -> u32 {
    let side = BUCKETS / 2;
    let exact = side / 2;
    let distance = query.abs_diff(key);
    let near = if distance < exact {
        distance
    } else {
        let share = (distance as f32 / exact as f32).ln() / (FARTHEST / exact as f32).ln();
        (exact + (share * (side - exact) as f32) as usize).min(side - 1)
    };
    (near + if key > query { side } else { 0 }) as u32
}

#[cfg(test)]
mod tests {
    use super::bucket;

    #[test]
    fn distances_fall_into_the_buckets_of_the_published_code() {
        // Before the query: 0 to 7 alone, then 8..12, 12..16, 16..23, 23..32, 32..46, 46..64, 64..91 and all others.
        let of = |distance: usize| bucket(distance, 0);
        let first = [
            0, 1, 7, 8, 11, 12, 15, 16, 22, 23, 31, 32, 45, 46, 63, 64, 90, 91, 500,
        ];
        let found = first.map(of);
        assert_eq!(
            found,
            [
                0, 1, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13, 14, 14, 15, 15
            ]
        );
        // Behind the query, the other half of the table.
        assert_eq!([1, 9, 700].map(|key| bucket(0, key)), [17, 24, 31]);
    }
}
