//! Parts that several families share: the embeddings of tokens, and the layer of BERT (Devlin et al. 2019), in which
//! attention and a feed-forward network are each followed by a residual connection and LayerNorm.
use crate::Result;
use crate::params::{Dense, Norm, Param, WeightSource};
use candle_core::Tensor;
use l0gm_ops::{Mode, add, dropout, embedding, gelu, gelu_tanh, relu};
use l0gm_train::ParameterKind;
use serde::{Deserialize, Serialize};

/// The activation between the two feed-forward layers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub enum Activation {
    /// GELU with the error function.
    #[default]
    #[serde(rename = "gelu", alias = "gelu_python")]
    Gelu,
    /// The tanh approximation of GELU.
    #[serde(rename = "gelu_new", alias = "gelu_pytorch_tanh", alias = "gelu_fast")]
    GeluTanh,
    /// max(0, x).
    #[serde(rename = "relu")]
    Relu,
}

impl Activation {
    pub(crate) fn apply(self, x: &Tensor) -> candle_core::Result<Tensor> {
        match self {
            Self::Gelu => gelu(x),
            Self::GeluTanh => gelu_tanh(x),
            Self::Relu => relu(x),
        }
    }
}

/// How the rows of a position table are counted.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Places {
    /// From row 0.
    Plain,
    /// Over the tokens that are not padding, from the row behind the padding token's id. Padding has that row itself.
    /// This is how fairseq counts, from which RoBERTa and MPNet come.
    Behind(u32),
}

/// The sizes of a family's embeddings. A table with 0 rows does not exist.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tables {
    pub(crate) vocabulary: usize,
    pub(crate) positions: usize,
    pub(crate) types: usize,
    pub(crate) width: usize,
    pub(crate) places: Places,
    pub(crate) epsilon: f64,
    pub(crate) dropout: f64,
}

/// The sum of word, position and token-type embeddings, normalised. All tokens have type 0, as the tokens of a text
/// without a second one do.
#[derive(Clone, Debug)]
pub(crate) struct Embeddings {
    word: Param,
    position: Option<Param>,
    token_type: Option<Param>,
    norm: Norm,
    places: Places,
    dropout: f64,
}

impl Embeddings {
    pub(crate) fn new(
        source: &mut dyn WeightSource,
        tables: Tables,
        trainable: bool,
    ) -> Result<Self> {
        let mut table = |name: &str, rows: usize| {
            Param::new(
                source,
                format!("embeddings.{name}.weight"),
                &[rows, tables.width],
                ParameterKind::Weight,
                trainable,
            )
        };
        let word = table("word_embeddings", tables.vocabulary)?;
        let mut optional =
            |name: &str, rows: usize| (rows > 0).then(|| table(name, rows)).transpose();
        Ok(Self {
            word,
            position: optional("position_embeddings", tables.positions)?,
            token_type: optional("token_type_embeddings", tables.types)?,
            norm: Norm::new(
                source,
                "embeddings.LayerNorm",
                tables.width,
                tables.epsilon,
                trainable,
            )?,
            places: tables.places,
            dropout: tables.dropout,
        })
    }

    /// The embeddings (batch, length, width) of ids (batch, length).
    pub(crate) fn forward(&self, ids: &Tensor, mode: &mut Mode<'_>) -> candle_core::Result<Tensor> {
        let track = mode.is_train();
        let mut x = embedding(&self.word.read(track), ids)?;
        if let Some(position) = &self.position {
            let rows = self.places.rows(ids)?;
            x = add(&x, &embedding(&position.read(track), &rows)?)?;
        }
        if let Some(token_type) = &self.token_type {
            x = add(&x, &embedding(&token_type.read(track), &ids.zeros_like()?)?)?;
        }
        let x = self.norm.forward(&x, track)?; // (batch, length, width)
        dropout(&x, self.dropout, mode)
    }

    pub(crate) fn params(&self) -> Vec<&Param> {
        let mut all = vec![&self.word];
        all.extend(&self.position);
        all.extend(&self.token_type);
        all.extend(self.norm.params());
        all
    }
}

impl Places {
    /// The row of each token's position, in the shape of the ids (batch, length).
    fn rows(self, ids: &Tensor) -> candle_core::Result<Tensor> {
        let (batch, length) = ids.dims2()?;
        let Self::Behind(padding) = self else {
            let row = Tensor::arange(0, length as u32, ids.device())?;
            return row.broadcast_as((batch, length))?.contiguous();
        };
        let mut rows = Vec::with_capacity(batch * length);
        for text in ids.to_vec2::<u32>()? {
            let mut last = padding;
            rows.extend(text.into_iter().map(|id| {
                if id == padding {
                    return padding;
                }
                last += 1;
                last
            }));
        }
        Tensor::from_vec(rows, (batch, length), ids.device())
    }
}

