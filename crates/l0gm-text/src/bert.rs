//! A BERT-family encoder (Devlin et al. 2019) in which every parameter can be trained. It has word, position and
//! token-type embeddings, then layers of self-attention and feed-forward networks, each followed by LayerNorm; all of
//! its operations have exact gradients. The paper pools its last states into the text interface.
use crate::bert_config::{Activation, BertConfig};
use crate::input::Padding;
use crate::params::{Dense, Norm, Param, WeightSource};
use crate::{Error, Result};
use candle_core::{IndexOp, Tensor};
use l0gm_ops::{Mode, add, attention, dropout, embedding, gelu, gelu_tanh, relu};
use l0gm_train::{Parameter, ParameterKind};

/// The part of the encoder that is trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trainable {
    /// Whether the embeddings are trained.
    pub embeddings: bool,
    /// The first trained layer; all later layers are trained too.
    pub from_layer: usize,
}

/// The encoder.
#[derive(Clone, Debug)]
pub struct Bert {
    config: BertConfig,
    trainable: Trainable,
    word: Param,
    position: Param,
    token_type: Param,
    norm: Norm,
    layers: Vec<Layer>,
    pooler: Option<Dense>,
    state_dropout: f64,
    attention_dropout: f64,
}

#[derive(Clone, Debug)]
struct Layer {
    query: Dense,
    key: Dense,
    value: Dense,
    attended: Dense,
    attended_norm: Norm,
    inner: Dense,
    outer: Dense,
    outer_norm: Norm,
}

impl Bert {
    /// Builds the encoder from a source of tensors. `dropout` replaces both dropout values of the configuration. The
    /// pooler is read only if it is needed.
    ///
    /// # Errors
    /// Fails if a tensor is missing or has another shape.
    pub fn new(
        config: &BertConfig,
        source: &mut dyn WeightSource,
        trainable: Trainable,
        pooler: bool,
        dropout: Option<f64>,
    ) -> Result<Self> {
        let dim = config.hidden_size;
        let mut table = |name: &str, rows: usize| {
            Param::new(
                source,
                format!("embeddings.{name}.weight"),
                &[rows, dim],
                ParameterKind::Weight,
                trainable.embeddings,
            )
        };
        let word = table("word_embeddings", config.vocab_size)?;
        let position = table("position_embeddings", config.max_position_embeddings)?;
        let token_type = table("token_type_embeddings", config.type_vocab_size)?;
        let norm = Norm::new(
            source,
            "embeddings.LayerNorm",
            dim,
            config.layer_norm_eps,
            trainable.embeddings,
        )?;
        let layers = (0..config.num_hidden_layers)
            .map(|i| Layer::new(config, source, i, i >= trainable.from_layer))
            .collect::<Result<_>>()?;
        let learns = trainable.from_layer < config.num_hidden_layers;
        let pooler = pooler
            .then(|| Dense::new(source, "pooler.dense", dim, dim, learns))
            .transpose()?;
        Ok(Self {
            trainable,
            word,
            position,
            token_type,
            norm,
            layers,
            pooler,
            state_dropout: dropout.unwrap_or(config.hidden_dropout_prob),
            attention_dropout: dropout.unwrap_or(config.attention_probs_dropout_prob),
            config: config.clone(),
        })
    }

    /// The encoder's configuration.
    pub fn config(&self) -> &BertConfig {
        &self.config
    }

    /// The part of the encoder that is trained.
    pub fn trainable(&self) -> Trainable {
        self.trainable
    }

    /// Computes the normalised word, position and token-type embeddings. `ids` is (batch, length) u32; the result is
    /// (batch, length, width).
    ///
    /// # Errors
    /// Fails if the sequence is longer than the position table or an id is out of range.
    pub fn embed(&self, ids: &Tensor, mode: &mut Mode<'_>) -> candle_core::Result<Tensor> {
        let mut mode = quiet(mode, self.trainable.embeddings);
        let track = mode.is_train();
        let (batch, length) = ids.dims2()?;
        let device = ids.device();
        let positions = Tensor::arange(0, length as u32, device)?
            .broadcast_as((batch, length))?
            .contiguous()?;
        let types = positions.zeros_like()?;
        let x = embedding(&self.word.read(track), ids)?;
        let x = add(&x, &embedding(&self.position.read(track), &positions)?)?;
        let x = add(&x, &embedding(&self.token_type.read(track), &types)?)?;
        let x = self.norm.forward(&x, track)?; // (batch, length, width)
        dropout(&x, self.state_dropout, &mut mode)
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
        let mut x = x.clone();
        for (i, layer) in self.layers.iter().enumerate().take(to).skip(from) {
            let mut mode = quiet(mode, i >= self.trainable.from_layer);
            x = self.layer(layer, &x, &x, padding, &mut mode)?;
        }
        Ok(x)
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
        let last = self.layers.len().saturating_sub(1);
        let below = last.max(from);
        let x = self.layers(x, padding, from, below, mode)?;
        let first = x.narrow(1, 0, 1)?.contiguous()?;
        match self.layers.get(below) {
            Some(layer) => {
                let mut mode = quiet(mode, below >= self.trainable.from_layer);
                self.layer(layer, &x, &first, padding, &mut mode)
            }
            None => Ok(first),
        }
    }

