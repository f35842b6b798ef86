//! The softmax over the edges of each node (Velickovic et al. 2018), with one score per entry and head.
//!
//! a_e = exp(s_e - max) / sum over the row's entries; ds_e = a_e (da_e - sum a da).

use crate::device::{Call, Fresh, OnDevice};
use crate::kernel::edges::{ROWS, by_rows, check_entries, entries};
use crate::kernel::{Real, apply1, by_dtype, fused, multiversion, owned, read, slice, tensor};
use crate::{Csr, SparseMatrix, composed};
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

/// The softmax of `scores` over the entries of each row of `matrix`. The values of the matrix are not used. `scores`:
/// (entries, heads). Returns the same shape. It is an error if the shapes do not fit.
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
