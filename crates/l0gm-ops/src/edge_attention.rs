//! Attention on a graph's edges (Velickovic et al. 2018): a softmax over each row's entries, and rows
//! summed with weights of their own, a weight an entry and head.
//!
//! Scores and weights have one row an entry of the matrix, in its order. a_e = exp(s_e - max) / sum over
//! the row's entries; ds_e = a_e (da_e - sum a da). Y[r, h] = sum_e a[e, h] X[c(e), h]; da[e, h] =
//! <dY[r(e), h], X[c(e), h]>; dX through the transposed matrix. Nothing has the size of entries x width.

use crate::device::{Call, Fresh, OnDevice, if_tracked};
use crate::kernel::{
    Real, apply1, apply2, by_dtype, fused, lanes, multiversion, owned, read, slice, tensor,
};
use crate::{Csr, SparseMatrix, check, composed};
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp1, CustomOp2, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

/// Rows one task handles.
const ROWS: usize = 256;

/// The softmax of `scores` over the entries of each row of `matrix`, whose own values are not used.
/// `scores`: (entries, heads). Returns the same shape. An error if the shapes do not fit.
pub fn edge_softmax(matrix: &SparseMatrix, scores: &Tensor) -> Result<Tensor> {
    let heads = check_entries("edge_softmax: scores", matrix, scores)?;
    if !fused(scores) {
        return composed::edge_softmax(matrix.matrix(), scores);
    }
    let op = EdgeSoftmax {
        matrix: matrix.clone(),
        heads,
    };
    apply1(&scores.contiguous()?, op)
}

/// Y[r, h] = sum over the entries e of row r of weights[e, h] dense[column of e, h]; the matrix's own
/// values are not used. `weights`: (entries, heads); `dense`: (columns, heads * dim). Returns
/// (rows, heads * dim). An error if shapes, dtypes or devices do not fit.
pub fn edge_sum(matrix: &SparseMatrix, weights: &Tensor, dense: &Tensor) -> Result<Tensor> {
    let heads = check_entries("edge_sum: weights", matrix, weights)?;
    let columns = matrix.matrix().columns();
    match dense.dims() {
        &[rows, width] if rows == columns && width > 0 && width % heads == 0 => {}
        other => bail!(
            "edge_sum: dense {other:?} does not fit weights {:?} of a matrix with {columns} columns, \
             expected ({columns}, {heads} * dim)",
            weights.dims()
        ),
    }
    check::alike("edge_sum", "weights", weights, "dense", dense)?;
    if !fused(dense) {
        return composed::edge_sum(
            matrix.matrix(),
            &weights.contiguous()?,
            &dense.contiguous()?,
        );
    }
    let op = EdgeSum {
        matrix: matrix.clone(),
        heads,
    };
    apply2(&weights.contiguous()?, &dense.contiguous()?, op)
}

fn check_entries(what: &str, matrix: &SparseMatrix, x: &Tensor) -> Result<usize> {
    let entries = matrix.matrix().indices().len();
    match x.dims() {
        &[rows, heads] if rows == entries && heads > 0 => Ok(heads),
        other => bail!("{what} {other:?} do not fit the matrix, expected ({entries}, heads)"),
    }
}

/// Cuts `out`, `width` values an entry, into the entries of ranges of rows, with the first row of each.
fn by_rows<'a, T>(matrix: &Csr, out: &'a mut [T], width: usize) -> Vec<(usize, &'a mut [T])> {
    let mut parts = Vec::new();
    let mut rest = out;
    for first in (0..matrix.rows).step_by(ROWS) {
        let last = (first + ROWS).min(matrix.rows);
        let entries = (matrix.indptr[last] - matrix.indptr[first]) as usize;
        let (part, after) = rest.split_at_mut(entries * width);
        parts.push((first, part));
        rest = after;
    }
    parts
}

/// The entries of row `row`.
#[inline(always)]
fn entries(matrix: &Csr, row: usize) -> std::ops::Range<usize> {
    matrix.indptr[row] as usize..matrix.indptr[row + 1] as usize
}

struct EdgeSoftmax {
    matrix: SparseMatrix,
    heads: usize,
}

multiversion! {
    fn softmax_rows<T: Real>(matrix: &Csr, first: usize, x: &[T], y: &mut [T], heads: usize) {
        let start = matrix.indptr[first] as usize;
        for row in first..(first + ROWS).min(matrix.rows) {
            let range = entries(matrix, row);
            let y = &mut y[(range.start - start) * heads..(range.end - start) * heads];
            let x = &x[range.start * heads..range.end * heads];
            for head in 0..heads.min(x.len()) {
                let mut max = T::LOWEST;
                for &x in x[head..].iter().step_by(heads) {
                    max = if x > max { x } else { max };
                }
                let mut sum = T::NIL;
                let pairs = y[head..].iter_mut().step_by(heads).zip(x[head..].iter().step_by(heads));
                for (y, &x) in pairs {
                    *y = (x - max).exp_nonpositive::<FMA>();
                    sum += *y;
                }
                for y in y[head..].iter_mut().step_by(heads) {
                    *y /= sum;
                }
            }
        }
    }
}

