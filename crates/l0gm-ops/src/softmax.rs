//! Softmax over the last dimension with an exact backward.
use crate::composed;
use candle_core::{Result, Tensor};

/// Any shape (.., dim), the same out.
pub fn softmax(x: &Tensor) -> Result<Tensor> {
    composed::softmax(x)
}
