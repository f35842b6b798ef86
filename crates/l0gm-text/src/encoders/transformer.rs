//! A Transformer encoder of one of the known families, in which every parameter can be trained: embeddings of tokens,
//! layers of self-attention and feed-forward networks, and a pooler where the checkpoint has one. All of its
//! operations have exact gradients. The paper pools its last states into the text interface.
use super::{Family, Steps, quiet};
use crate::input::Padding;
use crate::params::{Dense, Param, WeightSource};
use crate::{EncoderConfig, EncoderShape, Result};
use candle_core::{IndexOp, Tensor};
use l0gm_ops::Mode;
use l0gm_train::Parameter;
use std::sync::Arc;

/// The part of the encoder that is trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trainable {
    /// Whether the embeddings are trained, with the table of relative positions that all layers share.
    pub embeddings: bool,
    /// The first trained layer; all later layers are trained too.
    pub from_layer: usize,
}

/// An encoder of any family, from tokens to one vector a text.
#[derive(Clone, Debug)]
pub struct Transformer {
    config: EncoderConfig,
    shape: EncoderShape,
    trainable: Trainable,
    family: Arc<dyn Family>,
    pooler: Option<Dense>,
}

impl Transformer {
    /// Builds the encoder from a source of tensors. `dropout` replaces all dropout values of the configuration. The
    /// pooler is read only if it is needed (`pooler`), the family has one, and the source holds it.
    ///
    /// # Errors
    /// Fails if a tensor is missing or has another shape.
    pub fn new(
        config: &EncoderConfig,
        source: &mut dyn WeightSource,
        trainable: Trainable,
        pooler: bool,
        dropout: Option<f64>,
    ) -> Result<Self> {
        let known = config.family();
        let shape = known.shape();
        let family = known.build(source, trainable, dropout)?;
        let learns = trainable.from_layer < shape.layers;
        let wanted = pooler && known.has_pooler() && source.holds("pooler.dense.weight");
        let pooler = wanted
            .then(|| Dense::new(source, "pooler.dense", shape.width, shape.width, learns))
            .transpose()?;
        Ok(Self {
            config: config.clone(),
            shape,
            trainable,
            family,
            pooler,
        })
    }

    /// The encoder's configuration.
    pub fn config(&self) -> &EncoderConfig {
        &self.config
    }

    /// The encoder's sizes.
    pub fn shape(&self) -> EncoderShape {
        self.shape
    }

    /// The part of the encoder that is trained.
    pub fn trainable(&self) -> Trainable {
        self.trainable
    }

    /// Computes the states that enter the first layer. `ids` is (batch, length) u32; the result is
    /// (batch, length, width).
    ///
    /// # Errors
    /// Fails if the sequence is longer than the position table or an id is out of range.
    pub fn embed(&self, ids: &Tensor, mode: &mut Mode<'_>) -> candle_core::Result<Tensor> {
        self.family
            .embed(ids, &mut quiet(mode, self.trainable.embeddings))
    }

    /// Applies layers `from..to` to states. `x` and the result are (batch, length, width).
    ///
    /// # Errors
    /// Fails if a shape does not match.
    pub fn layers(
        &self,
        x: &Tensor,
        padding: &Padding,
        from: usize,
        to: usize,
        mode: &mut Mode<'_>,
    ) -> candle_core::Result<Tensor> {
        let steps = Steps {
            from,
            to: to.min(self.shape.layers),
            first_only: false,
            trainable: self.trainable,
        };
        self.family.layers(x, padding, steps, mode)
    }

    /// Like [`layers`](Self::layers) from `from` to the last layer, for the first token alone: (batch, 1, width). In
    /// the last layer, queries, feed-forward network and norms are computed for that token only; keys and values are
    /// computed for all tokens.
    ///
    /// # Errors
    /// Fails if a shape does not match.
    pub fn first_state(
        &self,
        x: &Tensor,
        padding: &Padding,
        from: usize,
        mode: &mut Mode<'_>,
    ) -> candle_core::Result<Tensor> {
        let steps = Steps {
            from,
            to: self.shape.layers,
            first_only: true,
            trainable: self.trainable,
        };
        self.family.layers(x, padding, steps, mode)
    }

    /// The last states of a batch of tokens: (batch, length, width).
    ///
    /// # Errors
    /// Fails like [`Transformer::embed`].
    pub fn forward(
        &self,
        ids: &Tensor,
        padding: &Padding,
        mode: &mut Mode<'_>,
    ) -> candle_core::Result<Tensor> {
        let x = self.embed(ids, mode)?;
        self.layers(&x, padding, 0, self.shape.layers, mode)
    }

    /// The state of the first token: (batch, width).
    ///
    /// # Errors
    /// Fails if the states have another shape.
    pub fn pool_cls(&self, states: &Tensor) -> candle_core::Result<Tensor> {
        states.i((.., 0))?.contiguous()
    }

    /// The mean of the tokens' states, without padding: (batch, width).
    ///
    /// # Errors
    /// Fails if the states have another shape.
    pub fn pool_mean(&self, states: &Tensor, padding: &Padding) -> candle_core::Result<Tensor> {
        let weights = padding.mean_weights(states.device())?; // (batch, 1, length)
        weights.matmul(states)?.squeeze(1)
    }

    /// The state of the first token after the pooler: (batch, width).
    ///
    /// # Errors
    /// Fails if the encoder was built without its pooler.
    pub fn pool_pooler(&self, states: &Tensor, mode: &Mode<'_>) -> candle_core::Result<Tensor> {
        let pooler = self.pooler.as_ref().ok_or_else(|| {
            candle_core::Error::Msg("the encoder was built without its pooler".into())
        })?;
        let learns = self.trainable.from_layer < self.shape.layers;
        pooler
            .forward(&self.pool_cls(states)?, learns && mode.is_train())?
            .tanh()
    }

    /// Whether a pooler was read.
    pub fn has_pooler(&self) -> bool {
        self.pooler.is_some()
    }

    /// The pooler's weight (width, width) and bias (width,), if it was read.
    pub fn pooler(&self) -> Option<(Tensor, Tensor)> {
        let pooler = self.pooler.as_ref()?;
        let bias = pooler.bias.as_ref()?;
        Some((pooler.weight.read(false), bias.read(false)))
    }

    /// Every trained parameter, in the order of the layers.
    pub fn parameters(&self) -> Vec<Parameter> {
        let mut out = Vec::new();
        for param in self.params() {
            param.append(&mut out);
        }
        out
    }

    /// Number of values in all tensors, including frozen ones.
    pub fn elements(&self) -> usize {
        self.params().iter().map(|p| p.elements()).sum()
    }

    /// Every tensor except the pooler's, by its name on the hub.
    pub(crate) fn tensors_below_pooler(&self) -> Result<Vec<(String, Tensor)>> {
        self.family.params().into_iter().map(Param::named).collect()
    }

    fn params(&self) -> Vec<&Param> {
        let mut all = self.family.params();
        all.extend(self.pooler.iter().flat_map(Dense::params));
        all
    }
}
