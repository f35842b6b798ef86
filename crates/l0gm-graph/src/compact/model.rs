//! Makes a trained gated GCN smaller for inference: z is folded into the classifier's columns, and closed channels
//! are dropped where possible ([`CompactLayer::shrunk`]). The result has no gate and cannot be trained.

use super::layer::CompactLayer;
use crate::propagation::{Messages, Receivers};
use crate::scores::{Reach, scores};
use crate::{GraphInput, GraphModel, Result};
use candle_core::Tensor;
use l0gm_gate::{LinearLayer, compact_linear};
use l0gm_ops::linear;
use l0gm_train::{Encoder, Sizes};

/// A GCN without a gate, and with fewer channels if gates were closed. It owns all its tensors.
#[derive(Clone, Debug)]
pub struct CompactModel {
    /// The network's layers; empty if all of its channels were closed.
    pub(super) layers: Vec<CompactLayer>,
    /// The class scores of linear models that are kept.
    pub(super) scores: Vec<CompactScores>,
    /// The classifier's weight, (classes, kept).
    pub(super) weight: Tensor,
    /// The classifier's bias, (classes,).
    pub(super) bias: Tensor,
    /// The interface's channels that are kept.
    pub(super) kept: Vec<u32>,
    /// Number of channels of the interface before compaction.
    pub(super) interface: usize,
    /// How many of them, the first ones, were the network's.
    pub(super) channels: usize,
    /// Whether features that are mostly 0 are multiplied as a sparse matrix.
    pub(super) sparse: bool,
}

/// The kept scores W x + b of one linear model.
#[derive(Clone, Debug)]
pub(super) struct CompactScores {
    pub(super) reach: Reach,
    /// (kept, features).
    pub(super) weight: Tensor,
    /// (kept,).
    pub(super) bias: Tensor,
}

impl CompactModel {
    /// Makes a trained gated model smaller.
    ///
    /// # Errors
    /// Fails for gates that depend on their nodes or act below the interface.
    pub fn new(model: &GraphModel) -> Result<Self> {
        model.check_compactable()?;
        let z = model.gate.deterministic()?;
        let (weight, bias) = model.head.folded()?;
        let interface = model.encoder.interface().width();
        let channels = model.encoder.channels();
        let mut small = Self {
            layers: Vec::new(),
            scores: Vec::new(),
            weight: Tensor::zeros((bias.dim(0)?, 0), weight.dtype(), weight.device())?,
            bias,
            kept: Vec::new(),
            interface,
            channels,
            sparse: model.encoder.sparse,
        };
        let mut columns = Vec::new();
        let open = |z: &[f32]| z.iter().any(|&z| z != 0.0);
        let classifier = |first: usize, width: usize| -> Result<LinearLayer> {
            Ok(LinearLayer {
                weight: weight.narrow(1, first, width)?.contiguous()?,
                bias: None,
            })
        };
        let (of_network, mut of_scores) = z.split_at(channels);
        if let (Some((last, before)), true) = (model.encoder.layers.split_last(), open(of_network))
        {
            let layers = before.iter().map(CompactLayer::whole);
            small.layers = layers.collect::<candle_core::Result<Vec<_>>>()?;
            let shrunk = CompactLayer::shrunk(last, of_network, &classifier(0, channels)?)?;
            small.layers.push(shrunk.layer);
            small.kept = shrunk.kept;
            columns.push(shrunk.classifier.weight);
        }
        let mut first = channels;
        for scores in &model.encoder.scores {
            let (own, rest) = of_scores.split_at(scores.outputs());
            of_scores = rest;
            if open(own) {
                let before = LinearLayer {
                    weight: scores.weight.as_detached_tensor().copy()?,
                    bias: Some(scores.bias.as_detached_tensor().copy()?),
                };
                let after = classifier(first, own.len())?;
                let (before, after, kept) = compact_linear(Some(&before), own, &after)?;
                if let Some(LinearLayer {
                    weight,
                    bias: Some(bias),
                }) = before
                {
                    small.scores.push(CompactScores {
                        reach: scores.reach,
                        weight,
                        bias,
                    });
                }
                small.kept.extend(kept.iter().map(|k| first as u32 + k));
                columns.push(after.weight);
            }
            first += own.len();
        }
        if !columns.is_empty() {
            small.weight = Tensor::cat(&columns, 1)?;
        }
        Ok(small)
    }

    /// The interface's channels that are still computed. These are all of them if dropping the closed ones would make
    /// the model slower, and none if every channel was closed.
    pub fn kept(&self) -> &[u32] {
        &self.kept
    }

    /// Whether every channel was closed, so that the logits are the same for every node.
    pub fn is_closed(&self) -> bool {
        self.kept.is_empty()
    }

    /// Logits of the wanted nodes: (wanted, classes).
    pub fn logits(&self, input: &GraphInput) -> Result<Tensor> {
        if self.is_closed() {
            let shape = (input.rows.len(), self.bias.dim(0)?);
            return Ok(self.bias.broadcast_as(shape)?.contiguous()?);
        }
        let mut interface = Vec::new();
        if !self.layers.is_empty() {
            let mut messages = Messages::features(input, self.sparse)?;
            for (number, layer) in self.layers.iter().enumerate() {
                let last = number + 1 == self.layers.len();
                let h = layer.forward(&messages, &Receivers::of(input, last))?;
                messages = Messages::new(h);
            }
            interface.push(messages.into_h()?);
        }
        for own in &self.scores {
            interface.push(scores(
                own.reach,
                &own.weight,
                &own.bias,
                input,
                self.sparse,
            )?);
        }
        let interface = match &interface[..] {
            [one] => one.clone(),
            several => Tensor::cat(several, 1)?,
        };
        Ok(linear(&interface, &self.weight, Some(&self.bias))?)
    }

    /// Parameters, bytes and FLOPs per node, on a graph of `nodes` nodes whose normalised adjacency has `entries`
    /// stored entries.
    pub fn sizes(&self, nodes: usize, entries: usize) -> Sizes {
        let layers: usize = self.layers.iter().map(CompactLayer::parameters).sum();
        let scores: usize = self
            .scores
            .iter()
            .map(|own| own.weight.elem_count() + own.bias.elem_count())
            .sum();
        let parameters = layers + scores + self.weight.elem_count() + self.bias.elem_count();
        let passes = self.layers.iter().enumerate();
        let flops: u64 = passes
            .map(|(number, layer)| layer.flops(nodes, entries, number == 0))
            .sum();
        let of_scores: usize = self
            .scores
            .iter()
            .map(|own| own.reach.flops(nodes, entries, &own.weight))
            .sum();
        let flops = flops + of_scores as u64;
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
