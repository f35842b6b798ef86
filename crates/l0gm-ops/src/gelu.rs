//! GELU with the exact error function (Hendrycks and Gimpel 2016), fused with its backward.
//!
//! y = x Phi(x); dx = (Phi(x) + x phi(x)) dy, with Phi and phi the distribution and density of the
//! standard normal. The negative tail keeps its relative accuracy.

use crate::composed;
use crate::kernel::{Real, by_dtype, fused, multiversion, owned, read, rows, slice, tensor};
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};

/// x * Phi(x), any shape. An error if `x` is not of floats.
pub fn gelu(x: &Tensor) -> Result<Tensor> {
    if !fused(x) {
        return composed::gelu(x);
    }
    x.contiguous()?.apply_op1(Gelu)
}

struct Gelu;

multiversion! {
    fn forward<T: Real>(x: &[T], y: &mut [T]) {
        for (y, &x) in y.iter_mut().zip(x) {
            *y = x * x.normal().0;
        }
    }
}

multiversion! {
    fn backward<T: Real>(x: &[T], dy: &[T], dx: &mut [T]) {
        for ((dx, &x), &dy) in dx.iter_mut().zip(x).zip(dy) {
            let (distribution, density) = x.normal();
            *dx = (distribution + x * density) * dy;
        }
    }
}

impl CustomOp1 for Gelu {
    fn name(&self) -> &'static str {
        "gelu"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        by_dtype!("gelu", storage.dtype(), T => {
            let x = slice::<T>(storage, layout)?;
            let mut y = vec![T::NIL; x.len()];
            rows::for_rows(&mut y, 1, |first, y| forward(&x[first..first + y.len()], y));
            Ok(owned(y, layout.shape()))
        })
    }

    fn bwd(&self, x: &Tensor, _result: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let grad = grad.contiguous()?;
        by_dtype!("gelu", x.dtype(), T => {
            read!(x_values: T = x);
            read!(dy: T = grad);
            let mut dx = vec![T::NIL; dy.len()];
            rows::for_rows(&mut dx, 1, |first, dx| {
                let range = first..first + dx.len();
                backward(&x_values[range.clone()], &dy[range], dx);
            });
            tensor(dx, x.shape())
        })
    }
}
