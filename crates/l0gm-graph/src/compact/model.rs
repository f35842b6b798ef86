//! Makes a trained gated GCN smaller for inference: z is folded into the classifier's columns, and closed channels
//! are dropped where possible ([`CompactLayer::shrunk`]). The result has no gate and cannot be trained.

use super::layer::CompactLayer;
use crate::propagation::{Messages, Receivers};
use crate::{GraphInput, GraphModel, Result};
use candle_core::Tensor;
use l0gm_gate::LinearLayer;
use l0gm_ops::linear;
use l0gm_train::{Encoder, Sizes};

/// A GCN without a gate, and with fewer channels if gates were closed. It owns all its tensors.
#[derive(Clone, Debug)]
pub struct CompactModel {
    /// The layers; empty if every channel was closed, because the logits are then the classifier's bias.
    pub(super) layers: Vec<CompactLayer>,
    /// The classifier's weight, (classes, kept).
    pub(super) weight: Tensor,
    /// The classifier's bias, (classes,).
    pub(super) bias: Tensor,
    /// The interface's channels that are kept.
    pub(super) kept: Vec<u32>,
    /// Number of channels of the interface before compaction.
    pub(super) interface: usize,
}

impl CompactModel {
    /// Makes a trained gated model smaller.
    ///
    /// # Errors
    /// Fails for gates that depend on their nodes or act below the interface.
    pub fn new(model: &GraphModel) -> Result<Self> {
        model.check_compactable()?;
        let z = model.gate.deterministic()?;
        let (weight, bias) = (model.head.linear.weight(), model.head.linear.bias());
        let bias = match bias {
            Some(bias) => bias.as_detached_tensor().copy()?,
            None => Tensor::zeros(weight.dim(0)?, weight.dtype(), weight.device())?,
        };
        let classifier = LinearLayer {
            weight: weight.as_detached_tensor().copy()?,
            bias: None,
        };
        let interface = model.encoder.interface().width();
        let trained = &model.encoder.layers;
        let (Some((last, before)), true) = (trained.split_last(), z.iter().any(|&z| z != 0.0))
        else {
            return Ok(Self {
                layers: Vec::new(),
                weight: Tensor::zeros((bias.dim(0)?, 0), weight.dtype(), weight.device())?,
                bias,
                kept: Vec::new(),
                interface,
            });
        };
        let layers = before.iter().map(CompactLayer::whole);
        let mut layers = layers.collect::<candle_core::Result<Vec<_>>>()?;
        let shrunk = CompactLayer::shrunk(last, &z, &classifier)?;
        layers.push(shrunk.layer);
        Ok(Self {
            layers,
            weight: shrunk.classifier.weight,
            bias,
            kept: shrunk.kept,
            interface,
        })
    }

    /// The interface's channels that are still computed. These are all of them if dropping the closed ones would make
    /// the model slower, and none if every channel was closed.
    pub fn kept(&self) -> &[u32] {
        &self.kept
    }

    /// Whether every channel was closed, so that the logits are the same for every node.
    pub fn is_closed(&self) -> bool {
        self.layers.is_empty()
    }

    /// Logits of the wanted nodes: (wanted, classes).
    pub fn logits(&self, input: &GraphInput) -> Result<Tensor> {
        if self.is_closed() {
            let shape = (input.rows.len(), self.bias.dim(0)?);
            return Ok(self.bias.broadcast_as(shape)?.contiguous()?);
        }
        let mut messages = Messages::features(input)?;
        for (number, layer) in self.layers.iter().enumerate() {
            let last = number + 1 == self.layers.len();
            let h = layer.forward(&messages, &Receivers::of(input, last))?;
            messages = Messages::new(h);
        }
        Ok(linear(&messages.into_h(), &self.weight, Some(&self.bias))?)
    }

    /// Parameters, bytes and FLOPs per node, on a graph of `nodes` nodes whose normalised adjacency has `entries`
    /// stored entries.
    pub fn sizes(&self, nodes: usize, entries: usize) -> Sizes {
        let layers: usize = self.layers.iter().map(CompactLayer::parameters).sum();
        let parameters = layers + self.weight.elem_count() + self.bias.elem_count();
        let passes = self.layers.iter().enumerate();
        let flops: u64 = passes
            .map(|(number, layer)| layer.flops(nodes, entries, number == 0))
            .sum();
        Sizes {
            parameters: parameters as u64,
            flops: flops / nodes.max(1) as u64 + 2 * self.weight.elem_count() as u64,
            bytes: 4 * parameters as u64,
        }
    }
}

#[cfg(test)]
#[path = "model_tests.rs"]
pub(super) mod tests;
