//! Sum and mean over any one dimension. With x seen as (outer, n, inner), y[o, i] = sum_j x[o, j, i], and the
//! gradient is dy repeated n times. Rows are added four at a time, in an order that depends only on the shape.

use crate::composed;
use crate::device::{self, Call, Fresh, OnDevice};
use crate::kernel::{
    Real, apply1, by_dtype, fused, lanes, multiversion, owned, read, rows, slice, tensor,
};
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

/// The sum over dimension `dim`, which is removed from the shape. It is an error if there is no such dimension.
pub fn sum(x: &Tensor, dim: usize) -> Result<Tensor> {
    if dim >= x.rank() {
        bail!("sum: x {:?} has no dimension {dim}", x.dims());
    }
    if !fused(x) {
        return composed::sum(x, dim);
    }
    apply1(&x.contiguous()?, Sum { dim })
}

/// The mean over dimension `dim`, which is removed from the shape. It is an error if there is no such dimension or it
/// is empty.
pub fn mean(x: &Tensor, dim: usize) -> Result<Tensor> {
    match x.dims().get(dim) {
        Some(&n) if n > 0 => sum(x, dim)? / n as f64,
        _ => bail!(
            "mean: x {:?} has no entries along a dimension {dim}",
            x.dims()
        ),
    }
}

struct Sum {
    dim: usize,
}

/// The sizes (outer, n, inner) of a shape around one dimension.
fn around(dims: &[usize], dim: usize) -> (usize, usize, usize) {
    (
        dims[..dim].iter().product(),
        dims[dim],
        dims[dim + 1..].iter().product(),
    )
}

multiversion! {
    /// Sums each row of `x`.
    fn sum_each<T: Real>(x: &[T], y: &mut [T], width: usize) {
        for (x, y) in x.chunks_exact(width).zip(y) {
            *y = lanes::sum(x);
        }
    }
}

fn forward<T: Real>(x: &[T], (outer, n, inner): (usize, usize, usize)) -> Vec<T> {
    if n == 0 || outer * inner == 0 {
        return vec![T::NIL; outer * inner];
    }
    if outer == 1 && inner > 1 {
        return rows::column_sums(x, inner);
    }
    let mut y = vec![T::NIL; outer * inner];
    if inner == 1 {
        rows::for_rows_of(&mut y, n, |first, y| {
            sum_each(&x[first * n..][..y.len() * n], y, n);
        });
        return y;
    }
    let group = (rows::CHUNK / (n * inner)).max(1);
    y.par_chunks_mut(group * inner)
        .zip(x.par_chunks(group * n * inner))
        .for_each(|(y, x)| {
            for (y, x) in y.chunks_exact_mut(inner).zip(x.chunks_exact(n * inner)) {
                rows::add_rows(y, x);
            }
        });
    y
}

fn backward<T: Real>(dy: &[T], (outer, n, inner): (usize, usize, usize)) -> Vec<T> {
    let len = outer * n * inner;
    if inner == 1 {
        return rows::build(len, n.max(1), |row, dx| {
            for (dx, dy) in dx.chunks_exact_mut(n).zip(&dy[row..]) {
                dx.fill(*dy);
            }
        });
    }
    rows::build(len, inner.max(1), |row, dx| {
        for (at, dx) in dx.chunks_exact_mut(inner).enumerate() {
            dx.copy_from_slice(&dy[(row + at) / n * inner..][..inner]);
        }
    })
}

impl CustomOp1 for Sum {
    fn name(&self) -> &'static str {
        "sum"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let mut shape = layout.dims().to_vec();
        shape.remove(self.dim);
        by_dtype!("sum", storage.dtype(), T => {
            let x = slice::<T>(storage, layout)?;
            Ok(owned(forward(x, around(layout.dims(), self.dim)), shape))
        })
    }

    fn bwd(&self, x: &Tensor, _result: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let grad = grad.contiguous()?;
        by_dtype!("sum", grad.dtype(), T => {
            read!(dy: T = grad);
            tensor(backward(dy, around(x.dims(), self.dim)), x.shape())
        })
    }
}

impl OnDevice for Sum {
    fn forward(&self, x: &[Tensor]) -> Result<Fresh> {
        let (outer, n, inner) = around(x[0].dims(), self.dim);
        let mut shape = x[0].dims().to_vec();
        shape.remove(self.dim);
        let sums = device::sums(&x[0], outer, n, inner)?;
        Ok(sums.shaped(shape))
    }

    fn backward(&self, x: &[Tensor], _y: &Tensor, dy: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let (outer, along, inner) = around(x[0].dims(), self.dim);
        let n = outer * along * inner;
        let call = Call::new("sum_backward", dy).read(dy).write(x[0].shape());
        let [dx] = call.size(along).size(inner).size(n).each(n)?;
        Ok(vec![Some(dx.tensor())])
    }
}
