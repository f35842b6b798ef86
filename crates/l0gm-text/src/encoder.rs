//! The text encoder: tokens, or what was computed from them before, to the pooled embedding that the
//! gate stands on (section 3 of the paper: the pooled `[CLS]` embedding is the text interface).
use crate::{Bert, Pooling, TextInput};
use candle_core::Tensor;
use l0gm_gate::Interface;
use l0gm_ops::Mode;
use l0gm_train::{Encoder, Parameter};

/// A BERT-family encoder with its pooling.
#[derive(Clone, Debug)]
pub struct TextEncoder {
    bert: Bert,
    pooling: Pooling,
}

impl TextEncoder {
    /// Puts a pooling on an encoder.
    pub fn new(bert: Bert, pooling: Pooling) -> Self {
        Self { bert, pooling }
    }

    /// The encoder below the pooling.
    pub fn bert(&self) -> &Bert {
        &self.bert
    }

    /// The pooling.
    pub fn pooling(&self) -> Pooling {
        self.pooling
    }

    /// Last states of the tokens that are pooled: of all of them for the mean, else of the first alone;
    /// `None` for features that are pooled already.
    pub(crate) fn states(
        &self,
        input: &TextInput,
        mode: &mut Mode<'_>,
    ) -> candle_core::Result<Option<Tensor>> {
        let (states, padding, from) = match input {
            TextInput::Tokens { ids, padding } => (self.bert.embed(ids, mode)?, padding, 0),
            TextInput::Hidden { states, padding } => {
                (states.clone(), padding, self.bert.trainable().from_layer)
            }
            TextInput::Pooled(_) => return Ok(None),
        };
        let layers = self.bert.config().num_hidden_layers;
        let states = match self.pooling {
            Pooling::Mean => self.bert.layers(&states, padding, from, layers, mode)?,
            Pooling::Cls | Pooling::Pooler => {
                self.bert.first_state(&states, padding, from, mode)?
            }
        };
        Ok(Some(states))
    }
}

impl Encoder for TextEncoder {
    type Input = TextInput;

    fn interface(&self) -> Interface {
        Interface::Flat {
            dim: self.bert.config().hidden_size,
        }
    }

    fn encode(&self, input: &TextInput, mode: &mut Mode<'_>) -> candle_core::Result<Tensor> {
        let states = self.states(input, mode)?;
        match (input, states) {
            (TextInput::Pooled(pooled), _) => Ok(pooled.clone()),
            (
                TextInput::Tokens { padding, .. } | TextInput::Hidden { padding, .. },
                Some(states),
            ) => match self.pooling {
                Pooling::Cls => self.bert.pool_cls(&states),
                Pooling::Mean => self.bert.pool_mean(&states, padding),
                Pooling::Pooler => self.bert.pool_pooler(&states, mode),
            },
            (_, None) => Err(candle_core::Error::Msg("a batch without states".into())),
        }
    }

    fn parameters(&self) -> Vec<Parameter> {
        self.bert.parameters()
    }
}
