//! GraphSAGE (Hamilton et al. 2017; eq. 3 of the paper): a weight for what is gathered of the neighbours and one for
//! the node itself, which is a weight for the two concatenated:
//!
//! ```text
//! h⁽ˡ⁺¹⁾_v = σ(W · [AGG{h⁽ˡ⁾_u : u ∈ N(v)} ; h⁽ˡ⁾_v] + b),   AGG the mean or the entrywise maximum
//! ```
//!
//! The node's own part is the layer's second weight (`own`), which this kind always has. A node without neighbours
//! gathers zeros. The maximum is taken over the representations themselves, without the additional layer before it that
//! Hamilton et al. call pooling.

use crate::gathering::Gathering;
use crate::propagation::{Messages, Receivers};
use candle_core::{Result, Tensor};

/// What is made of the neighbours' representations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pooling {
    Mean,
    Max,
}

impl Pooling {
    pub(super) fn gathering(self) -> Gathering {
        match self {
            Self::Mean => Gathering::Mean,
            Self::Max => Gathering::Max,
        }
    }
}

pub(super) fn forward(
    pooling: Pooling,
    h: &Messages,
    to: &Receivers<'_>,
    weight: &Tensor,
    bias: &Tensor,
) -> Result<Tensor> {
    h.convolve(pooling.gathering(), to, weight, bias)
}
