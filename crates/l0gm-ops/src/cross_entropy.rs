//! Softmax cross-entropy from logits, mean over the batch, fused with its backward.
use candle_core::{Result, Tensor};

/// `logits`: (batch, classes); `labels`: (batch,) u32. Returns a scalar.
pub fn cross_entropy(logits: &Tensor, labels: &Tensor) -> Result<Tensor> {
    crate::composed::cross_entropy(logits, labels)
}
