//! Sums rows over the edges of each node, with one weight per entry and head. This is the aggregation of attention on
//! graphs (Velickovic et al. 2018).
//!
//! Y[r, h] = sum_e a[e, h] X[c(e), h]; da[e, h] = <dY[r(e), h], X[c(e), h]>; dX is computed with the transposed
//! matrix. No intermediate has the size entries x width.

use crate::device::{Call, Fresh, OnDevice, if_tracked};
use crate::kernel::edges::{ROWS, by_rows, check_entries, entries};
use crate::kernel::{
    Real, apply2, by_dtype, fused, lanes, multiversion, owned, read, slice, tensor,
};
use crate::{Csr, SparseMatrix, check, composed};
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

/// Y[r, h] = sum over the entries e of row r of weights[e, h] dense[column of e, h]. The values of the matrix are not
/// used. `weights`: (entries, heads); `dense`: (columns, heads * dim). Returns (rows, heads * dim). It is an error if
/// shapes, dtypes or devices do not fit.
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

struct EdgeSum {
    matrix: SparseMatrix,
    heads: usize,
}

multiversion! {
    /// Computes the rows `first..` of the sum. `entry_of[e]` is the row of `weights` for entry e; if it is empty,
    /// that row is e.
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
    /// Computes the gradient of the weights for the entries of rows `first..`.
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

impl EdgeSum {
    /// Computes the weighted sums of `x` over the rows of the matrix, or of its transpose.
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
