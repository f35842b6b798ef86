//! Attention whose scores hold more than the products of queries and keys, which is all that `l0gm_ops::attention`
//! computes. It is composed of operations that have gradients.
use crate::input::Padding;
use candle_core::Tensor;
use l0gm_ops::{Mode, dropout, masked_softmax, reshape, softmax};

/// The states (batch, length, heads * dim) as (batch, heads, length, dim).
pub(crate) fn split_heads(x: &Tensor, heads: usize) -> candle_core::Result<Tensor> {
    let (batch, length, width) = x.dims3()?;
    reshape(x, (batch, length, heads, width / heads))?
        .transpose(1, 2)?
        .contiguous()
}

/// The scores q k^T of queries and keys, (batch, heads, length, keys).
pub(crate) fn products(q: &Tensor, k: &Tensor) -> candle_core::Result<Tensor> {
    q.matmul(&k.t()?)
}

/// The mask of a batch, (batch, 1, 1, keys).
pub(crate) fn open_keys(padding: &Padding) -> candle_core::Result<Option<Tensor>> {
    let mask = padding.mask.as_ref();
    mask.map(|mask| mask.unsqueeze(1)?.unsqueeze(1)).transpose()
}

/// Softmax of `scores` (batch, heads, length, keys) over the keys that `open` leaves, and the sums of the values
/// (batch, keys, width) with these weights: (batch, length, width). `open` is u8, 1 = open, and each of its four
/// dimensions is the scores' or 1. `p` is the probability of dropping a weight in training.
pub(crate) fn attend(
    scores: &Tensor,
    open: Option<&Tensor>,
    values: &Tensor,
    p: f64,
    mode: &mut Mode<'_>,
) -> candle_core::Result<Tensor> {
    let (batch, heads, length, _) = scores.dims4()?;
    let weights = match open {
        Some(open) => masked_softmax(scores, &open.broadcast_as(scores.shape())?.contiguous()?)?,
        None => softmax(scores)?,
    };
    let weights = dropout(&weights, p, mode)?;
    let sums = weights.matmul(&split_heads(values, heads)?)?; // (batch, heads, length, dim)
    let sums = sums.transpose(1, 2)?.contiguous()?;
    reshape(&sums, (batch, length, values.dim(2)?))
}
