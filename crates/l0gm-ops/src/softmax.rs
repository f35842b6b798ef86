//! Softmax over the last dimension with an exact backward.
use candle_core::{Result, Tensor};
/// Any shape (.., dim), the same out.
pub fn softmax(_x: &Tensor) -> Result<Tensor> {
    todo!()
}
