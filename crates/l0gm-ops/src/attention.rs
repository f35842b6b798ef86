//! Scaled dot-product attention with a padding mask, exact backward.
use crate::Mode;
use candle_core::{Result, Tensor};
/// softmax(Q K^T / sqrt(head_dim) + mask) V for every head.
/// `q`, `k`, `v`: (batch, length, heads * head_dim); `mask`: (batch, length) u8, 1 = attend, 0 = padding.
/// `dropout` is the probability of dropping an attention weight in training. A row with every key
/// masked gives zeros. Returns (batch, length, heads * head_dim).
pub fn attention(_q: &Tensor, _k: &Tensor, _v: &Tensor, _mask: Option<&Tensor>, _heads: usize, _dropout: f64, _mode: &mut Mode<'_>) -> Result<Tensor> {
    todo!()
}
