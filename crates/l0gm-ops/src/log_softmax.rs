//! The logarithm of the softmax over the last dimension, with an exact backward pass.
//!
//! y_i = x_i - max x - log sum_j exp(x_j - max x); dx_i = dy_i - exp(y_i) sum_j dy_j.

use crate::device::{Call, Fresh, OnDevice};
use crate::kernel::{
    Real, apply1, by_dtype, fused, lanes, multiversion, owned, read, rows, slice, tensor,
};
use crate::{check, composed};
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};

/// The logarithm of the softmax, in x's shape (.., dim). It is an error if `x` is not of floats or dim is 0.
pub fn log_softmax(x: &Tensor) -> Result<Tensor> {
    check::last_dim("log_softmax", x)?;
    check::floats("log_softmax", x)?;
    if !fused(x) {
        return composed::log_softmax(x);
    }
    apply1(&x.contiguous()?, LogSoftmax { open: None })
}

/// Like [`log_softmax`], but over the entries where `mask` is 1. All other entries are 0, and so is a row without
/// open entries. Their true value is minus infinity, which would turn a sum in which they have weight 0 into NaN.
/// `mask`: u8, of x's shape or (dim,) for all rows. It is an error if the mask does not fit.
pub fn masked_log_softmax(x: &Tensor, mask: &Tensor) -> Result<Tensor> {
    check::floats("masked_log_softmax", x)?;
    check::mask("masked_log_softmax", x, mask)?;
    if !fused(x) {
        return composed::masked_log_softmax(x, mask);
    }
    let open = Some(mask.flatten_all()?.contiguous()?);
    apply1(&x.contiguous()?, LogSoftmax { open })
}

struct LogSoftmax {
    /// The mask, u8 with 1 = open, one value per entry or per column. Absent: all are open.
    open: Option<Tensor>,
}

/// The mask of one row; empty where all entries are open.
#[inline(always)]
fn open_of(open: &[u8], row: usize, width: usize) -> &[u8] {
    let at = if open.len() > width { row * width } else { 0 };
    open.get(at..at + width).unwrap_or_default()
}

multiversion! {
    /// Handles the rows `first..`. `open` is the mask of all rows.
    fn forward<T: Real>(x: &[T], y: &mut [T], open: &[u8], first: usize, width: usize) {
        let rows = x.chunks_exact(width).zip(y.chunks_exact_mut(width));
        for (row, (x, y)) in rows.enumerate() {
            let open = open_of(open, first + row, width);
            y.copy_from_slice(x);
            for (y, &open) in y.iter_mut().zip(open) {
                *y = if open == 0 { T::LOWEST } else { *y };
            }
            let max = lanes::max(y);
            let log = lanes::exp_in_place::<T, FMA>(y, max).ln_positive::<FMA>();
            for (y, &x) in y.iter_mut().zip(x) {
                // Take the difference first, because adding a logarithm to a very large max alone would lose it.
                *y = (x - max) - log;
            }
            for (y, &open) in y.iter_mut().zip(open) {
                *y = if open == 0 { T::NIL } else { *y };
            }
        }
    }
}

multiversion! {
    /// Handles the rows `first..`. `open` is the mask of all rows.
    fn backward<T: Real>(y: &[T], dy: &[T], dx: &mut [T], open: &[u8], first: usize, width: usize) {
        let chunks = y.chunks_exact(width).zip(dy.chunks_exact(width));
        for (row, ((y, dy), dx)) in chunks.zip(dx.chunks_exact_mut(width)).enumerate() {
            let open = open_of(open, first + row, width);
            dx.copy_from_slice(dy);
            for (dx, &open) in dx.iter_mut().zip(open) {
                *dx = if open == 0 { T::NIL } else { *dx };
            }
            let total = lanes::sum(dx);
            for (dx, &y) in dx.iter_mut().zip(y) {
                *dx -= y.exp_nonpositive::<FMA>() * total;
            }
            for (dx, &open) in dx.iter_mut().zip(open) {
                *dx = if open == 0 { T::NIL } else { *dx };
            }
        }
    }
}

impl LogSoftmax {
    /// Runs `inner` with the values of the mask; without a mask they are empty.
    fn with_open<R>(&self, inner: impl FnOnce(&[u8]) -> Result<R>) -> Result<R> {
        let Some(mask) = &self.open else {
            return inner(&[]);
        };
        read!(open: u8 = mask);
        inner(open)
    }

    /// Passes the mask, and returns its number of entries as well.
    fn pass_open(&self, call: Call, width: usize) -> (Call, usize) {
        let open = self.open.as_ref();
        let period = open.map_or(width, |open| open.elem_count());
        (call.read_or_null(open), period)
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
            self.with_open(|open| {
                let y = rows::build(x.len(), width, |row, y| {
                    forward(&x[row * width..][..y.len()], y, open, row, width);
                });
                Ok(owned(y, layout.shape()))
            })
        })
    }

    fn bwd(&self, x: &Tensor, result: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let width = check::last_dim("log_softmax", x)?;
        let grad = grad.contiguous()?;
        by_dtype!("log_softmax", x.dtype(), T => {
            read!(y: T = result);
            read!(dy: T = grad);
            self.with_open(|open| {
                let dx = rows::build(dy.len(), width, |row, dx| {
                    let range = row * width..row * width + dx.len();
                    backward(&y[range.clone()], &dy[range], dx, open, row, width);
                });
                tensor(dx, x.shape())
            })
        })
    }
}

impl OnDevice for LogSoftmax {
    fn forward(&self, x: &[Tensor]) -> Result<Fresh> {
        let width = check::last_dim("log_softmax", &x[0])?;
        let call = Call::new("log_softmax_forward", &x[0]).read(&x[0]);
        let (call, period) = self.pass_open(call, width);
        let call = call.write(x[0].shape()).size(period).size(width);
        let [y] = call.blocks(x[0].elem_count() / width)?;
        Ok(y)
    }

    fn backward(&self, _x: &[Tensor], y: &Tensor, dy: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let width = check::last_dim("log_softmax", y)?;
        let call = Call::new("log_softmax_backward", dy).read(y);
        let (call, period) = self.pass_open(call, width);
        let call = call.read(dy).write(dy.shape()).size(period).size(width);
        let [dx] = call.blocks(dy.elem_count() / width)?;
        Ok(vec![Some(dx.tensor())])
    }
}