multiversion! {
    fn softmax_rows_backward<T: Real>(
        matrix: &Csr,
        first: usize,
        y: &[T],
        dy: &[T],
        dx: &mut [T],
        heads: usize,
    ) {
        let start = matrix.indptr[first] as usize;
        for row in first..(first + ROWS).min(matrix.rows) {
            let range = entries(matrix, row);
            let dx = &mut dx[(range.start - start) * heads..(range.end - start) * heads];
            let (y, dy) = (&y[range.start * heads..range.end * heads], &dy[range.start * heads..range.end * heads]);
            for head in 0..heads.min(y.len()) {
                let pairs = y[head..].iter().step_by(heads).zip(dy[head..].iter().step_by(heads));
                let mut mean = T::NIL;
                for (&y, &dy) in pairs.clone() {
                    mean += y * dy;
                }
                for (dx, (&y, &dy)) in dx[head..].iter_mut().step_by(heads).zip(pairs) {
                    *dx = y * (dy - mean);
                }
            }
        }
    }
}

impl CustomOp1 for EdgeSoftmax {
    fn name(&self) -> &'static str {
        "edge_softmax"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let matrix = self.matrix.matrix();
        by_dtype!("edge_softmax", storage.dtype(), T => {
            let x = slice::<T>(storage, layout)?;
            let mut y = vec![T::NIL; x.len()];
            by_rows(matrix, &mut y, self.heads)
                .into_par_iter()
                .for_each(|(first, y)| softmax_rows(matrix, first, x, y, self.heads));
            Ok(owned(y, layout.shape()))
        })
    }

    fn bwd(&self, x: &Tensor, result: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let matrix = self.matrix.matrix();
        let grad = grad.contiguous()?;
        by_dtype!("edge_softmax", x.dtype(), T => {
            read!(y: T = result);
            read!(dy: T = grad);
            let mut dx = vec![T::NIL; dy.len()];
            by_rows(matrix, &mut dx, self.heads)
                .into_par_iter()
                .for_each(|(first, dx)| softmax_rows_backward(matrix, first, y, dy, dx, self.heads));
            tensor(dx, x.shape())
        })
    }
}

struct EdgeSum {
    matrix: SparseMatrix,
    heads: usize,
}

multiversion! {
    /// Rows `first..` of the sum. `entry_of[e]` is the row of `weights` that belongs to entry e; empty: e.
    fn sum_rows<T: Real>(
        matrix: &Csr,
        entry_of: &[u32],
        first: usize,
        weights: &[T],
        x: &[T],
        out: &mut [T],
        heads: usize,
        width: usize,
    ) {
        let dim = width / heads;
        for (row, out) in out.chunks_exact_mut(width).enumerate() {
            for entry in entries(matrix, first + row) {
                let x = &x[matrix.indices[entry] as usize * width..][..width];
                let at = entry_of.get(entry).map_or(entry, |&e| e as usize);
                let weights = &weights[at * heads..][..heads];
                let parts = out.chunks_exact_mut(dim).zip(x.chunks_exact(dim));
                for ((out, x), &weight) in parts.zip(weights) {
                    for (out, &x) in out.iter_mut().zip(x) {
                        *out = x.fma::<FMA>(weight, *out);
                    }
                }
            }
        }
    }
}

multiversion! {
    /// dweights of the entries of rows `first..`.
    fn weight_rows<T: Real>(
        matrix: &Csr,
        first: usize,
        dy: &[T],
        x: &[T],
        out: &mut [T],
        heads: usize,
        width: usize,
    ) {
        let dim = width / heads;
        let start = matrix.indptr[first] as usize;
        for row in first..(first + ROWS).min(matrix.rows) {
            let dy = &dy[row * width..][..width];
            for entry in entries(matrix, row) {
                let x = &x[matrix.indices[entry] as usize * width..][..width];
                let out = &mut out[(entry - start) * heads..][..heads];
                for ((out, dy), x) in out.iter_mut().zip(dy.chunks_exact(dim)).zip(x.chunks_exact(dim)) {
                    *out = lanes::dot(dy, x);
                }
            }
        }
    }
}

impl EdgeSum {
    fn sum<T: Real>(
        &self,
        matrix: &Csr,
        entry_of: &[u32],
        weights: &[T],
        x: &[T],
        width: usize,
    ) -> Vec<T> {
        let mut out = vec![T::NIL; matrix.rows * width];
        out.par_chunks_mut(ROWS * width)
            .enumerate()
            .for_each(|(chunk, out)| {
                sum_rows(
                    matrix,
                    entry_of,
                    chunk * ROWS,
                    weights,
                    x,
                    out,
                    self.heads,
                    width,
                );
            });
        out
    }
}

