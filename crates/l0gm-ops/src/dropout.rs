//! Inverted dropout whose mask is recomputed in the backward pass, not stored.
use crate::Mode;
use candle_core::{Result, Tensor};
/// Zeroes each entry with probability `p` and scales the rest by 1 / (1 - p) in training; the
/// identity in evaluation. `p` in [0, 1).
pub fn dropout(_x: &Tensor, _p: f64, _mode: &mut Mode<'_>) -> Result<Tensor> {
    todo!()
}
