//! ModernBERT (Warner et al. 2024; <https://github.com/AnswerDotAI/ModernBERT>): positions are rotations of queries and
//! keys (Su et al. 2021), most layers see only the tokens near each token, feed-forward networks are gated (GeGLU,
//! Shazeer 2020), and a LayerNorm stands before each part instead of behind it.
mod config;
mod rotary;

pub use config::{LayerType, ModernBertConfig, RotaryAngles, RotaryKinds};

use self::rotary::Rotary;
use super::attention::{attend, products, split_heads};
use super::{Activation, Family, Steps, Trainable};
use crate::Result;
use crate::input::Padding;
use crate::params::{Dense, Norm, Param, WeightSource};
use candle_core::{Device, Tensor};
use l0gm_ops::{Mode, add, attention, dropout, embedding, mul};
use l0gm_train::ParameterKind;

#[derive(Debug)]
struct ModernBert {
    words: Param,
    norm: Norm,
    layers: Vec<Layer>,
    final_norm: Norm,
    heads: usize,
    /// How far away a token may be that a token attends to in a local layer.
    reach: usize,
    /// The angles' bases in global and local layers.
    thetas: [f64; 2],
    activation: Activation,
    embedding_dropout: f64,
    attention_dropout: f64,
    inner_dropout: f64,
}

#[derive(Debug)]
struct Layer {
    local: bool,
    /// Absent in the first layer, whose input is normalised already.
    attention_norm: Option<Norm>,
    /// Queries, keys and values in one matrix.
    qkv: Dense,
    attended: Dense,
    inner_norm: Norm,
    /// The network's input and its gate in one matrix.
    inner: Dense,
    outer: Dense,
}

/// What the layers of one kind share in a pass.
struct Shared {
    rotary: Rotary,
    /// Which keys each query may attend to, (batch or 1, 1, length, keys), if nearness decides on it.
    open: Option<Tensor>,
}

impl ModernBert {
    fn new(
        config: &ModernBertConfig,
        source: &mut dyn WeightSource,
        trainable: Trainable,
        dropout: Option<f64>,
    ) -> Result<Self> {
        let dim = config.hidden_size;
        let words = Param::new(
            source,
            "embeddings.tok_embeddings.weight".to_owned(),
            &[config.vocab_size, dim],
            ParameterKind::Weight,
            trainable.embeddings,
        )?;
        let norm = config.norm(source, "embeddings.norm", trainable.embeddings)?;
        let layers = (0..config.num_hidden_layers)
            .map(|i| Layer::new(config, source, i, i >= trainable.from_layer))
            .collect::<Result<_>>()?;
        let learns = trainable.from_layer < config.num_hidden_layers;
        Ok(Self {
            words,
            norm,
            layers,
            final_norm: config.norm(source, "final_norm", learns)?,
            heads: config.num_attention_heads,
            reach: config.local_attention / 2,
            thetas: config.thetas(),
            activation: config.hidden_activation,
            embedding_dropout: dropout.unwrap_or(config.embedding_dropout),
            attention_dropout: dropout.unwrap_or(config.attention_dropout),
            inner_dropout: dropout.unwrap_or(config.mlp_dropout),
        })
    }

    /// What global (first) and local layers share in a pass over states like `x`.
    fn shared(&self, x: &Tensor, padding: &Padding) -> candle_core::Result<[Shared; 2]> {
        let (_, length, _) = x.dims3()?;
        let [global, local] = self.thetas;
        let near = match self.reach + 1 < length {
            true => Some(near(padding, length, self.reach, x.device())?),
            false => None,
        };
        Ok([
            Shared {
                rotary: Rotary::new(x, self.heads, global)?,
                open: None,
            },
            Shared {
                rotary: Rotary::new(x, self.heads, local)?,
                open: near,
            },
        ])
    }

    /// What attention adds to the states of the first `wanted` tokens.
    fn attended(
        &self,
        layer: &Layer,
        x: &Tensor,
        wanted: usize,
        padding: &Padding,
        shared: &Shared,
        mode: &mut Mode<'_>,
    ) -> candle_core::Result<Tensor> {
        let track = mode.is_train();
        let x = match &layer.attention_norm {
            Some(norm) => norm.forward(x, track)?,
            None => x.clone(),
        };
        let dim = x.dim(2)?;
        let qkv = layer.qkv.forward(&x, track)?; // (batch, length, 3 width)
        let part = |index: usize| qkv.narrow(2, index * dim, dim);
        let q = shared
            .rotary
            .turn(&part(0)?.narrow(1, 0, wanted)?.contiguous()?)?;
        let k = shared.rotary.turn(&part(1)?.contiguous()?)?;
        let v = part(2)?.contiguous()?;
        let p = self.attention_dropout;
        let sums = match &shared.open {
            None => attention(&q, &k, &v, padding.mask.as_ref(), self.heads, p, mode)?,
            Some(open) => {
                let scale = 1.0 / ((dim / self.heads) as f64).sqrt();
                let q = split_heads(&q.affine(scale, 0.0)?, self.heads)?;
                let scores = products(&q, &split_heads(&k, self.heads)?)?;
                let open = open.narrow(2, 0, wanted)?;
                attend(&scores, Some(&open), &v, p, mode)?
            }
        };
        dropout(&layer.attended.forward(&sums, track)?, p, mode)
    }

