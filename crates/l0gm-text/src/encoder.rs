//! The text encoder: turns tokens, or intermediate results computed from them earlier, into the pooled embedding on
//! which the gate acts. In section 3 of the paper, the text interface is the pooled `[CLS]` embedding.
use crate::{Pooling, Result, TextInput, Transformer};
use candle_core::{Device, Tensor};
use l0gm_gate::{Gate, GateConfig, Interface, Schedule};
use l0gm_ops::Mode;
use l0gm_train::{Encoder, Gating, Parameter};

/// A Transformer of any known family with its pooling.
#[derive(Clone, Debug)]
pub struct TextEncoder {
    transformer: Transformer,
    pooling: Pooling,
    /// For granularity fine, the gates on the last states before they are pooled: one for each token position and
    /// dimension.
    tokens: Option<Gate>,
    /// Number of class scores that stand behind the pooled embedding in the interface.
    scores: usize,
}

impl TextEncoder {
    /// Combines an encoder with a pooling.
    pub fn new(transformer: Transformer, pooling: Pooling) -> Self {
        Self {
            transformer,
            pooling,
            tokens: None,
            scores: 0,
        }
    }

    /// Puts so many class scores of each text behind its pooled embedding. Batches must then hold them.
    pub fn with_scores(mut self, outputs: usize) -> Self {
        self.scores = outputs;
        self
    }

    /// Number of class scores in the interface.
    pub fn scores(&self) -> usize {
        self.scores
    }

    /// Width of the pooled embedding, which is the interface without class scores.
    pub fn width(&self) -> usize {
        self.transformer.shape().width
    }

    /// Adds a gate to every dimension at each of up to `max_tokens` token positions (granularity fine). `config`
    /// gives how far they start open, and `schedule` trains them.
    ///
    /// # Errors
    /// Fails if only one token is pooled, or if the gate refuses its settings.
    pub fn with_gates(
        mut self,
        max_tokens: usize,
        config: &GateConfig,
        schedule: &Schedule,
        device: &Device,
    ) -> Result<Self> {
        check_fine(self.pooling)?;
        let interface = Interface::Fields {
            fields: max_tokens,
            dim: self.transformer.shape().width,
        };
        self.tokens = Some(Gate::new(interface, config, schedule, device)?);
        Ok(self)
    }

    /// The encoder without its pooling.
    pub fn transformer(&self) -> &Transformer {
        &self.transformer
    }

    /// The pooling.
    pub fn pooling(&self) -> Pooling {
        self.pooling
    }

    /// The last states of the tokens that are pooled: all of them for the mean, otherwise only the first. `None` for
    /// features that are pooled already.
    pub(crate) fn states(
        &self,
        input: &TextInput,
        mode: &mut Mode<'_>,
    ) -> candle_core::Result<Option<Tensor>> {
        let (states, padding, from) = match input.text() {
            TextInput::Tokens { ids, padding } => (self.transformer.embed(ids, mode)?, padding, 0),
            TextInput::Hidden { states, padding } => (
                states.clone(),
                padding,
                self.transformer.trainable().from_layer,
            ),
            TextInput::Pooled(_) | TextInput::Scored { .. } => return Ok(None),
        };
        let layers = self.transformer.shape().layers;
        let states = match self.pooling {
            Pooling::Mean => self
                .transformer
                .layers(&states, padding, from, layers, mode)?,
            Pooling::Cls | Pooling::Pooler => {
                self.transformer.first_state(&states, padding, from, mode)?
            }
        };
        Ok(Some(states))
    }

    /// The pooled embedding, (batch, width).
    pub(crate) fn pooled(
        &self,
        input: &TextInput,
        mode: &mut Mode<'_>,
    ) -> candle_core::Result<Tensor> {
        let states = self.states(input, mode)?;
        match (input.text(), states) {
            (TextInput::Pooled(pooled), _) => Ok(pooled.clone()),
            (
                TextInput::Tokens { padding, .. } | TextInput::Hidden { padding, .. },
                Some(states),
            ) => match self.pooling {
                Pooling::Cls => self.transformer.pool_cls(&states),
                Pooling::Mean => self.transformer.pool_mean(&states, padding),
                Pooling::Pooler => self.transformer.pool_pooler(&states, mode),
            },
            _ => Err(candle_core::Error::Msg("a batch without states".into())),
        }
    }

    /// The interface: the pooled embedding with the batch's class scores behind it.
    fn interface_of(&self, pooled: Tensor, input: &TextInput) -> candle_core::Result<Tensor> {
        match (self.scores, input.scores()) {
            (0, _) => Ok(pooled),
            (_, Some(scores)) => Tensor::cat(&[&pooled, scores], 1), // (batch, width + scores)
            (outputs, None) => Err(candle_core::Error::Msg(format!(
                "the interface holds {outputs} class scores, but this batch has none"
            ))),
        }
    }
}

impl Encoder for TextEncoder {
    type Input = TextInput;

    fn interface(&self) -> Interface {
        Interface::Flat {
            dim: self.width() + self.scores,
        }
    }

    fn encode(&self, input: &TextInput, mode: &mut Mode<'_>) -> candle_core::Result<Tensor> {
        let pooled = self.pooled(input, mode)?;
        self.interface_of(pooled, input)
    }

    fn gates(&self) -> Vec<(&str, &Gate)> {
        self.tokens.iter().map(|gate| ("tokens", gate)).collect()
    }

    fn encode_gated(
        &self,
        input: &TextInput,
        gating: Gating,
        mode: &mut Mode<'_>,
    ) -> l0gm_train::Result<Tensor> {
        let Some(gate) = &self.tokens else {
            return Ok(self.encode(input, mode)?);
        };
        let (Some(states), Some(padding)) = (self.states(input, mode)?, input.padding()) else {
            return Err(l0gm_train::Error::Task(
                "gates on tokens need the tokens' states, but these features are pooled already"
                    .into(),
            ));
        };
        let (batch, length, _) = states.dims3()?; // (batch, length, width)
        let places = Tensor::arange(0, length as u32, states.device())?
            .broadcast_as((batch, length))?
            .contiguous()?;
        let gated = gate.forward_rows(&states, &places, gating.mode(mode))?;
        let pooled = self.transformer.pool_mean(&gated, padding)?;
        Ok(self.interface_of(pooled, input)?)
    }

    fn parameters(&self) -> Vec<Parameter> {
        self.transformer.parameters()
    }
}

/// Refuses a pooling that reads only one token.
pub(crate) fn check_fine(pooling: Pooling) -> Result<()> {
    if pooling == Pooling::Mean {
        return Ok(());
    }
    Err(crate::Error::Setting(
        "gate.granularity is fine, a gate a token x dimension before pooling, but this pooling reads the first \
         token alone; take pooling \"mean\", or granularity interface or group"
            .into(),
    ))
}
