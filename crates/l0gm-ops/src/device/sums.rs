//! Sums that several ops need. One thread adds up each stretch of entries in order, and a second launch adds the sums
//! of the stretches. The stretches depend only on the shape.

use super::{Call, Fresh};
use candle_core::{Result, Tensor};

/// Number of rows from which a second launch is worth its cost.
const SHORT: usize = 64;

/// y[o, i] = sum_j x[o, j, i] with x seen as (outer, n, inner).
pub(crate) fn sums(x: &Tensor, outer: usize, n: usize, inner: usize) -> Result<Fresh> {
    if inner == 1 && n > 1 {
        let call = Call::new("row_sums", x).read(x).write(outer).size(n);
        let [y] = call.blocks(outer)?;
        return Ok(y);
    }
    if n <= SHORT {
        return stretch_sums(x, outer, n, inner, n.max(1));
    }
    let stretch = (n as f64).sqrt().ceil() as usize;
    let partial = stretch_sums(x, outer, n, inner, stretch)?.tensor();
    let parts = n.div_ceil(stretch);
    stretch_sums(&partial, outer, parts, inner, parts)
}

/// y[o, p, i] = the sum of x[o, j, i] over the p-th `stretch` of j.
fn stretch_sums(x: &Tensor, outer: usize, n: usize, inner: usize, stretch: usize) -> Result<Fresh> {
    let parts = n.div_ceil(stretch).max(1);
    let items = outer * parts * inner;
    let call = Call::new("stretch_sums", x).read(x).write(items);
    let call = call.size(n).size(inner).size(stretch).size(parts);
    let [y] = call.size(items).each(items)?;
    Ok(y)
}

/// The sums of the columns of x, seen as (rows, width).
pub(crate) fn column_sums(x: &Tensor, width: usize) -> Result<Tensor> {
    Ok(sums(x, 1, x.elem_count() / width.max(1), width)?.tensor())
}

/// The mean of all entries as a scalar, accumulated in f64.
pub(crate) fn mean(x: &Tensor) -> Result<Fresh> {
    let call = Call::new("mean", x).read(x).write(());
    let [y] = call.size(x.elem_count()).blocks(1)?;
    Ok(y)
}
