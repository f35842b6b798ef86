//! Scaled dot-product attention with a padding mask, exact backward.
use crate::Mode;
use candle_core::{Result, Tensor};
/// softmax(Q K^T / sqrt(head_dim) + mask) V for every head.
/// `q`, `k`, `v`: (batch, length, heads * head_dim); `mask`: (batch, length) u8, 1 = attend, 0 = padding.
/// `dropout` is the probability of dropping an attention weight in training. A row with every key
/// masked gives zeros. Returns (batch, length, heads * head_dim).
pub fn attention(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    mask: Option<&Tensor>,
    heads: usize,
    dropout: f64,
    mode: &mut Mode<'_>,
) -> Result<Tensor> {
    if !(0.0..1.0).contains(&dropout) {
        candle_core::bail!("attention: dropout {dropout} is outside [0, 1)");
    }
    let noise = match mode {
        Mode::Train(generator) if dropout > 0.0 => {
            let draws = q.dim(0)? * heads * q.dim(1)? * k.dim(1)?;
            Some(generator.reserve(draws))
        }
        _ => None,
    };
    crate::composed::attention(
        q,
        k,
        v,
        mask,
        heads,
        noise.as_ref().map(|noise| (dropout, noise)),
    )
}
