//! The branches of a compact model that multiply fields or dimensions with each other.

use super::stack::OpenStack;
use crate::cin::CinShape;
use crate::cross::crossed;
use crate::{CinSettings, fm};
use candle_core::Tensor;

/// The CIN on the fields and coordinates with an open dimension.
#[derive(Clone, Debug)]
pub(super) struct CompactCin {
    pub(super) shape: CinShape,
    pub(super) settings: CinSettings,
    pub(super) stack: OpenStack,
    pub(super) weights: Vec<Tensor>,
    /// Output weights, (outputs, sums).
    pub(super) output: Tensor,
}

/// The factorisation machine on the fields and coordinates with an open dimension.
#[derive(Clone, Debug)]
pub(super) struct CompactFm {
    pub(super) stack: OpenStack,
    /// Weights of the coordinates, (outputs, coordinates); absent with one output.
    pub(super) output: Option<Tensor>,
}

/// The cross network on the open dimensions.
#[derive(Clone, Debug)]
pub(super) struct CompactCross {
    pub(super) layers: Vec<CompactCrossLayer>,
    /// Output weights, (outputs, open).
    pub(super) output: Tensor,
}

/// One cross layer on the open dimensions.
#[derive(Clone, Debug)]
pub(super) struct CompactCrossLayer {
    /// V, (rank, open); absent where W is whole.
    pub(super) inner: Option<Tensor>,
    /// W, (open, open), or U, (open, rank).
    pub(super) outer: Tensor,
    /// The bias b, (open,).
    pub(super) bias: Tensor,
}

impl CompactFm {
    /// From (rows, open) to (rows, outputs).
    pub(super) fn forward(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        fm::add_up(&fm::pairs(&self.stack.of(x)?)?, self.output.as_ref())
    }
}

impl CompactCross {
    /// From (rows, open) to (rows, outputs).
    pub(super) fn forward(&self, first: &Tensor) -> candle_core::Result<Tensor> {
        let mut x = first.clone();
        for layer in &self.layers {
            let inner = match &layer.inner {
                Some(inner) => l0gm_ops::linear(&x, inner, None)?,
                None => x.clone(),
            };
            let mapped = l0gm_ops::linear(&inner, &layer.outer, Some(&layer.bias))?;
            x = crossed(first, &mapped, &x)?;
        }
        l0gm_ops::linear(&x, &self.output, None)
    }
}
