//! Functions of one value with their exact slope, applied to every entry of a tensor. An activation only defines its
//! two formulas; everything else is done here once for all.

use super::{Real, apply1, by_dtype, fused, multiversion, owned, read, rows, slice, tensor};
use crate::device::{Call, Fresh, OnDevice};
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};
use std::mem::MaybeUninit;

/// A function y = f(x) with dx = f'(x) dy. The methods must be `#[inline(always)]` and without branches, so that the
/// loops around them are vectorised.
pub(crate) trait Pointwise: Send + Sync + 'static {
    /// The op's name in error messages.
    const NAME: &'static str;
    /// Names of the device kernels for f and f'.
    const KERNELS: [&'static str; 2];
    /// The constant of f, if it has one.
    fn constant(&self) -> f64 {
        0.0
    }
    /// f(x).
    fn value<T: Real, const FMA: bool>(&self, x: T) -> T;
    /// f'(x).
    fn slope<T: Real, const FMA: bool>(&self, x: T) -> T;
}

/// Applies f to `x`. Where there is no kernel for it, it is composed of candle's operations.
pub(crate) fn apply<F: Pointwise>(
    x: &Tensor,
    f: F,
    composed: impl FnOnce(&Tensor) -> Result<Tensor>,
) -> Result<Tensor> {
    crate::check::floats(F::NAME, x)?;
    if !fused(x) {
        return composed(x);
    }
    apply1(&x.contiguous()?, Entrywise(f))
}

struct Entrywise<F>(F);

multiversion! {
    fn forward<T: Real, F: Pointwise>(x: &[T], y: &mut [MaybeUninit<T>], f: &F) {
        for (y, &x) in y.iter_mut().zip(x) {
            y.write(f.value::<T, FMA>(x));
        }
    }
}

multiversion! {
    fn backward<T: Real, F: Pointwise>(x: &[T], dy: &[T], dx: &mut [MaybeUninit<T>], f: &F) {
        for ((dx, &x), &dy) in dx.iter_mut().zip(x).zip(dy) {
            dx.write(f.slope::<T, FMA>(x) * dy);
        }
    }
}

impl<F: Pointwise> CustomOp1 for Entrywise<F> {
    fn name(&self) -> &'static str {
        F::NAME
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        by_dtype!(F::NAME, storage.dtype(), T => {
            let x = slice::<T>(storage, layout)?;
            // SAFETY: `forward` writes as many values as it reads.
            let y = unsafe {
                rows::write(x.len(), 1, |first, y| {
                    forward(&x[first..first + y.len()], y, &self.0);
                })
            };
            Ok(owned(y, layout.shape()))
        })
    }

    fn bwd(&self, x: &Tensor, _result: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let grad = grad.contiguous()?;
        by_dtype!(F::NAME, x.dtype(), T => {
            read!(x_values: T = x);
            read!(dy: T = grad);
            // SAFETY: `backward` writes as many values as it reads of either.
            let dx = unsafe {
                rows::write(dy.len(), 1, |first, dx| {
                    let range = first..first + dx.len();
                    backward(&x_values[range.clone()], &dy[range], dx, &self.0);
                })
            };
            tensor(dx, x.shape())
        })
    }
}

impl<F: Pointwise> OnDevice for Entrywise<F> {
    fn forward(&self, x: &[Tensor]) -> Result<Fresh> {
        let n = x[0].elem_count();
        let call = Call::new(F::KERNELS[0], &x[0])
            .read(&x[0])
            .write(x[0].shape());
        let [y] = call.real(self.0.constant()).size(n).each(n)?;
        Ok(y)
    }

    fn backward(&self, x: &[Tensor], _y: &Tensor, dy: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let n = dy.elem_count();
        let call = Call::new(F::KERNELS[1], dy)
            .read(&x[0])
            .read(dy)
            .write(dy.shape());
        let [dx] = call.real(self.0.constant()).size(n).each(n)?;
        Ok(vec![Some(dx.tensor())])
    }
}
