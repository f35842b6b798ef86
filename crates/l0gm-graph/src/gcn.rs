//! The graph convolutional network, full batch (eq. 2 of the paper; Kipf and Welling 2017):
//!
//! ```text
//! H⁽ˡ⁺¹⁾ = σ(D̃^(-1/2) Ã D̃^(-1/2) H⁽ˡ⁾ W⁽ˡ⁾),   H⁽⁰⁾ = X
//! ```
//!
//! Ã is the adjacency matrix with self-loops, D̃ its degrees, σ the ReLU; Â below is the product of the three
//! matrices. Weights are stored as Wᵀ, (out, in). Settings add to the equation a bias, layer normalisation before σ,
//! a weight for the node's own representation, a residual connection, dropout after each layer, and gates on what each
//! layer aggregates (granularity fine). The last layer's output for the wanted nodes is the interface, followed by
//! class scores of linear models where settings ask for them.
//!
//! [`CompactModel`](crate::CompactModel) is the compact form of a trained model.

use crate::layer::{GcnLayer, LayerShape};
use crate::propagation::{Messages, Receivers};
use crate::scores::{Reach, Scores};
use crate::settings::GcnSettings;
use crate::{GraphInput, Result};
use candle_core::{Device, Tensor};
use l0gm_gate::{Gate, GateConfig, GateKind, Interface, Schedule};
use l0gm_ops::{Generator, Mode, dropout};
use l0gm_train::{Encoder, Gating, Parameter};

/// A graph convolutional network.
#[derive(Clone, Debug)]
pub struct Gcn {
    pub(crate) layers: Vec<GcnLayer>,
    dropout: f64,
    interface_dropout: f64,
    /// The gates of granularity fine, one for each channel that a layer aggregates, starting with the raw node
    /// attributes. They leave out the last layer's output, which is the interface and has the model's gate. Empty for
    /// other granularities.
    fine: Vec<(String, Gate)>,
    /// Class scores that follow the network's channels in the interface. Empty if there are none.
    pub(crate) scores: Vec<Scores>,
    /// Whether features that are mostly 0 are multiplied as a sparse matrix.
    pub(crate) sparse: bool,
}

impl Gcn {
    /// A network for nodes with this number of features, initialised from `generator`.
    pub fn new(
        features: usize,
        settings: &GcnSettings,
        generator: &mut Generator,
        device: &Device,
    ) -> Result<Self> {
        let mut layers = Vec::with_capacity(settings.layers);
        let mut inputs = features;
        for number in 0..settings.layers {
            let last = number + 1 == settings.layers;
            let width = if last {
                settings.interface_width
            } else {
                settings.width
            };
            let shape = LayerShape {
                number,
                inputs,
                width,
                norm: if last {
                    settings.norm_last
                } else {
                    settings.norm
                },
            };
            layers.push(GcnLayer::new(shape, settings, generator, device)?);
            inputs = width;
        }
        Ok(Self {
            layers,
            dropout: settings.dropout,
            interface_dropout: settings.interface_dropout,
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
        let last = self.layers.last();
        last.map_or(0, |layer| layer.weight.dim(0).unwrap_or_default())
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
                _ => format!("gcn.{}", number - 1),
            };
            let interface = Interface::Flat {
                dim: layer.weight.dim(1)?,
            };
            let gate = Gate::new(interface, config, schedule, device)?;
            self.fine.push((name, gate));
        }
        Ok(self)
    }

    /// H⁽⁰⁾ = X as the first layer aggregates it, after the gate on the raw attributes. If z is the same for every
    /// node, Â (X ⊙ z) equals (Â X) ⊙ z, and Â X has been computed already.
    fn gated_features(
        &self,
        input: &GraphInput,
        gating: Gating,
        mode: &mut Mode<'_>,
    ) -> l0gm_train::Result<Messages> {
        let Some((_, gate)) = self.fine.first() else {
            return Ok(Messages::features(input, self.sparse)?);
        };
        let x = input.graph.features()?;
        let mode = gating.mode(mode);
        let shared = !mode.is_train()
            || gate
                .config()
                .is_none_or(|config| matches!(config.kind, GateKind::Static | GateKind::Fixed));
        let residual = self.layers.first().is_some_and(|layer| layer.residual);
        if shared && !residual {
            let aggregated = gate.forward(&input.graph.propagated()?, mode)?;
            return Ok(Messages::with_aggregated(x.clone(), aggregated));
        }
        Ok(Messages::new(gate.forward(x, mode)?))
    }

    /// Runs all layers on the first layer's input. `before(h, number, mode)` transforms the input of every later
    /// layer.
    fn through<E: From<candle_core::Error>>(
        &self,
        input: &GraphInput,
        mut messages: Messages,
        mode: &mut Mode<'_>,
        before: impl Fn(Tensor, usize, &mut Mode<'_>) -> std::result::Result<Tensor, E>,
    ) -> std::result::Result<Tensor, E> {
        for (number, layer) in self.layers.iter().enumerate() {
            let last = number + 1 == self.layers.len();
            if number > 0 {
                messages = Messages::new(before(messages.into_h()?, number, mode)?);
            }
            let h = layer.forward(&messages, &Receivers::of(input, last))?;
            let rate = match last {
                true => self.interface_dropout,
                false => self.dropout,
            };
            messages = Messages::new(dropout(&h, rate, mode)?);
        }
        let h = messages.into_h()?; // (wanted nodes, width)
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
    /// `entries` stored entries, and Â X has been computed already.
    pub(crate) fn flops(&self, nodes: usize, entries: usize) -> u64 {
        let layers = self.layers.iter().enumerate();
        let of_layers = layers.map(|(number, layer)| layer.flops(nodes, entries, number == 0));
        let of_scores = self.scores.iter();
        let of_scores = of_scores.map(|own| own.reach.flops(nodes, entries, &own.weight) as u64);
        of_layers.chain(of_scores).sum()
    }
}

impl Encoder for Gcn {
    type Input = GraphInput;

    fn interface(&self) -> Interface {
        let scores: usize = self.scores.iter().map(Scores::outputs).sum();
        Interface::Flat {
            dim: self.channels() + scores,
        }
    }

    fn encode(&self, input: &GraphInput, mode: &mut Mode<'_>) -> candle_core::Result<Tensor> {
        let features = Messages::features(input, self.sparse)?;
        self.through(input, features, mode, |h, _, _| Ok(h))
    }

    fn encode_gated(
        &self,
        input: &GraphInput,
        gating: Gating,
        mode: &mut Mode<'_>,
    ) -> l0gm_train::Result<Tensor> {
        let features = self.gated_features(input, gating, mode)?;
        self.through(input, features, mode, |h, number, mode| {
            match self.fine.get(number) {
                Some((_, gate)) => Ok(gate.forward(&h, gating.mode(mode))?),
                None => Ok(h),
            }
        })
    }

    fn gates(&self) -> Vec<(&str, &Gate)> {
        let gates = self.fine.iter();
        gates.map(|(name, gate)| (name.as_str(), gate)).collect()
    }

    fn parameters(&self) -> Vec<Parameter> {
        let layers = self.layers.iter().flat_map(GcnLayer::parameters);
        layers
            .chain(self.scores.iter().flat_map(Scores::parameters))
            .collect()
    }
}

#[cfg(test)]
#[path = "gcn_tests.rs"]
mod tests;
