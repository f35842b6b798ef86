//! The families of encoders that can be read and trained, one file each. A family says how its `config.json` is
//! read, what its tensors are called, how tokens are embedded, and what a layer computes. What they have in common is
//! in [`blocks`], and [`Transformer`] is the encoder of any family.
//!
//! To add a family, write a file here with its configuration and its layers, and add it to [`EncoderConfig`].
mod attention;
mod bert;
mod blocks;
mod config;
mod deberta;
mod distilbert;
mod electra;
mod modernbert;
mod mpnet;
mod roberta;
mod transformer;

pub use bert::BertConfig;
pub use blocks::Activation;
pub use config::{EncoderConfig, EncoderShape};
pub use deberta::{DebertaConfig, PositionTerms};
pub use distilbert::DistilBertConfig;
pub use electra::ElectraConfig;
pub use modernbert::{LayerType, ModernBertConfig, RotaryAngles, RotaryKinds};
pub use mpnet::MpnetConfig;
pub use roberta::RobertaConfig;
pub use transformer::{Trainable, Transformer};

use crate::Result;
use crate::input::Padding;
use crate::params::{Param, WeightSource};
use candle_core::Tensor;
use l0gm_ops::Mode;
use std::fmt::Debug;
use std::sync::Arc;

/// What is known of a family before its weights are read.
pub(crate) trait FamilyConfig: Debug {
    /// The sizes on which other parts of this crate depend.
    fn shape(&self) -> EncoderShape;

    /// Refuses keys that are out of range, contradict each other or are not supported. The message names the key.
    fn check(&self) -> std::result::Result<(), String>;

    /// Builds the encoder below the pooler. `dropout` replaces all dropout values.
    fn build(
        &self,
        source: &mut dyn WeightSource,
        trainable: Trainable,
        dropout: Option<f64>,
    ) -> Result<Arc<dyn Family>>;

    /// Whether the family's checkpoints may have a pooler, a linear layer and tanh on the first token's state.
    fn has_pooler(&self) -> bool {
        false
    }

    /// Operations of all layers for one text of so many tokens.
    fn flops(&self, tokens: f64) -> f64 {
        let shape = self.shape();
        let (dim, wide) = (shape.width as f64, shape.inner as f64);
        let a_token =
            2.0 * (4.0 * dim * dim + shape.inner_products * dim * wide) + 4.0 * tokens * dim;
        shape.layers as f64 * a_token * tokens
    }
}

/// The weights of a family, without a pooler, and what is computed with them.
pub(crate) trait Family: Debug + Send + Sync {
    /// The states (batch, length, width) that enter the first layer, from ids (batch, length).
    fn embed(&self, ids: &Tensor, mode: &mut Mode<'_>) -> candle_core::Result<Tensor>;

    /// Applies the layers that `steps` names to states (batch, length, width).
    fn layers(
        &self,
        x: &Tensor,
        padding: &Padding,
        steps: Steps,
        mode: &mut Mode<'_>,
    ) -> candle_core::Result<Tensor>;

    /// Every tensor, in the order of the layers.
    fn params(&self) -> Vec<&Param>;
}

/// Which layers a pass applies, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Steps {
    /// The first layer.
    from: usize,
    /// One more than the last layer.
    to: usize,
    /// Whether the last layer computes the first token's state alone, and the result is that state.
    first_only: bool,
    trainable: Trainable,
}

impl Steps {
    /// Applies `layer` for each index in turn. It is given all states, and the states of the first tokens that are
    /// wanted, which may attend to all.
    fn walk(
        self,
        x: &Tensor,
        mode: &mut Mode<'_>,
        mut layer: impl FnMut(usize, &Tensor, &Tensor, &mut Mode<'_>) -> candle_core::Result<Tensor>,
    ) -> candle_core::Result<Tensor> {
        let mut x = x.clone();
        for index in self.from..self.to {
            let mut mode = quiet(mode, index >= self.trainable.from_layer);
            let wanted = match self.first_only && index + 1 == self.to {
                true => first_of(&x)?,
                false => x.clone(),
            };
            x = layer(index, &x, &wanted, &mut mode)?;
        }
        // Without a layer to compute, the states are only cut.
        match self.first_only && self.from >= self.to {
            true => first_of(&x),
            false => Ok(x),
        }
    }

    /// The mode in which the tables that all layers share are used.
    fn shared<'a>(&self, mode: &'a mut Mode<'_>) -> Mode<'a> {
        quiet(mode, self.trainable.embeddings)
    }
}

/// The first token's state of every text, (batch, 1, width).
fn first_of(x: &Tensor) -> candle_core::Result<Tensor> {
    x.narrow(1, 0, 1)?.contiguous()
}

/// Uses training mode only for trained parts. Frozen parts run as in inference, without dropout or gradients.
fn quiet<'a>(mode: &'a mut Mode<'_>, learns: bool) -> Mode<'a> {
    if learns { mode.reborrow() } else { Mode::Eval }
}
