//! Logarithm of the softmax over the last dimension with an exact backward.
//!
//! y_i = x_i - max x - log sum_j exp(x_j - max x); dx_i = dy_i - exp(y_i) sum_j dy_j.

use crate::device::{Call, Fresh, OnDevice};
use crate::kernel::{
    Real, apply1, by_dtype, fused, lanes, multiversion, owned, read, rows, slice, tensor,
};
use crate::{check, composed};
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};

/// Any shape (.., dim), the same out. An error if `x` is not of floats or dim is 0.
pub fn log_softmax(x: &Tensor) -> Result<Tensor> {
    check::last_dim("log_softmax", x)?;
    check::floats("log_softmax", x)?;
    if !fused(x) {
        return composed::log_softmax(x);
    }
    apply1(&x.contiguous()?, LogSoftmax)
}

struct LogSoftmax;

multiversion! {
    fn forward<T: Real>(x: &[T], y: &mut [T], width: usize) {
        for (x, y) in x.chunks_exact(width).zip(y.chunks_exact_mut(width)) {
            y.copy_from_slice(x);
            let max = lanes::max(x);
            let log = lanes::exp_in_place::<T, FMA>(y, max).ln_positive::<FMA>();
            for (y, &x) in y.iter_mut().zip(x) {
                // The difference first: max alone may be too large to add a logarithm to.
                *y = (x - max) - log;
            }
        }
    }
}

multiversion! {
    fn backward<T: Real>(y: &[T], dy: &[T], dx: &mut [T], width: usize) {
        let chunks = y.chunks_exact(width).zip(dy.chunks_exact(width));
        for ((y, dy), dx) in chunks.zip(dx.chunks_exact_mut(width)) {
            let total = lanes::sum(dy);
            for ((dx, &y), &dy) in dx.iter_mut().zip(y).zip(dy) {
                *dx = dy - y.exp_nonpositive::<FMA>() * total;
            }
        }
    }
}

impl CustomOp1 for LogSoftmax {
    fn name(&self) -> &'static str {
        "log_softmax"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let width = layout.dims().last().copied().unwrap_or(1);
        by_dtype!("log_softmax", storage.dtype(), T => {
            let x = slice::<T>(storage, layout)?;
            let y = rows::build(x.len(), width, |row, y| {
                forward(&x[row * width..][..y.len()], y, width);
            });
            Ok(owned(y, layout.shape()))
        })
    }

    fn bwd(&self, x: &Tensor, result: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let width = check::last_dim("log_softmax", x)?;
        let grad = grad.contiguous()?;
        by_dtype!("log_softmax", x.dtype(), T => {
            read!(y: T = result);
            read!(dy: T = grad);
            let dx = rows::build(dy.len(), width, |row, dx| {
                let range = row * width..row * width + dx.len();
                backward(&y[range.clone()], &dy[range], dx, width);
            });
            tensor(dx, x.shape())
        })
    }
}

impl OnDevice for LogSoftmax {
    fn forward(&self, x: &[Tensor]) -> Result<Fresh> {
        let width = check::last_dim("log_softmax", &x[0])?;
        let call = Call::new("log_softmax_forward", &x[0])
            .read(&x[0])
            .write(x[0].shape());
        let [y] = call.size(width).blocks(x[0].elem_count() / width)?;
        Ok(y)
    }

    fn backward(&self, _x: &[Tensor], y: &Tensor, dy: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let width = check::last_dim("log_softmax", y)?;
        let call = Call::new("log_softmax_backward", dy)
            .read(y)
            .read(dy)
            .write(dy.shape());
        let [dx] = call.size(width).blocks(dy.elem_count() / width)?;
        Ok(vec![Some(dx.tensor())])
    }
}
