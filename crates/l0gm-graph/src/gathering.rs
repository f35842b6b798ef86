//! The ways in which a layer gathers what stands around a node, before or after its weight is applied. None of them has
//! parameters; attention, which has, is in [`gat`](crate::convolution::gat).

use candle_core::{Result, Tensor};
use l0gm_ops::{SparseMatrix, csr_matmul, csr_max};
use serde::{Deserialize, Serialize};

/// What a node receives from H of every node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Gathering {
    /// Â H: sums over neighbours and the node itself, scaled by the degrees of both ends.
    Normalised,
    /// The mean of H over neighbours, 0 for a node without any.
    Mean,
    /// The largest value of each channel over neighbours, 0 for a node without any.
    Max,
    /// H of the node alone.
    Own,
}

impl Gathering {
    pub(crate) const ALL: [Self; 4] = [Self::Normalised, Self::Mean, Self::Max, Self::Own];

    /// What nodes receive from H of every node, (nodes, width), by their rows of the matrix that belongs to this way of
    /// gathering. [`Own`](Self::Own) has none and returns H of all nodes.
    pub(crate) fn of(self, adjacency: &SparseMatrix, h: &Tensor) -> Result<Tensor> {
        match self {
            Self::Normalised | Self::Mean => csr_matmul(adjacency, h),
            Self::Max => csr_max(adjacency, h),
            Self::Own => Ok(h.clone()),
        }
    }

    /// Whether gathering H Wᵀ equals multiplying what was gathered of H by Wᵀ, so that either may come first.
    pub(crate) fn is_linear(self) -> bool {
        self != Self::Max
    }

    /// Stored entries that one pass reads, of a normalised adjacency with `entries` and a graph with `nodes`.
    pub(crate) fn entries(self, nodes: usize, entries: usize) -> usize {
        match self {
            Self::Normalised => entries,
            Self::Mean | Self::Max => entries.saturating_sub(nodes),
            Self::Own => 0,
        }
    }
}
