//! Layer normalisation over the last dimension, fused with its backward.
use crate::composed;
use candle_core::{Result, Tensor};

/// (x - mean) / sqrt(var + epsilon) * weight + bias; `x`: (.., dim), `weight` and `bias`: (dim,).
pub fn layer_norm(x: &Tensor, weight: &Tensor, bias: &Tensor, epsilon: f64) -> Result<Tensor> {
    composed::layer_norm(x, weight, bias, epsilon)
}