    /// The last states of a batch of tokens: (batch, length, width).
    ///
    /// # Errors
    /// Fails like [`Bert::embed`].
    pub fn forward(
        &self,
        ids: &Tensor,
        padding: &Padding,
        mode: &mut Mode<'_>,
    ) -> candle_core::Result<Tensor> {
        let x = self.embed(ids, mode)?;
        self.layers(&x, padding, 0, self.layers.len(), mode)
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
        let learns = self.trainable.from_layer < self.layers.len();
        pooler
            .forward(&self.pool_cls(states)?, learns && mode.is_train())?
            .tanh()
    }

    /// The pooler's weight (width, width) and bias (width,), if it was read.
    pub fn pooler(&self) -> Option<(Tensor, Tensor)> {
        self.pooler
            .as_ref()
            .map(|p| (p.weight.read(false), p.bias.read(false)))
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
        let below = self.params().into_iter();
        let poolers = self.pooler.as_ref().map_or(0, |p| p.params().len());
        below
            .take(self.params().len() - poolers)
            .map(Param::named)
            .collect()
    }

    fn params(&self) -> Vec<&Param> {
        let mut all = vec![&self.word, &self.position, &self.token_type];
        all.extend(self.norm.params());
        for layer in &self.layers {
            all.extend(layer.params());
        }
        if let Some(pooler) = &self.pooler {
            all.extend(pooler.params());
        }
        all
    }

    /// One layer's new states of the tokens `wanted`, which attend to all of `x`.
    fn layer(
        &self,
        layer: &Layer,
        x: &Tensor,
        wanted: &Tensor,
        padding: &Padding,
        mode: &mut Mode<'_>,
    ) -> candle_core::Result<Tensor> {
        let track = mode.is_train();
        let heads = self.config.num_attention_heads;
        let attended = attention(
            &layer.query.forward(wanted, track)?,
            &layer.key.forward(x, track)?,
            &layer.value.forward(x, track)?,
            padding.mask.as_ref(),
            heads,
            self.attention_dropout,
            mode,
        )?;
        let attended = layer.attended.forward(&attended, track)?;
        let attended = dropout(&attended, self.state_dropout, mode)?;
        let x = layer
            .attended_norm
            .forward(&add(&attended, wanted)?, track)?;
        let inner = layer.inner.forward(&x, track)?; // (batch, length, intermediate)
        let inner = match self.config.hidden_act {
            Activation::Gelu => gelu(&inner)?,
            Activation::GeluTanh => gelu_tanh(&inner)?,
            Activation::Relu => relu(&inner)?,
        };
        let outer = layer.outer.forward(&inner, track)?;
        let outer = dropout(&outer, self.state_dropout, mode)?;
        layer.outer_norm.forward(&add(&outer, &x)?, track)
    }
}

impl Layer {
    fn new(
        config: &BertConfig,
        source: &mut dyn WeightSource,
        index: usize,
        trainable: bool,
    ) -> Result<Self> {
        let (dim, wide) = (config.hidden_size, config.intermediate_size);
        let mut dense = |name: &str, inputs, outputs| {
            Dense::new(
                source,
                &format!("encoder.layer.{index}.{name}"),
                inputs,
                outputs,
                trainable,
            )
        };
        let query = dense("attention.self.query", dim, dim)?;
        let key = dense("attention.self.key", dim, dim)?;
        let value = dense("attention.self.value", dim, dim)?;
        let attended = dense("attention.output.dense", dim, dim)?;
        let inner = dense("intermediate.dense", dim, wide)?;
        let outer = dense("output.dense", wide, dim)?;
        let mut norm = |name: &str| {
            Norm::new(
                source,
                &format!("encoder.layer.{index}.{name}.LayerNorm"),
                dim,
                config.layer_norm_eps,
                trainable,
            )
        };
        Ok(Self {
            query,
            key,
            value,
            attended,
            attended_norm: norm("attention.output")?,
            inner,
            outer,
            outer_norm: norm("output")?,
        })
    }

    fn params(&self) -> Vec<&Param> {
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

/// Uses training mode only for trained parts. Frozen parts run as in inference, without dropout or gradients.
fn quiet<'a>(mode: &'a mut Mode<'_>, learns: bool) -> Mode<'a> {
    if learns { mode.reborrow() } else { Mode::Eval }
}

/// Fails if sequences of `max_tokens` tokens do not fit the position table.
pub(crate) fn check_length(config: &BertConfig, max_tokens: usize) -> Result<()> {
    if max_tokens > config.max_position_embeddings {
        return Err(Error::Setting(format!(
            "max-tokens is {max_tokens}; the encoder has positions for {} (max_position_embeddings)",
            config.max_position_embeddings
        )));
    }
    Ok(())
}
