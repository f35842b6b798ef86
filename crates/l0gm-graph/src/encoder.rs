//! A graph neural network, full batch. With the default encoder it is the graph convolutional network of eq. 2 of the
//! paper (Kipf and Welling 2017):
//!
//! ```text
//! H⁽ˡ⁺¹⁾ = σ(D̃^(-1/2) Ã D̃^(-1/2) H⁽ˡ⁾ W⁽ˡ⁾),   H⁽⁰⁾ = X
//! ```
//!
//! Ã is the adjacency matrix with self-loops, D̃ its degrees, σ the ReLU; Â below is the product of the three
//! matrices. Weights are stored as Wᵀ, (out, in). Other encoders have something else in place of Â H W, each in its file
//! in `convolution/`. Settings add to the equation a bias, a normalisation before σ, a weight for the node's own
//! representation, a residual connection, dropout after each layer, a graph that loses edges in each step, and gates on
//! what each layer reads (granularity fine). The last layer's output for the wanted nodes, or all layers' outputs, are
//! the interface, followed by class scores of linear models where settings ask for them.
//!
//! [`CompactModel`](crate::CompactModel) is the compact form of a trained model.

use crate::drop_edge::drop_edges;
use crate::feature_dropout::drop_features;
use crate::gathering::Gathering;
use crate::layer::{Layer, LayerShape, Weights};
use crate::norm::NormKind;
use crate::propagation::{Messages, Receivers};
use crate::scores::{Reach, Scores};
use crate::settings::{EncoderKind, GcnSettings, Jumping};
use crate::{GraphInput, Result};
use candle_core::{Device, Tensor};
use l0gm_gate::{Gate, GateConfig, GateKind, Interface, Schedule};
use l0gm_ops::{Generator, Mode, dropout};
use l0gm_train::{Encoder, Gating, Parameter};

/// A graph neural network.
#[derive(Clone, Debug)]
pub struct GraphEncoder {
    pub(crate) kind: EncoderKind,
    pub(crate) layers: Vec<Layer>,
    dropout: f64,
    interface_dropout: f64,
    input_dropout: f64,
    /// Share of the edges that each training step leaves out.
    drop_edge: f64,
    pub(crate) jumping: Jumping,
    /// The gates of granularity fine, one for each channel that a layer reads, starting with the raw node
    /// attributes. They leave out the last layer's output, which is the interface and has the model's gate. Empty for
    /// other granularities.
    pub(crate) fine: Vec<(String, Gate)>,
    /// Class scores that follow the network's channels in the interface. Empty if there are none.
    pub(crate) scores: Vec<Scores>,
    /// Whether features that are mostly 0 are multiplied as a sparse matrix.
    pub(crate) sparse: bool,
}

impl GraphEncoder {
    /// A network of this kind for nodes with this number of features, initialised from `generator`.
    pub fn new(
        kind: EncoderKind,
        features: usize,
        settings: &GcnSettings,
        generator: &mut Generator,
        device: &Device,
    ) -> Result<Self> {
        let mut layers = Vec::with_capacity(settings.layers);
        let mut inputs = features;
        for (number, width) in settings.widths().into_iter().enumerate() {
            let last = number + 1 == settings.layers;
            let wanted = if last {
                settings.norm_last
            } else {
                settings.norm
            };
            let norm = match (wanted, settings.batch_norm) {
                (false, _) => NormKind::None,
                (true, false) => NormKind::Layer,
                (true, true) => NormKind::Batch,
            };
            let shape = LayerShape {
                number,
                inputs,
                width,
                norm,
            };
            layers.push(Layer::new(shape, kind, settings, generator, device)?);
            inputs = width;
        }
        Ok(Self {
            kind,
            layers,
            dropout: settings.dropout,
            interface_dropout: settings.interface_dropout,
            input_dropout: settings.input_dropout,
            drop_edge: settings.drop_edge,
            jumping: settings.joins(),
            fine: Vec::new(),
            scores: Vec::new(),
            sparse: settings.sparse_features,
        })
    }

