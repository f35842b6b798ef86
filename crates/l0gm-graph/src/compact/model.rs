//! Makes a trained gated network smaller for inference: z is folded into the columns of whatever reads it, and closed
//! channels are dropped where possible ([`CompactLayer::shrunk`]). Gates on the interface are folded into the classifier.
//! Gates below it (granularity fine) are folded into the next layer, so that a closed channel leaves both layers that it
//! connects, and a closed attribute leaves the features. The result has no gate and cannot be trained.

use super::layer::{CompactLayer, open_channels};
use crate::propagation::{Messages, Receivers};
use crate::scores::{Reach, scores};
use crate::settings::Jumping;
use crate::{GraphEncoder, GraphInput, GraphModel, Result};
use candle_core::Tensor;
use l0gm_gate::{LinearLayer, compact_linear};
use l0gm_ops::linear;
use l0gm_train::{Encoder, Sizes};

/// A network without a gate, and with fewer channels if gates were closed. It owns all its tensors.
#[derive(Clone, Debug)]
pub struct CompactModel {
    /// The network's layers; empty if all of its channels were closed.
    pub(crate) layers: Vec<CompactLayer>,
    /// The features that the layers read; `None` if they read all.
    pub(super) attributes: Option<Vec<u32>>,
    /// Which layers' outputs belong to the interface.
    pub(super) jumping: Jumping,
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

/// A network's layers after those were shrunk.
struct Network {
    layers: Vec<CompactLayer>,
    attributes: Option<Vec<u32>>,
    /// The interface's channels that the layers still compute.
    kept: Vec<u32>,
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
    /// Fails for gates that depend on their nodes, and for gates below the interface of a network with residual
    /// connections.
    pub fn new(model: &GraphModel) -> Result<Self> {
        model.check_compactable()?;
        let z = model.gate.deterministic()?;
        let (weight, bias) = model.head.folded()?;
        let interface = model.encoder.interface().width();
        let channels = model.encoder.channels();
        let mut small = Self {
            layers: Vec::new(),
            attributes: None,
            jumping: model.encoder.jumping,
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
        if open(of_network) {
            let network = Network::new(&model.encoder, of_network)?;
            let factors: Vec<f32> = network.kept.iter().map(|&k| z[k as usize]).collect();
            let factors = Tensor::new(factors, weight.device())?.to_dtype(weight.dtype())?;
            let kept = Tensor::new(network.kept.as_slice(), weight.device())?;
            let read = weight.index_select(&kept, 1)?;
            columns.push(read.broadcast_mul(&factors.unsqueeze(0)?)?);
            small.layers = network.layers;
            small.attributes = network.attributes;
            small.kept = network.kept;
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
            interface.push(self.network(input)?);
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

    /// The network's channels that are kept, of the wanted nodes: (wanted, kept).
    fn network(&self, input: &GraphInput) -> Result<Tensor> {
        let mut input = input.clone();
        if let Some(kept) = &self.attributes {
            input.graph = input.graph.with_columns(kept)?;
        }
        let first = self.layers.first().and_then(CompactLayer::gathering);
        let mut messages = Messages::features(&input, first, self.sparse)?;
        let wanted = Receivers::of(&input, true);
        let mut outputs = Vec::new();
        for (number, layer) in self.layers.iter().enumerate() {
            let last = number + 1 == self.layers.len();
            let h = layer.forward(&messages, &Receivers::of(&input, last))?;
            if last {
                outputs.push(h.clone());
            } else if self.jumping != Jumping::None {
                outputs.push(wanted.rows(&h)?);
            }
            messages = Messages::new(h);
        }
        Ok(self.jumping.joined(outputs)?)
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

impl Network {
    /// The layers of a trained network whose channels in the interface are multiplied by `z`.
    fn new(encoder: &GraphEncoder, z: &[f32]) -> Result<Self> {
        let fine = encoder.fine.iter().map(|(_, gate)| gate.deterministic());
        let fine = fine.collect::<std::result::Result<Vec<_>, _>>()?;
        let mut network = Self {
            layers: Vec::new(),
            attributes: None,
            kept: (0..z.len() as u32).collect(),
        };
        let trained = match encoder.jumping {
            Jumping::Concat => &encoder.layers[..needed(encoder, z)],
            Jumping::None | Jumping::Max => &encoder.layers[..],
        };
        // What the next layer reads: the channels that are there, and the z that it takes over.
        let mut reads = fine.first().map(|z| (open_channels(z), z.as_slice()));
        if let Some((open, z)) = &reads {
            network.attributes = (open.len() < z.len()).then(|| open.clone());
        }
        let mut computed = 0;
        for (number, layer) in trained.iter().enumerate() {
            let mut small = CompactLayer::whole(layer)?;
            if let Some((channels, z)) = reads.take() {
                small = small.reading(&channels, z)?;
            }
            let width = layer.weight.dim(0)?;
            let all = || (0..width as u32).collect::<Vec<u32>>();
            computed += width;
            let last = number + 1 == encoder.layers.len();
            match (encoder.jumping, last, fine.get(number + 1)) {
                (Jumping::None, true, _) => (small, network.kept) = small.shrunk(z)?,
                (Jumping::None, false, Some(z)) => {
                    let (shrunk, channels) = small.shrunk(z)?;
                    small = shrunk;
                    reads = Some((channels, z));
                }
                (_, _, Some(z)) => reads = Some((all(), z)),
                (_, _, None) => {}
            }
            network.layers.push(small);
        }
        if encoder.jumping == Jumping::Concat {
            network.kept.truncate(computed);
        }
        Ok(network)
    }
}

/// Number of layers that must be computed where each has channels of its own in the interface: those behind the last open
/// channel feed nothing.
fn needed(encoder: &GraphEncoder, z: &[f32]) -> usize {
    let last = z.iter().rposition(|z| *z != 0.0).unwrap_or_default();
    let mut end = 0;
    for (number, layer) in encoder.layers.iter().enumerate() {
        end += layer.weight.dim(0).unwrap_or_default();
        if last < end {
            return number + 1;
        }
    }
    encoder.layers.len()
}

#[cfg(test)]
#[path = "model_tests.rs"]
pub(super) mod tests;