impl CustomOp2 for EdgeSum {
    fn name(&self) -> &'static str {
        "edge_sum"
    }

    fn cpu_fwd(
        &self,
        weights: &CpuStorage,
        weights_layout: &Layout,
        dense: &CpuStorage,
        dense_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (_, width) = dense_layout.shape().dims2()?;
        let matrix = self.matrix.matrix();
        by_dtype!("edge_sum", dense.dtype(), T => {
            let weights = slice::<T>(weights, weights_layout)?;
            let out = self.sum(matrix, &[], weights, slice::<T>(dense, dense_layout)?, width);
            Ok(owned(out, (matrix.rows, width)))
        })
    }

    fn bwd(
        &self,
        weights: &Tensor,
        dense: &Tensor,
        _result: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (_, width) = dense.dims2()?;
        let grad = grad.contiguous()?;
        let matrix = self.matrix.matrix();
        by_dtype!("edge_sum", grad.dtype(), T => {
            read!(dy: T = grad);
            read!(w: T = weights);
            read!(x: T = dense);
            let dw = if weights.track_op() {
                let mut dw = vec![T::NIL; w.len()];
                by_rows(matrix, &mut dw, self.heads)
                    .into_par_iter()
                    .for_each(|(first, dw)| {
                        weight_rows(matrix, first, dy, x, dw, self.heads, width);
                    });
                tensor(dw, weights.shape())?
            } else {
                None
            };
            let dx = if dense.track_op() {
                let entry_of = matrix.entries_by_column();
                let dx = self.sum(self.matrix.transposed(), &entry_of, w, dy, width);
                tensor(dx, dense.shape())?
            } else {
                None
            };
            Ok((dw, dx))
        })
    }
}

impl OnDevice for EdgeSoftmax {
    fn forward(&self, x: &[Tensor]) -> Result<Fresh> {
        let n = self.matrix.matrix().rows() * self.heads;
        let arrays = self.matrix.on_device(false, x[0].device())?;
        let call = Call::new("edge_softmax_forward", &x[0]).read(&arrays.indptr);
        let call = call.read(&x[0]).write(x[0].shape());
        let [y] = call.size(self.heads).size(n).each(n)?;
        Ok(y)
    }

    fn backward(&self, _x: &[Tensor], y: &Tensor, dy: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let n = self.matrix.matrix().rows() * self.heads;
        let arrays = self.matrix.on_device(false, dy.device())?;
        let call = Call::new("edge_softmax_backward", dy).read(&arrays.indptr);
        let call = call.read(y).read(dy).write(dy.shape());
        let [dx] = call.size(self.heads).size(n).each(n)?;
        Ok(vec![Some(dx.tensor())])
    }
}

impl EdgeSum {
    /// The weighted sums of `x` over the rows of the matrix, or of its transpose.
    fn sum_on_device(&self, transposed: bool, weights: &Tensor, x: &Tensor) -> Result<Fresh> {
        let (_, width) = x.dims2()?;
        let matrix = self.matrix.matrix();
        let arrays = self.matrix.on_device(transposed, x.device())?;
        let (rows, entry_of) = match transposed {
            true => {
                let (_, entry_of) = self.matrix.edges_on_device(x.device())?;
                (matrix.columns(), Some(entry_of))
            }
            false => (matrix.rows(), None),
        };
        let n = rows * width;
        let call = Call::new("edge_sum", x)
            .read(&arrays.indptr)
            .read(&arrays.indices);
        let call = call.read_or_null(entry_of.as_ref()).read(weights).read(x);
        let call = call.write((rows, width)).size(self.heads).size(width);
        let [y] = call.size(n).each(n)?;
        Ok(y)
    }
}

impl OnDevice for EdgeSum {
    fn forward(&self, x: &[Tensor]) -> Result<Fresh> {
        self.sum_on_device(false, &x[0], &x[1])
    }

    fn backward(&self, x: &[Tensor], _y: &Tensor, dy: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let (weights, dense) = (&x[0], &x[1]);
        let (_, width) = dense.dims2()?;
        let dw = if_tracked(weights, || {
            let n = weights.elem_count();
            let arrays = self.matrix.on_device(false, dy.device())?;
            let (row_of, _) = self.matrix.edges_on_device(dy.device())?;
            let call = Call::new("edge_sum_weights", dy)
                .read(&row_of)
                .read(&arrays.indices);
            let call = call.read(dy).read(dense).write(weights.shape());
            let [dw] = call.size(self.heads).size(width).size(n).each(n)?;
            Ok(dw.tensor())
        })?;
        let dx = if_tracked(dense, || {
            Ok(self.sum_on_device(true, weights, dy)?.tensor())
        })?;
        Ok(vec![dw, dx])
    }
}