    /// Adds the scores of two regressions to the interface, `outputs` channels each. They are 0 until fitted
    /// regressions are put into them.
    pub(crate) fn with_scores(mut self, outputs: usize, device: &Device) -> Result<Self> {
        let features = self.layers.first().map_or(Ok(0), |l| l.weight.dim(1))?;
        for reach in Reach::ALL {
            let scores = Scores::new(reach, outputs, features, device)?;
            self.scores.push(scores);
        }
        Ok(self)
    }

    /// Number of the interface's channels that the network computes. They come before the scores.
    pub(crate) fn channels(&self) -> usize {
        let width = |layer: &Layer| layer.weight.dim(0).unwrap_or_default();
        match self.jumping {
            Jumping::Concat => self.layers.iter().map(width).sum(),
            Jumping::None | Jumping::Max => self.layers.last().map_or(0, width),
        }
    }

    /// Adds a gate to every channel of the raw node attributes and of every layer but the last (granularity fine).
    /// `config` gives how far they start open, and `schedule` trains them.
    pub fn with_gates(
        mut self,
        config: &GateConfig,
        schedule: &Schedule,
        device: &Device,
    ) -> Result<Self> {
        for (number, layer) in self.layers.iter().enumerate() {
            let name = match number {
                0 => "features".to_owned(),
                _ => format!("{}.{}", self.kind.name(), number - 1),
            };
            let interface = Interface::Flat {
                dim: layer.weight.dim(1)?,
            };
            let gate = Gate::new(interface, config, schedule, device)?;
            self.fine.push((name, gate));
        }
        Ok(self)
    }

    /// Whether the features are only multiplied, so that a step needs none of them written out.
    fn multiplies_features(&self) -> bool {
        let residual = self.layers.first().is_some_and(|first| first.residual);
        let shared = self.fine.first().is_none_or(|(_, gate)| is_shared(gate));
        self.kind != EncoderKind::SageMax && !residual && shared
    }

    /// How the first layer gathers; `None` for attention.
    fn first_gathering(&self) -> Option<Gathering> {
        self.layers.first().and_then(|l| l.convolution.gathering())
    }

    /// H⁽⁰⁾ = X as the first layer reads it, and that layer's weights, after the gate on the raw attributes. If z is the
    /// same for every node, the weights take it, and what is gathered of X need not be computed anew.
    fn gated_features(
        &self,
        input: &GraphInput,
        gating: Gating,
        mode: &mut Mode<'_>,
    ) -> l0gm_train::Result<(Messages, Option<Weights>)> {
        let (Some((_, gate)), Some(first)) = (self.fine.first(), self.layers.first()) else {
            let by = self.first_gathering();
            return Ok((Messages::features(input, by, self.sparse)?, None));
        };
        let mode = gating.mode(mode);
        if (is_shared(gate) || !mode.is_train()) && !first.residual {
            let features = Messages::features(input, self.first_gathering(), self.sparse)?;
            let weights = first.gated_weights(|rows| gate.forward(rows, mode))?;
            return Ok((features, Some(weights)));
        }
        let x = input.graph.features()?;
        Ok((Messages::new(gate.forward(x, mode)?), None))
    }

