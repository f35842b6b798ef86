//! The graph convolutional network, full batch (eq. 2 of the paper; Kipf and Welling 2017):
//!
//! ```text
//! H⁽ˡ⁺¹⁾ = σ(D̃^(-1/2) Ã D̃^(-1/2) H⁽ˡ⁾ W⁽ˡ⁾),   H⁽⁰⁾ = X
//! ```
//!
//! Ã is the adjacency matrix with self-loops, D̃ its degrees, σ the ReLU; Â below is the product of the three
//! matrices. Weights are stored as Wᵀ, (out, in). Settings add to the equation a bias, layer normalisation before σ,
//! a residual connection, dropout after each layer, and gates on what each layer aggregates (granularity fine). The
//! last layer's output for the wanted nodes is the interface.
//!
//! [`CompactModel`](crate::CompactModel) is the compact form of a trained model.

use crate::input::DTYPE;
use crate::propagation::{Messages, Receivers};
use crate::settings::GcnSettings;
use crate::{GraphInput, Result};
use candle_core::{Device, Tensor, Var};
use l0gm_gate::{Gate, GateConfig, GateKind, Interface, Schedule};
use l0gm_ops::{Generator, Mode, add, dropout, layer_norm, relu};
use l0gm_train::{Encoder, Gating, Parameter, ParameterKind, Part};

/// Added to the variance in layer normalisation.
pub(crate) const EPSILON: f64 = 1e-5;

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
}

/// One round of message passing.
#[derive(Clone, Debug)]
pub(crate) struct GcnLayer {
    pub(crate) name: String,
    /// Wᵀ: (out, in), initialised Glorot-uniform as in Kipf and Welling's code.
    pub(crate) weight: Var,
    /// Bias, (out,).
    pub(crate) bias: Var,
    /// Scale and shift of the normalisation over channels, (out,) each.
    pub(crate) norm: Option<(Var, Var)>,
    pub(crate) residual: bool,
}

impl GcnLayer {
    /// Computes σ(norm(Â H W + b)) + H for the receivers: (receivers, out).
    fn forward(&self, h: &Messages, to: &Receivers<'_>) -> candle_core::Result<Tensor> {
        let out = h.convolve(to, &self.weight, &self.bias)?; // Â H W + b
        let out = match &self.norm {
            Some((scale, shift)) => layer_norm(&out, scale, shift, EPSILON)?,
            None => out,
        };
        let out = relu(&out)?; // σ
        match self.residual {
            true => add(&out, &h.own(to)?),
            false => Ok(out),
        }
    }
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
            let bound = (6.0 / (inputs + width) as f64).sqrt();
            let mut own = generator.stream("gcn", number as u64);
            let weight = own.uniform_tensor((width, inputs), -bound, bound, DTYPE, device)?;
            let norm = if (last && settings.norm_last) || (!last && settings.norm) {
                Some((
                    Var::ones(width, DTYPE, device)?,
                    Var::zeros(width, DTYPE, device)?,
                ))
            } else {
                None
            };
            layers.push(GcnLayer {
                name: format!("encoder.gcn.{number}"),
                weight: Var::from_tensor(&weight)?,
                bias: Var::zeros(width, DTYPE, device)?,
                norm,
                residual: settings.residual && inputs == width,
            });
            inputs = width;
        }
        Ok(Self {
            layers,
            dropout: settings.dropout,
            interface_dropout: settings.interface_dropout,
            fine: Vec::new(),
        })
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
            return Ok(Messages::features(input)?);
        };
        let x = input.graph.features();
        let mode = gating.mode(mode);
        let shared = !mode.is_train()
            || gate
                .config()
                .is_none_or(|config| config.kind == GateKind::Static);
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
                messages = Messages::new(before(messages.into_h(), number, mode)?);
            }
            let h = layer.forward(&messages, &Receivers::of(input, last))?;
            let rate = match last {
                true => self.interface_dropout,
                false => self.dropout,
            };
            messages = Messages::new(dropout(&h, rate, mode)?);
        }
        Ok(messages.into_h()) // (wanted nodes, width)
    }

    /// Floating-point operations of one full forward pass; a multiply-add counts as two. The normalised adjacency has
    /// `entries` stored entries, and Â X has been computed already.
    pub(crate) fn flops(&self, nodes: usize, entries: usize) -> u64 {
        self.layers
            .iter()
            .enumerate()
            .map(|(number, layer)| {
                let (out, inputs) = layer.weight.dims2().unwrap_or_default();
                let product = nodes * inputs * out;
                let propagation = if number == 0 {
                    0
                } else {
                    entries * inputs.min(out)
                };
                2 * (product + propagation) as u64
            })
            .sum()
    }
}

impl Encoder for Gcn {
    type Input = GraphInput;

    fn interface(&self) -> Interface {
        let last = self.layers.last();
        Interface::Flat {
            dim: last.map_or(0, |layer| layer.weight.dim(0).unwrap_or_default()),
        }
    }

    fn encode(&self, input: &GraphInput, mode: &mut Mode<'_>) -> candle_core::Result<Tensor> {
        self.through(input, Messages::features(input)?, mode, |h, _, _| Ok(h))
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
        let mut parameters = Vec::new();
        for layer in &self.layers {
            let mut add = |name: &str, var: &Var, kind| {
                parameters.push(Parameter {
                    name: format!("{}.{name}", layer.name),
                    var: var.clone(),
                    kind,
                    part: Part::Encoder,
                });
            };
            add("weight", &layer.weight, ParameterKind::Weight);
            add("bias", &layer.bias, ParameterKind::NoDecay);
            if let Some((scale, shift)) = &layer.norm {
                add("norm.weight", scale, ParameterKind::NoDecay);
                add("norm.bias", shift, ParameterKind::NoDecay);
            }
        }
        parameters
    }
}

#[cfg(test)]
#[path = "gcn_tests.rs"]
mod tests;