/// What the tensors of a layer are called behind the layer's own name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LayerNames {
    pub(crate) query: &'static str,
    pub(crate) key: &'static str,
    pub(crate) value: &'static str,
    pub(crate) attended: &'static str,
    pub(crate) attended_norm: &'static str,
    pub(crate) inner: &'static str,
    pub(crate) outer: &'static str,
    pub(crate) outer_norm: &'static str,
}

/// The names that BERT's layers have, and those of the families that kept them.
pub(crate) const BERT_NAMES: LayerNames = LayerNames {
    query: "attention.self.query",
    key: "attention.self.key",
    value: "attention.self.value",
    attended: "attention.output.dense",
    attended_norm: "attention.output.LayerNorm",
    inner: "intermediate.dense",
    outer: "output.dense",
    outer_norm: "output.LayerNorm",
};

/// The sizes of a layer, and what it applies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LayerSizes {
    pub(crate) width: usize,
    pub(crate) inner: usize,
    pub(crate) epsilon: f64,
    pub(crate) activation: Activation,
    /// Dropout on what attention adds to a state.
    pub(crate) attended_dropout: f64,
    /// Dropout on what the feed-forward network adds to a state.
    pub(crate) outer_dropout: f64,
}

/// BERT's layer, without the attention between queries, keys and values.
#[derive(Clone, Debug)]
pub(crate) struct PostNormLayer {
    pub(crate) query: Dense,
    pub(crate) key: Dense,
    value: Dense,
    attended: Dense,
    attended_norm: Norm,
    inner: Dense,
    outer: Dense,
    outer_norm: Norm,
    sizes: LayerSizes,
}

impl PostNormLayer {
    /// Reads the layer whose tensors begin with `prefix`.
    pub(crate) fn new(
        source: &mut dyn WeightSource,
        prefix: &str,
        names: &LayerNames,
        sizes: LayerSizes,
        trainable: bool,
    ) -> Result<Self> {
        let (dim, wide) = (sizes.width, sizes.inner);
        let mut dense = |name: &str, inputs, outputs| {
            Dense::new(
                source,
                &format!("{prefix}.{name}"),
                inputs,
                outputs,
                trainable,
            )
        };
        let query = dense(names.query, dim, dim)?;
        let key = dense(names.key, dim, dim)?;
        let value = dense(names.value, dim, dim)?;
        let attended = dense(names.attended, dim, dim)?;
        let inner = dense(names.inner, dim, wide)?;
        let outer = dense(names.outer, wide, dim)?;
        let mut norm = |name: &str| {
            let name = format!("{prefix}.{name}");
            Norm::new(source, &name, dim, sizes.epsilon, trainable)
        };
        Ok(Self {
            query,
            key,
            value,
            attended,
            attended_norm: norm(names.attended_norm)?,
            inner,
            outer,
            outer_norm: norm(names.outer_norm)?,
            sizes,
        })
    }

    /// The new states of the tokens `wanted`, which attend to all of `x`. `attend` is given their queries, and the keys
    /// and values of all tokens, each (batch, length, width).
    pub(crate) fn forward(
        &self,
        x: &Tensor,
        wanted: &Tensor,
        mode: &mut Mode<'_>,
        attend: impl FnOnce(&Tensor, &Tensor, &Tensor, &mut Mode<'_>) -> candle_core::Result<Tensor>,
    ) -> candle_core::Result<Tensor> {
        let track = mode.is_train();
        let attended = attend(
            &self.query.forward(wanted, track)?,
            &self.key.forward(x, track)?,
            &self.value.forward(x, track)?,
            mode,
        )?;
        let attended = self.attended.forward(&attended, track)?;
        let attended = dropout(&attended, self.sizes.attended_dropout, mode)?;
        let x = self
            .attended_norm
            .forward(&add(&attended, wanted)?, track)?;
        let inner = self.inner.forward(&x, track)?; // (batch, length, inner)
        let inner = self.sizes.activation.apply(&inner)?;
        let outer = self.outer.forward(&inner, track)?;
        let outer = dropout(&outer, self.sizes.outer_dropout, mode)?;
        self.outer_norm.forward(&add(&outer, &x)?, track)
    }

    pub(crate) fn params(&self) -> Vec<&Param> {
        let mut all = Vec::new();
        for dense in [&self.query, &self.key, &self.value, &self.attended] {
            all.extend(dense.params());
        }
        all.extend(self.attended_norm.params());
        for dense in [&self.inner, &self.outer] {
            all.extend(dense.params());
        }
        all.extend(self.outer_norm.params());
        all
    }
}
