//! Weighted pairwise products of two stacks of vectors: the kernel of a compressed interaction network.
use candle_core::{Result, Tensor};
/// out[b, h, d] = sum_ij weight[h, i, j] * x[b, i, d] * y[b, j, d].
/// `x`: (batch, m, dim); `y`: (batch, n, dim); `weight`: (maps, m, n). Returns (batch, maps, dim).
pub fn pairwise_interaction(x: &Tensor, y: &Tensor, weight: &Tensor) -> Result<Tensor> {
    crate::composed::pairwise_interaction(x, y, weight)
}
