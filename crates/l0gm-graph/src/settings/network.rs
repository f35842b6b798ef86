//! The network: what its layers do with a node's neighbours, how many there are and how wide they are.

use super::{is_default, whole};
use crate::gathering::Gathering;
use crate::{Error, Result};
use candle_core::Tensor;
use serde::{Deserialize, Serialize};

/// What a layer does with the representations of a node and its neighbours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EncoderKind {
    /// Sums over neighbours and the node itself, scaled by the degrees of both ends (Kipf and Welling 2017; eq. 2 of
    /// the paper).
    #[default]
    Gcn,
    /// The mean over neighbours, beside the node's own representation (GraphSAGE; Hamilton et al. 2017; eq. 3).
    Sage,
    /// The largest value of each channel over neighbours, beside the node's own representation (GraphSAGE).
    SageMax,
    /// Attention over neighbours and the node itself, with `gcn.heads` heads (Velickovic et al. 2018).
    Gat,
    /// Nothing: each node is seen alone (a multilayer perceptron).
    Mlp,
}

impl EncoderKind {
    /// The name in settings, checkpoints and compact models.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gcn => "gcn",
            Self::Sage => "sage",
            Self::SageMax => "sage-max",
            Self::Gat => "gat",
            Self::Mlp => "mlp",
        }
    }

    /// The name in sentences and tables.
    pub fn label(self) -> &'static str {
        match self {
            Self::Gcn => "GCN",
            Self::Sage => "GraphSAGE (mean)",
            Self::SageMax => "GraphSAGE (max)",
            Self::Gat => "GAT",
            Self::Mlp => "MLP",
        }
    }

    /// What a layer gathers before its weight is applied; `None` for attention.
    pub(crate) fn gathering(self) -> Option<Gathering> {
        match self {
            Self::Gcn => Some(Gathering::Normalised),
            Self::Sage => Some(Gathering::Mean),
            Self::SageMax => Some(Gathering::Max),
            Self::Gat => None,
            Self::Mlp => Some(Gathering::Own),
        }
    }

    /// Whether a layer has a weight for the node's own representation: always, never, or as `gcn.own-weight` says.
    pub(crate) fn own_weight(self, setting: bool) -> bool {
        match self {
            Self::Sage | Self::SageMax => true,
            Self::Mlp => false,
            Self::Gcn | Self::Gat => setting,
        }
    }
}

/// Which layers' outputs form the interface (jumping knowledge; Xu et al. 2018).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Jumping {
    /// The last layer's.
    #[default]
    None,
    /// All layers' outputs, one after the other.
    Concat,
    /// The largest value of each channel over all layers, which then have one width.
    Max,
}

impl Jumping {
    /// The interface from the outputs that belong to it, each (nodes, width).
    pub(crate) fn joined(self, outputs: Vec<Tensor>) -> candle_core::Result<Tensor> {
        match (&outputs[..], self) {
            ([only], _) => Ok(only.clone()),
            (_, Self::None | Self::Concat) => Tensor::cat(&outputs, 1),
            ([first, rest @ ..], Self::Max) => rest
                .iter()
                .try_fold(first.clone(), |most, h| most.maximum(h)),
            ([], Self::Max) => candle_core::bail!("a network without layers has no interface"),
        }
    }
}

