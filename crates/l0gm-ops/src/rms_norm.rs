//! Root-mean-square normalisation over the last dimension (Zhang and Sennrich 2019), fused with its backward pass.
//!
//! With r = 1 / sqrt(mean(x^2) + epsilon) and h = x r: y = h w. Backward, with g = dy w and means over the row:
//! dx = r (g - h mean(g h)); dw is the sum of dy h over the rows. r is computed again, because the row is in the
//! cache anyway.

use crate::device::{self, Call, Fresh, OnDevice, if_tracked};
use crate::kernel::{
    Real, apply2, by_dtype, fused, lanes, multiversion, owned, read, rows, slice, tensor,
};
use crate::{check, composed};
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor, bail};

/// x / sqrt(mean(x^2) + epsilon) * weight. `x`: (.., dim); `weight`: (dim,). `epsilon` must be at least 0 (above 0 if
/// a row may be all zeros). It is an error if shapes, dtypes or devices do not fit.
pub fn rms_norm(x: &Tensor, weight: &Tensor, epsilon: f64) -> Result<Tensor> {
    let width = check::last_dim("rms_norm", x)?;
    if weight.dims() != [width] {
        bail!(
            "rms_norm: weight {:?} does not fit x {:?}, expected ({width},)",
            weight.dims(),
            x.dims()
        );
    }
    check::alike("rms_norm", "x", x, "weight", weight)?;
    if !(epsilon >= 0.0 && epsilon.is_finite()) {
        bail!("rms_norm: epsilon {epsilon} must be finite and at least 0");
    }
    if !fused(x) {
        return composed::rms_norm(x, weight, epsilon);
    }
    apply2(&x.contiguous()?, &weight.contiguous()?, RmsNorm { epsilon })
}

struct RmsNorm {
    epsilon: f64,
}

/// 1 / sqrt(mean(x^2) + epsilon) of a row.
#[inline(always)]
fn inverse_size<T: Real>(x: &[T], epsilon: f64) -> T {
    let square = lanes::dot(x, x) / T::of(x.len() as f64);
    T::UNIT / (square + T::of(epsilon)).root()
}

multiversion! {
    fn forward<T: Real>(x: &[T], weight: &[T], epsilon: f64, y: &mut [T]) {
        let width = weight.len();
        for (x, y) in x.chunks_exact(width).zip(y.chunks_exact_mut(width)) {
            let r = inverse_size(x, epsilon);
            for ((y, &x), &w) in y.iter_mut().zip(x).zip(weight) {
                *y = x * r * w;
            }
        }
    }
}

multiversion! {
    /// `sums` holds dw, to which this adds.
    fn backward<T: Real>(x: &[T], weight: &[T], dy: &[T], epsilon: f64, dx: &mut [T], sums: &mut [T]) {
        let width = weight.len();
        let count = T::of(width as f64);
        let rows = x.chunks_exact(width).zip(dy.chunks_exact(width));
        for ((x, dy), dx) in rows.zip(dx.chunks_exact_mut(width)) {
            let r = inverse_size(x, epsilon);
            for ((g, &dy), &w) in dx.iter_mut().zip(dy).zip(weight) {
                *g = dy * w;
            }
            let mean = lanes::dot(dx, x) * r / count;
            for (((dx, &x), &dy), dw) in dx.iter_mut().zip(x).zip(dy).zip(sums.iter_mut()) {
                let h = x * r;
                *dx = r * (*dx - h * mean);
                *dw += dy * h;
            }
        }
    }
}

impl CustomOp2 for RmsNorm {
    fn name(&self) -> &'static str {
        "rms_norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        by_dtype!("rms_norm", x.dtype(), T => {
            let (x, weight) = (slice::<T>(x, x_layout)?, slice::<T>(weight, weight_layout)?);
            let width = weight.len();
            let y = rows::build(x.len(), width, |row, y| {
                forward(&x[row * width..][..y.len()], weight, self.epsilon, y);
            });
            Ok(owned(y, x_layout.shape()))
        })
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        _result: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let grad = grad.contiguous()?;
        by_dtype!("rms_norm", x.dtype(), T => {
            read!(x_values: T = x);
            read!(weights: T = weight);
            read!(dy: T = grad);
            let width = weights.len();
            let (dx, dw) = rows::build_sum(dy.len(), width, width, |row, dx, sums| {
                let range = row * width..row * width + dx.len();
                backward(&x_values[range.clone()], weights, &dy[range], self.epsilon, dx, sums);
            });
            Ok((
                if x.track_op() { tensor(dx, x.shape())? } else { None },
                if weight.track_op() { tensor(dw, width)? } else { None },
            ))
        })
    }
}

impl OnDevice for RmsNorm {
    fn forward(&self, x: &[Tensor]) -> Result<Fresh> {
        let width = x[1].elem_count();
        let call = Call::new("rms_norm_forward", &x[0]).read(&x[0]).read(&x[1]);
        let call = call.write(x[0].shape()).real(self.epsilon).size(width);
        let [y] = call.blocks(x[0].elem_count() / width)?;
        Ok(y)
    }

    fn backward(&self, x: &[Tensor], _y: &Tensor, dy: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let width = x[1].elem_count();
        let call = Call::new("rms_norm_backward", dy)
            .read(&x[0])
            .read(&x[1])
            .read(dy);
        let call = call.write(dy.shape()).write(dy.shape());
        let call = call.real(self.epsilon).size(width);
        let [dx, hdy] = call.blocks(dy.elem_count() / width)?;
        Ok(vec![
            if_tracked(&x[0], || Ok(dx.tensor()))?,
            if_tracked(&x[1], || device::column_sums(&hdy.tensor(), width))?,
        ])
    }
}