    /// What the gated feed-forward network adds to states.
    fn fed_forward(
        &self,
        layer: &Layer,
        x: &Tensor,
        mode: &mut Mode<'_>,
    ) -> candle_core::Result<Tensor> {
        let track = mode.is_train();
        let both = layer
            .inner
            .forward(&layer.inner_norm.forward(x, track)?, track)?;
        let wide = both.dim(2)? / 2;
        let input = both.narrow(2, 0, wide)?.contiguous()?;
        let gate = both.narrow(2, wide, wide)?.contiguous()?;
        let inner = mul(&self.activation.apply(&input)?, &gate)?;
        let inner = dropout(&inner, self.inner_dropout, mode)?;
        layer.outer.forward(&inner, track)
    }
}

impl Layer {
    fn new(
        config: &ModernBertConfig,
        source: &mut dyn WeightSource,
        index: usize,
        trainable: bool,
    ) -> Result<Self> {
        let (dim, wide) = (config.hidden_size, config.intermediate_size);
        let name = |part: &str| format!("layers.{index}.{part}");
        let mut dense = |part: &str, inputs, outputs, bias: bool| {
            let make = if bias {
                Dense::new
            } else {
                Dense::without_bias
            };
            make(source, &name(part), inputs, outputs, trainable)
        };
        let (own, inner) = (config.attention_bias, config.mlp_bias);
        let qkv = dense("attn.Wqkv", dim, 3 * dim, own)?;
        let attended = dense("attn.Wo", dim, dim, own)?;
        let wi = dense("mlp.Wi", dim, 2 * wide, inner)?;
        let outer = dense("mlp.Wo", wide, dim, inner)?;
        let attention_norm = match index {
            0 => None,
            _ => Some(config.norm(source, &name("attn_norm"), trainable)?),
        };
        Ok(Self {
            local: config.is_local(index),
            attention_norm,
            qkv,
            attended,
            inner_norm: config.norm(source, &name("mlp_norm"), trainable)?,
            inner: wi,
            outer,
        })
    }

    fn params(&self) -> Vec<&Param> {
        let mut all: Vec<&Param> = Vec::new();
        all.extend(self.attention_norm.iter().flat_map(Norm::params));
        all.extend(self.qkv.params());
        all.extend(self.attended.params());
        all.extend(self.inner_norm.params());
        all.extend(self.inner.params());
        all.extend(self.outer.params());
        all
    }
}

impl Family for ModernBert {
    fn embed(&self, ids: &Tensor, mode: &mut Mode<'_>) -> candle_core::Result<Tensor> {
        let track = mode.is_train();
        let x = embedding(&self.words.read(track), ids)?;
        dropout(&self.norm.forward(&x, track)?, self.embedding_dropout, mode)
    }

    fn layers(
        &self,
        x: &Tensor,
        padding: &Padding,
        steps: Steps,
        mode: &mut Mode<'_>,
    ) -> candle_core::Result<Tensor> {
        let shared = self.shared(x, padding)?;
        steps.walk(x, mode, |i, x, wanted, mode| {
            let layer = &self.layers[i];
            let shared = &shared[usize::from(layer.local)];
            let attended = self.attended(layer, x, wanted.dim(1)?, padding, shared, mode)?;
            let x = add(&attended, wanted)?;
            let x = add(&self.fed_forward(layer, &x, mode)?, &x)?;
            // The norm behind all layers counts as a part of the last one.
            match i + 1 == self.layers.len() {
                true => self.final_norm.forward(&x, mode.is_train()),
                false => Ok(x),
            }
        })
    }

    fn params(&self) -> Vec<&Param> {
        let mut all = vec![&self.words];
        all.extend(self.norm.params());
        all.extend(self.layers.iter().flat_map(Layer::params));
        all.extend(self.final_norm.params());
        all
    }
}

/// Which keys are tokens at most `reach` away from each query, (batch, 1, length, length) u8; the first dimension is 1
/// if no text is padded.
fn near(
    padding: &Padding,
    length: usize,
    reach: usize,
    device: &Device,
) -> candle_core::Result<Tensor> {
    let texts = match &padding.mask {
        Some(_) => padding.lengths.as_slice(),
        None => &[length],
    };
    let mut open = Vec::with_capacity(texts.len() * length * length);
    for &tokens in texts {
        for query in 0..length {
            open.extend(
                (0..length).map(|key| u8::from(key < tokens && query.abs_diff(key) <= reach)),
            );
        }
    }
    Tensor::from_vec(open, (texts.len(), 1, length, length), device)
}
