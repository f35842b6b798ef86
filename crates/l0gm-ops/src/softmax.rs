//! Softmax over the last dimension, over all entries or over those that a mask leaves open, with an exact backward
//! pass.
//!
//! y_i = exp(x_i - max x) / sum_j exp(x_j - max x); dx_i = y_i (dy_i - sum_j dy_j y_j). Closed entries count as minus
//! infinity, so their y and dx are 0. A row without an open entry is all zeros.

use crate::device::{Call, Fresh, OnDevice};
use crate::kernel::{
    Real, apply1, by_dtype, fused, lanes, multiversion, owned, read, rows, slice, tensor,
};
use crate::{check, composed};
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};

/// The softmax, in x's shape (.., dim). It is an error if `x` is not of floats or dim is 0.
pub fn softmax(x: &Tensor) -> Result<Tensor> {
    check::last_dim("softmax", x)?;
    check::floats("softmax", x)?;
    if !fused(x) {
        return composed::softmax(x);
    }
    apply1(&x.contiguous()?, Softmax { open: None })
}

/// Like [`softmax`], but over the entries where `mask` is 1. All other entries are 0, and so is a row without open
/// entries. `mask`: u8, of x's shape or (dim,) for all rows. It is an error if the mask does not fit.
pub fn masked_softmax(x: &Tensor, mask: &Tensor) -> Result<Tensor> {
    check::floats("masked_softmax", x)?;
    check::mask("masked_softmax", x, mask)?;
    if !fused(x) {
        return composed::masked_softmax(x, mask);
    }
    let open = Some(mask.flatten_all()?.contiguous()?);
    apply1(&x.contiguous()?, Softmax { open })
}

struct Softmax {
    /// The mask, u8 with 1 = open, one value per entry or per column. Absent: all are open.
    open: Option<Tensor>,
}

multiversion! {
    fn forward<T: Real>(x: &[T], y: &mut [T], width: usize) {
        for (x, y) in x.chunks_exact(width).zip(y.chunks_exact_mut(width)) {
            y.copy_from_slice(x);
            let scale = T::UNIT / lanes::exp_in_place::<T, FMA>(y, lanes::max(x));
            for y in y.iter_mut() {
                *y *= scale;
            }
        }
    }
}

multiversion! {
    /// Replaces each row by its softmax over the open entries; a row without open entries becomes zeros. `open` is
    /// repeated as often as there are rows; if it is empty, all entries are open.
    pub(crate) fn masked_in_place<T: Real>(x: &mut [T], width: usize, open: &[u8]) {
        for (row, x) in x.chunks_exact_mut(width).enumerate() {
            let at = if open.len() > width { row * width } else { 0 };
            let open = open.get(at..at + width).unwrap_or_default();
            // Ask the mask and not the values, because a NaN must stay NaN.
            if !open.is_empty() && open.iter().all(|&open| open == 0) {
                x.fill(T::NIL);
                continue;
            }
            for (x, &open) in x.iter_mut().zip(open) {
                *x = if open == 0 { T::LOWEST } else { *x };
            }
            let max = lanes::max(x);
            let factor = T::UNIT / lanes::exp_in_place::<T, FMA>(x, max);
            for x in x.iter_mut() {
                *x *= factor;
            }
        }
    }
}

multiversion! {
    fn backward<T: Real>(y: &[T], dy: &[T], dx: &mut [T], width: usize) {
        let chunks = y.chunks_exact(width).zip(dy.chunks_exact(width));
        for ((y, dy), dx) in chunks.zip(dx.chunks_exact_mut(width)) {
            let mean = lanes::dot(y, dy);
            for ((dx, &y), &dy) in dx.iter_mut().zip(y).zip(dy) {
                *dx = y * (dy - mean);
            }
        }
    }
}

impl CustomOp1 for Softmax {
    fn name(&self) -> &'static str {
        "softmax"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let width = layout.dims().last().copied().unwrap_or(1);
        by_dtype!("softmax", storage.dtype(), T => {
            let x = slice::<T>(storage, layout)?;
            let Some(mask) = &self.open else {
                let y = rows::build(x.len(), width, |row, y| {
                    forward(&x[row * width..][..y.len()], y, width);
                });
                return Ok(owned(y, layout.shape()));
            };
            read!(open: u8 = mask);
            let y = rows::build(x.len(), width, |row, y| {
                y.copy_from_slice(&x[row * width..][..y.len()]);
                let first = if open.len() > width { row * width } else { 0 };
                masked_in_place(y, width, &open[first..]);
            });
            Ok(owned(y, layout.shape()))
        })
    }

    fn bwd(&self, x: &Tensor, result: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let width = check::last_dim("softmax", x)?;
        let grad = grad.contiguous()?;
        by_dtype!("softmax", x.dtype(), T => {
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

impl OnDevice for Softmax {
    fn forward(&self, x: &[Tensor]) -> Result<Fresh> {
        let width = check::last_dim("softmax", &x[0])?;
        let open = self.open.as_ref();
        let call = Call::new("softmax_forward", &x[0])
            .read(&x[0])
            .read_or_null(open);
        let period = open.map_or(width, |open| open.elem_count());
        let call = call.write(x[0].shape()).size(period).size(width);
        let [y] = call.blocks(x[0].elem_count() / width)?;
        Ok(y)
    }

    fn backward(&self, _x: &[Tensor], y: &Tensor, dy: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let width = check::last_dim("softmax", y)?;
        let call = Call::new("softmax_backward", dy)
            .read(y)
            .read(dy)
            .write(dy.shape());
        let [dx] = call.size(width).blocks(dy.elem_count() / width)?;
        Ok(vec![Some(dx.tensor())])
    }
}
