//! The layer of a multilayer perceptron, H Wᵀ + b: each node is seen alone. It shows what the edges are worth.

use crate::gathering::Gathering;
use crate::propagation::{Messages, Receivers};
use candle_core::{Result, Tensor};

pub(super) const GATHERING: Gathering = Gathering::Own;

pub(super) fn forward(
    h: &Messages,
    to: &Receivers<'_>,
    weight: &Tensor,
    bias: &Tensor,
) -> Result<Tensor> {
    h.convolve(GATHERING, to, weight, bias)
}
