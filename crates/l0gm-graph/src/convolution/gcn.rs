//! The graph convolution (Kipf and Welling 2017; eq. 2 of the paper): Â H Wᵀ + b with Â = D̃^(-1/2) Ã D̃^(-1/2).

use crate::gathering::Gathering;
use crate::propagation::{Messages, Receivers};
use candle_core::{Result, Tensor};

pub(super) const GATHERING: Gathering = Gathering::Normalised;

pub(super) fn forward(
    h: &Messages,
    to: &Receivers<'_>,
    weight: &Tensor,
    bias: &Tensor,
) -> Result<Tensor> {
    h.convolve(GATHERING, to, weight, bias)
}