/// Settings of the network. They are called `gcn` after the default encoder and serve every one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct GcnSettings {
    /// Number of layers; the output of the last one is the interface.
    pub layers: usize,
    /// Width of every layer but the last.
    pub width: usize,
    /// Width of the last layer, which is the width of the interface.
    pub interface_width: usize,
    /// Whether every layer but the last applies layer normalisation before its activation.
    pub norm: bool,
    /// Whether the last layer applies layer normalisation too. That mixes the channels of the interface, so
    /// compaction must keep what mean and variance over all of them need.
    pub norm_last: bool,
    /// Whether a layer whose input and output have the same width adds its input.
    pub residual: bool,
    /// Share of hidden values dropped after every layer but the last.
    pub dropout: f64,
    /// Share of values dropped at the interface.
    pub interface_dropout: f64,
    /// Whether every layer also reads the node's own representation, through a weight of its own: Â H W + H V.
    /// Where neighbours tend to be of other classes, a node's own attributes then do not drown in theirs. GraphSAGE
    /// always has this weight, an MLP never.
    #[serde(skip_serializing_if = "is_default")]
    pub own_weight: bool,
    /// Whether features that are mostly 0 are multiplied as a sparse matrix. It saves time and changes the result by
    /// rounding only.
    #[serde(skip_serializing_if = "is_default")]
    pub sparse_features: bool,
    /// Number of attention heads of a GAT; other encoders have none. Their outputs stand one after the other, so it must divide the widths.
    #[serde(skip_serializing_if = "is_one")]
    pub heads: usize,
    /// Whether layers that normalise do so for each channel over the nodes (Ioffe and Szegedy 2015) and not for each node
    /// over its channels. Compaction can then drop any channel.
    #[serde(skip_serializing_if = "is_default")]
    pub batch_norm: bool,
    /// Share of the raw attributes' values dropped in each training step.
    #[serde(skip_serializing_if = "is_default")]
    pub input_dropout: f64,
    /// Share of the edges left out of each training step (DropEdge; Rong et al. 2020).
    #[serde(skip_serializing_if = "is_default")]
    pub drop_edge: f64,
    /// Which layers' outputs form the interface.
    #[serde(skip_serializing_if = "is_default")]
    pub jumping: Jumping,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // serde passes a reference.
fn is_one(value: &usize) -> bool {
    *value == 1
}

impl Default for GcnSettings {
    fn default() -> Self {
        Self {
            layers: 3,
            width: 256,
            interface_width: 512,
            norm: true,
            norm_last: true,
            residual: false,
            dropout: 0.1,
            interface_dropout: 0.0,
            own_weight: false,
            sparse_features: false,
            heads: 1,
            batch_norm: false,
            input_dropout: 0.0,
            drop_edge: 0.0,
            jumping: Jumping::None,
        }
    }
}

impl GcnSettings {
    /// Widths of the layers, the first to the last.
    pub(crate) fn widths(&self) -> Vec<usize> {
        let mut widths = vec![self.width; self.layers];
        if let Some(last) = widths.last_mut() {
            *last = self.interface_width;
        }
        widths
    }

    /// Which layers' outputs form the interface; one layer has nothing to join.
    pub(crate) fn joins(&self) -> Jumping {
        match self.layers {
            1 => Jumping::None,
            _ => self.jumping,
        }
    }

    /// Width of the interface.
    pub(crate) fn interface(&self) -> usize {
        match self.joins() {
            Jumping::Concat => self.widths().iter().sum(),
            Jumping::None | Jumping::Max => self.interface_width,
        }
    }

    pub(super) fn check(&self, encoder: EncoderKind) -> Result<()> {
        whole("gcn.layers", self.layers, 1, 64)?;
        whole("gcn.width", self.width, 1, 1 << 16)?;
        whole("gcn.interface-width", self.interface_width, 1, 1 << 16)?;
        whole("gcn.heads", self.heads, 1, 1 << 10)?;
        for (name, p) in [
            ("gcn.dropout", self.dropout),
            ("gcn.interface-dropout", self.interface_dropout),
            ("gcn.input-dropout", self.input_dropout),
            ("gcn.drop-edge", self.drop_edge),
        ] {
            if !(0.0..1.0).contains(&p) {
                return Err(Error::Setting(format!(
                    "{name} is {p}; it must be at least 0 and below 1"
                )));
            }
        }
        if self.batch_norm && !self.norm && !self.norm_last {
            return Err(Error::Setting(
                "gcn.batch-norm is true, but neither gcn.norm nor gcn.norm-last lets a layer normalise".into(),
            ));
        }
        let heads = match encoder {
            EncoderKind::Gat => self.heads,
            _ => 1,
        };
        let uneven = |width: &usize| !width.is_multiple_of(heads);
        if let Some(width) = self.widths().into_iter().find(uneven) {
            return Err(Error::Setting(format!(
                "gcn.heads is {}, which does not divide the width {width} of a layer (gcn.width, gcn.interface-width)",
                self.heads
            )));
        }
        if self.joins() == Jumping::Max && self.width != self.interface_width {
            return Err(Error::Setting(format!(
                "gcn.jumping is \"max\", so all layers must have one width: gcn.width is {} and gcn.interface-width {}",
                self.width, self.interface_width
            )));
        }
        Ok(())
    }
}
