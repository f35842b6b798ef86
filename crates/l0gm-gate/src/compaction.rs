//! A trained gated model made really smaller: z folded into the layer after, closed columns dropped.
use crate::Result;
use candle_core::Tensor;
/// A linear layer's tensors: weight (out, in), bias (out,).
#[derive(Clone, Debug)]
pub struct LinearLayer {
    /// (out, in).
    pub weight: Tensor,
    /// (out,).
    pub bias: Option<Tensor>,
}
/// `z` has one value for each output of `before` and each input of `after`. Drops the closed rows of
/// `before` (if it is given) and closed columns of `after`, and folds the open z into `after`'s columns.
/// Returns (before, after, kept dimensions).
pub fn compact_linear(_before: Option<&LinearLayer>, _z: &[f32], _after: &LinearLayer) -> Result<(Option<LinearLayer>, LinearLayer, Vec<u32>)> {
    todo!()
}