    /// Runs all layers on the first layer's input. `first` are the first layer's weights where they are not its own, and
    /// `before(h, number, mode)` transforms the input of every later layer.
    fn through<E: From<candle_core::Error>>(
        &self,
        input: &GraphInput,
        (mut messages, mut first): (Messages, Option<Weights>),
        mode: &mut Mode<'_>,
        before: impl Fn(Tensor, usize, &mut Mode<'_>) -> std::result::Result<Tensor, E>,
    ) -> std::result::Result<Tensor, E> {
        let wanted = Receivers::of(input, true);
        let mut outputs = Vec::new();
        for (number, layer) in self.layers.iter().enumerate() {
            let last = number + 1 == self.layers.len();
            if number > 0 {
                messages = Messages::new(before(messages.into_h()?, number, mode)?);
            }
            let weights = first.take().unwrap_or_else(|| layer.weights());
            let h = layer.forward(&messages, &Receivers::of(input, last), &weights, mode)?;
            let rate = match last {
                true => self.interface_dropout,
                false => self.dropout,
            };
            let h = dropout(&h, rate, mode)?;
            if self.jumping != Jumping::None || last {
                outputs.push(match last {
                    true => h.clone(),
                    false => wanted.rows(&h)?,
                });
            }
            messages = Messages::new(h);
        }
        Ok(self.jumping.joined(outputs)?)
    }

    /// The interface: the network's channels, which `of_network` computes on the input of this step, and the scores.
    fn with_input<E: From<candle_core::Error>>(
        &self,
        input: &GraphInput,
        mode: &mut Mode<'_>,
        of_network: impl FnOnce(&GraphInput, &mut Mode<'_>) -> std::result::Result<Tensor, E>,
    ) -> std::result::Result<Tensor, E> {
        let mut seen = input.clone();
        if let Mode::Train(generator) = mode {
            if self.drop_edge > 0.0 && self.kind != EncoderKind::Mlp {
                seen = drop_edges(&seen, self.drop_edge, generator)?;
            }
            if self.input_dropout > 0.0 {
                let sparse = self.sparse && self.multiplies_features();
                seen = drop_features(&seen, self.input_dropout, sparse, generator)?;
            }
        }
        let h = of_network(&seen, mode)?; // (wanted nodes, channels)
        if self.scores.is_empty() {
            return Ok(h);
        }
        let mut interface = vec![h];
        for scores in &self.scores {
            interface.push(scores.of(input, self.sparse)?);
        }
        Ok(Tensor::cat(&interface, 1)?)
    }

    /// Floating-point operations of one full forward pass; a multiply-add counts as two. The normalised adjacency has
    /// `entries` stored entries, and what the first layer gathers has been computed already.
    pub(crate) fn flops(&self, nodes: usize, entries: usize) -> u64 {
        let layers = self.layers.iter().enumerate();
        let of_layers = layers.map(|(number, layer)| layer.flops(nodes, entries, number == 0));
        let of_scores = self.scores.iter();
        let of_scores = of_scores.map(|own| own.reach.flops(nodes, entries, &own.weight) as u64);
        of_layers.chain(of_scores).sum()
    }
}

/// Whether a training step draws one z for all nodes.
fn is_shared(gate: &Gate) -> bool {
    let config = gate.config();
    config.is_none_or(|config| matches!(config.kind, GateKind::Static | GateKind::Fixed))
}

impl Encoder for GraphEncoder {
    type Input = GraphInput;

    fn interface(&self) -> Interface {
        let scores: usize = self.scores.iter().map(Scores::outputs).sum();
        Interface::Flat {
            dim: self.channels() + scores,
        }
    }

    fn encode(&self, input: &GraphInput, mode: &mut Mode<'_>) -> candle_core::Result<Tensor> {
        self.with_input(input, mode, |input, mode| {
            let features = Messages::features(input, self.first_gathering(), self.sparse)?;
            self.through(input, (features, None), mode, |h, _, _| Ok(h))
        })
    }

    fn encode_gated(
        &self,
        input: &GraphInput,
        gating: Gating,
        mode: &mut Mode<'_>,
    ) -> l0gm_train::Result<Tensor> {
        self.with_input(input, mode, |input, mode| {
            let features = self.gated_features(input, gating, mode)?;
            self.through(input, features, mode, |h, number, mode| {
                match self.fine.get(number) {
                    Some((_, gate)) => Ok(gate.forward(&h, gating.mode(mode))?),
                    None => Ok(h),
                }
            })
        })
    }

    fn gates(&self) -> Vec<(&str, &Gate)> {
        let gates = self.fine.iter();
        gates.map(|(name, gate)| (name.as_str(), gate)).collect()
    }

    /// Compaction removes what closed fine gates leave unread, unless a layer adds its gated input to its output.
    fn compacts_gates(&self) -> bool {
        !self.layers.iter().any(|layer| layer.residual)
    }

    fn parameters(&self) -> Vec<Parameter> {
        let layers = self.layers.iter().flat_map(Layer::parameters);
        layers
            .chain(self.scores.iter().flat_map(Scores::parameters))
            .collect()
    }
}

#[cfg(test)]
#[path = "encoder_tests.rs"]
mod tests;
