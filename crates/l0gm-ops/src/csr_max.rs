//! The entrywise maximum over a row's neighbours, for max-pooling aggregators.
//!
//! Y[r, d] = max over the entries e of row r of X[c(e), d], or 0 for a row without entries. The gradient goes to the
//! neighbour with the largest value, the first of several. The backward pass runs over the transposed matrix, so that
//! each row of dX is written by one task.

use crate::device::{Call, Fresh, OnDevice};
use crate::kernel::{
    Real, apply1, by_dtype, fused, multiversion, owned, read, rows, slice, tensor,
};
use crate::{Csr, SparseMatrix, composed};
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp1, DType, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

/// The maximum over each row's neighbours. The values of the matrix are not used. `dense`: (columns, width), f32 or
/// f64. Returns (rows, width). It is an error if the shapes do not fit.
pub fn csr_max(matrix: &SparseMatrix, dense: &Tensor) -> Result<Tensor> {
    let columns = matrix.matrix().columns();
    if dense.rank() != 2 || dense.dims()[0] != columns {
        bail!(
            "csr_max: dense {:?} does not fit a sparse ({}, {columns}), expected ({columns}, width)",
            dense.dims(),
            matrix.matrix().rows()
        );
    }
    if !fused(dense) {
        return composed::csr_max(matrix.matrix(), &dense.contiguous()?);
    }
    let matrix = matrix.clone();
    apply1(&dense.contiguous()?, CsrMax { matrix })
}

struct CsrMax {
    matrix: SparseMatrix,
}

/// Marks a row without neighbours.
const NONE: u32 = u32::MAX;

multiversion! {
    fn max_rows<T: Real>(matrix: &Csr, first: usize, x: &[T], out: &mut [T], width: usize) {
        for (row, out) in out.chunks_exact_mut(width).enumerate() {
            let entries = matrix.indptr[first + row] as usize..matrix.indptr[first + row + 1] as usize;
            for (number, &column) in matrix.indices[entries].iter().enumerate() {
                let x = &x[column as usize * width..][..width];
                if number == 0 {
                    out.copy_from_slice(x);
                } else {
                    for (out, &x) in out.iter_mut().zip(x) {
                        *out = if x > *out || x.nan() { x } else { *out };
                    }
                }
            }
        }
    }
}

/// For each row and column of the result, (rows, width), the first neighbour that has the maximum.
fn largest<T: Real>(matrix: &Csr, x: &[T], y: &[T], width: usize) -> Vec<u32> {
    let mut found = vec![NONE; y.len()];
    found
        .par_chunks_mut(width.max(1))
        .zip(y.par_chunks(width.max(1)))
        .enumerate()
        .for_each(|(row, (found, y))| {
            let entries = matrix.indptr[row] as usize..matrix.indptr[row + 1] as usize;
            for &column in &matrix.indices[entries] {
                let x = &x[column as usize * width..][..width];
                for ((found, &y), &x) in found.iter_mut().zip(y).zip(x) {
                    let both_nan = x.nan() && y.nan();
                    if *found == NONE && (x == y || both_nan) {
                        *found = column;
                    }
                }
            }
        });
    found
}

impl CustomOp1 for CsrMax {
    fn name(&self) -> &'static str {
        "csr_max"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (_, width) = layout.shape().dims2()?;
        let matrix = self.matrix.matrix();
        by_dtype!("csr_max", storage.dtype(), T => {
            let x = slice::<T>(storage, layout)?;
            let y = rows::build(matrix.rows * width, width.max(1), |first, y| {
                max_rows(matrix, first, x, y, width);
            });
            Ok(owned(y, (matrix.rows, width)))
        })
    }

    fn bwd(&self, dense: &Tensor, result: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let (_, width) = dense.dims2()?;
        let grad = grad.contiguous()?;
        let transposed = self.matrix.transposed();
        by_dtype!("csr_max", grad.dtype(), T => {
            read!(dy: T = grad);
            read!(x: T = dense);
            read!(y: T = result);
            let largest = largest(self.matrix.matrix(), x, y, width);
            let dx = rows::build(transposed.rows * width, width.max(1), |first, dx: &mut [T]| {
                for (at, dx) in dx.chunks_exact_mut(width).enumerate() {
                    let column = first + at;
                    let entries = transposed.indptr[column] as usize..transposed.indptr[column + 1] as usize;
                    let mut before = NONE;
                    for &row in &transposed.indices[entries] {
                        // An entry that is stored twice counts once. The rows of a column are sorted, so its copies
                        // are neighbours.
                        if row == before {
                            continue;
                        }
                        before = row;
                        let range = row as usize * width..(row as usize + 1) * width;
                        let row = dy[range.clone()].iter().zip(&largest[range]);
                        for (dx, (&dy, &largest)) in dx.iter_mut().zip(row) {
                            if largest as usize == column {
                                *dx += dy;
                            }
                        }
                    }
                }
            });
            tensor(dx, dense.shape())
        })
    }
}

impl OnDevice for CsrMax {
    fn forward(&self, x: &[Tensor]) -> Result<Fresh> {
        let (_, width) = x[0].dims2()?;
        let rows = self.matrix.matrix().rows();
        let arrays = self.matrix.on_device(false, x[0].device())?;
        let call = Call::new("csr_max_forward", &x[0]).read(&arrays.indptr);
        let call = call.read(&arrays.indices).read(&x[0]).write((rows, width));
        let [y] = call.size(width).size(rows * width).each(rows * width)?;
        Ok(y)
    }

    fn backward(&self, x: &[Tensor], y: &Tensor, dy: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let (columns, width) = x[0].dims2()?;
        let n = y.elem_count();
        let arrays = self.matrix.on_device(false, dy.device())?;
        let call = Call::new("csr_max_largest", dy)
            .read(&arrays.indptr)
            .read(&arrays.indices);
        let call = call.read(&x[0]).read(y).write_as(y.shape(), DType::U32);
        let [found] = call.size(width).size(n).each(n)?;
        let n = columns * width;
        let arrays = self.matrix.on_device(true, dy.device())?;
        let call = Call::new("csr_max_backward", dy)
            .read(&arrays.indptr)
            .read(&arrays.indices);
        let call = call.read(&found.tensor()).read(dy).write((columns, width));
        let [dx] = call.size(width).size(n).each(n)?;
        Ok(vec![Some(dx.tensor())])
    }
}
