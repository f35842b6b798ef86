//! What a layer does with the representations of a node and its neighbours: one file for each kind.

mod gat;
mod gcn;
mod mlp;
mod sage;

pub(crate) use gat::{Attention, AttentionVectors, attend};
pub(crate) use sage::Pooling;

use crate::Result;
use crate::gathering::Gathering;
use crate::propagation::{Messages, Receivers};
use crate::settings::EncoderKind;
use candle_core::{Device, Tensor, Var};
use l0gm_ops::Generator;

/// A kind of layer, with the parameters that only this kind has.
#[derive(Clone, Debug)]
pub(crate) enum Convolution {
    Gcn,
    Sage(Pooling),
    Gat(Attention),
    Mlp,
}

impl Convolution {
    /// A layer's convolution into `width` channels. `number` is the layer's.
    pub(crate) fn new(
        kind: EncoderKind,
        (heads, width): (usize, usize),
        number: usize,
        generator: &Generator,
        device: &Device,
    ) -> Result<Self> {
        Ok(match kind {
            EncoderKind::Gcn => Self::Gcn,
            EncoderKind::Sage => Self::Sage(Pooling::Mean),
            EncoderKind::SageMax => Self::Sage(Pooling::Max),
            EncoderKind::Gat => {
                let mut own = generator.stream("gat", number as u64);
                Self::Gat(Attention::new(heads, width, &mut own, device)?)
            }
            EncoderKind::Mlp => Self::Mlp,
        })
    }

    /// What the receivers get: (receivers, out). The weight is (out, in), the bias (out,).
    pub(crate) fn forward(
        &self,
        h: &Messages,
        to: &Receivers<'_>,
        weight: &Tensor,
        bias: &Tensor,
    ) -> candle_core::Result<Tensor> {
        match self {
            Self::Gcn => gcn::forward(h, to, weight, bias),
            Self::Sage(pooling) => sage::forward(*pooling, h, to, weight, bias),
            Self::Gat(attention) => gat::forward(attention, h, to, weight, bias),
            Self::Mlp => mlp::forward(h, to, weight, bias),
        }
    }

    /// How the layer gathers; `None` for attention, whose weights decide it.
    pub(crate) fn gathering(&self) -> Option<Gathering> {
        match self {
            Self::Gcn => Some(gcn::GATHERING),
            Self::Sage(pooling) => Some(pooling.gathering()),
            Self::Gat(_) => None,
            Self::Mlp => Some(mlp::GATHERING),
        }
    }

    /// The parameters of this kind alone, with the ends of their names.
    pub(crate) fn parameters(&self) -> Vec<(&'static str, &Var)> {
        match self {
            Self::Gat(attention) => attention.parameters(),
            Self::Gcn | Self::Sage(_) | Self::Mlp => Vec::new(),
        }
    }

    /// Multiply-adds of gathering for all nodes, of a layer with a weight (out, inputs), on a graph whose normalised
    /// adjacency has `entries` stored entries. `known` means that what is gathered of the inputs is known.
    pub(crate) fn cost(
        &self,
        nodes: usize,
        entries: usize,
        widths: (usize, usize),
        known: bool,
    ) -> usize {
        let heads = match self {
            Self::Gat(attention) => attention.heads(),
            Self::Gcn | Self::Sage(_) | Self::Mlp => 0,
        };
        gathering_cost(self.gathering(), heads, (nodes, entries), widths, known)
    }
}

/// Multiply-adds of gathering in one way, or of attention with so many heads, for all nodes.
pub(crate) fn gathering_cost(
    by: Option<Gathering>,
    heads: usize,
    (nodes, entries): (usize, usize),
    (out, inputs): (usize, usize),
    known: bool,
) -> usize {
    match by {
        // Each head has a score an entry, and both ends' parts of the scores are an inner product a node.
        None => entries * (out + 2 * heads) + 2 * nodes * inputs * heads,
        Some(_) if known => 0,
        Some(by) if by.is_linear() => by.entries(nodes, entries) * inputs.min(out),
        Some(by) => by.entries(nodes, entries) * inputs,
    }
}
