//! Layer normalisation over the last dimension (Ba et al. 2016), fused with its backward pass.
//!
//! With h = (x - mean) r and r = 1 / sqrt(var + epsilon): y = h w + b. Backward, with g = dy w and means over the
//! row: dx = r (g - mean(g) - h mean(g h)); dw and db are the sums of dy h and dy over the rows. Mean and r are
//! computed again, because the row is in the cache anyway.

use crate::device::{self, Call, Fresh, OnDevice, if_tracked};
use crate::kernel::{
    Real, apply3, by_dtype, fused, lanes, multiversion, owned, read, rows, slice, tensor,
};
use crate::{check, composed};
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor, bail};

/// (x - mean) / sqrt(var + epsilon) * weight + bias. `x`: (.., dim); `weight` and `bias`: (dim,). `epsilon` must be
/// at least 0 (above 0 unless every row varies). It is an error if shapes or dtypes do not fit.
pub fn layer_norm(x: &Tensor, weight: &Tensor, bias: &Tensor, epsilon: f64) -> Result<Tensor> {
    let width = check::last_dim("layer_norm", x)?;
    for (name, parameter) in [("weight", weight), ("bias", bias)] {
        if parameter.dims() != [width] {
            bail!(
                "layer_norm: {name} {:?} does not fit x {:?}, expected ({width},)",
                parameter.dims(),
                x.dims()
            );
        }
        check::alike("layer_norm", "x", x, name, parameter)?;
    }
    if !(epsilon >= 0.0 && epsilon.is_finite()) {
        bail!("layer_norm: epsilon {epsilon} must be finite and at least 0");
    }
    if !fused(x) {
        return composed::layer_norm(x, weight, bias, epsilon);
    }
    let (x, weight, bias) = (x.contiguous()?, weight.contiguous()?, bias.contiguous()?);
    apply3(&x, &weight, &bias, LayerNorm { epsilon })
}

struct LayerNorm {
    epsilon: f64,
}

/// The mean and 1 / sqrt(var + epsilon) of a row.
#[inline(always)]
fn moments<T: Real>(x: &[T], epsilon: f64) -> (T, T) {
    let count = T::of(x.len() as f64);
    let mean = lanes::sum(x) / count;
    let variance = lanes::squared_distance(x, mean) / count;
    (mean, T::UNIT / (variance + T::of(epsilon)).root())
}

multiversion! {
    fn forward<T: Real>(x: &[T], weight: &[T], bias: &[T], epsilon: f64, y: &mut [T]) {
        let width = weight.len();
        for (x, y) in x.chunks_exact(width).zip(y.chunks_exact_mut(width)) {
            let (mean, scale) = moments(x, epsilon);
            for (((y, &x), &w), &b) in y.iter_mut().zip(x).zip(weight).zip(bias) {
                *y = (x - mean) * scale * w + b;
            }
        }
    }
}

multiversion! {
    /// `scratch` has room for one row. `sums` holds dw and then db, to which this adds.
    fn backward<T: Real>(
        x: &[T],
        weight: &[T],
        dy: &[T],
        epsilon: f64,
        dx: &mut [T],
        sums: &mut [T],
        scratch: &mut [T],
    ) {
        let width = weight.len();
        let count = T::of(width as f64);
        let (dw, db) = sums.split_at_mut(width);
        let rows = x.chunks_exact(width).zip(dy.chunks_exact(width));
        for ((x, dy), dx) in rows.zip(dx.chunks_exact_mut(width)) {
            let (mean, scale) = moments(x, epsilon);
            // At first dx holds g = dy w, and scratch holds the normalised row.
            for ((((g, h), &x), &dy), &w) in
                dx.iter_mut().zip(scratch.iter_mut()).zip(x).zip(dy).zip(weight)
            {
                *h = (x - mean) * scale;
                *g = dy * w;
            }
            let mean_g = lanes::sum(dx) / count;
            let mean_gh = lanes::dot(dx, scratch) / count;
            for ((((dx, &h), &dy), dw), db) in dx
                .iter_mut()
                .zip(scratch.iter())
                .zip(dy)
                .zip(dw.iter_mut())
                .zip(db.iter_mut())
            {
                *dx = scale * (*dx - mean_g - h * mean_gh);
                *dw += dy * h;
                *db += dy;
            }
        }
    }
}

impl CustomOp3 for LayerNorm {
    fn name(&self) -> &'static str {
        "layer_norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        by_dtype!("layer_norm", x.dtype(), T => {
            let x = slice::<T>(x, x_layout)?;
            let weight = slice::<T>(weight, weight_layout)?;
            let bias = slice::<T>(bias, bias_layout)?;
            let width = weight.len();
            let y = rows::build(x.len(), width, |row, y| {
                forward(&x[row * width..][..y.len()], weight, bias, self.epsilon, y);
            });
            Ok(owned(y, x_layout.shape()))
        })
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
        _result: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let grad = grad.contiguous()?;
        by_dtype!("layer_norm", x.dtype(), T => {
            read!(x_values: T = x);
            read!(weights: T = weight);
            read!(dy: T = grad);
            let width = weights.len();
            let (dx, mut sums) = rows::build_sum(dy.len(), width, 2 * width, |row, dx, sums| {
                let range = row * width..row * width + dx.len();
                let mut scratch = vec![T::NIL; width];
                backward(
                    &x_values[range.clone()],
                    weights,
                    &dy[range],
                    self.epsilon,
                    dx,
                    sums,
                    &mut scratch,
                );
            });
            let db = sums.split_off(width);
            Ok((
                if x.track_op() { tensor(dx, x.shape())? } else { None },
                if weight.track_op() { tensor(sums, width)? } else { None },
                if bias.track_op() { tensor(db, width)? } else { None },
            ))
        })
    }
}

impl OnDevice for LayerNorm {
    fn forward(&self, x: &[Tensor]) -> Result<Fresh> {
        let width = x[1].elem_count();
        let call = Call::new("layer_norm_forward", &x[0])
            .read(&x[0])
            .read(&x[1])
            .read(&x[2]);
        let call = call.write(x[0].shape()).real(self.epsilon).size(width);
        let [y] = call.blocks(x[0].elem_count() / width)?;
        Ok(y)
    }

    fn backward(&self, x: &[Tensor], _y: &Tensor, dy: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let width = x[1].elem_count();
        let call = Call::new("layer_norm_backward", dy)
            .read(&x[0])
            .read(&x[1])
            .read(dy);
        let call = call.write(dy.shape()).write(dy.shape());
        let call = call.real(self.epsilon).size(width);
        let [dx, hdy] = call.blocks(dy.elem_count() / width)?;
        Ok(vec![
            if_tracked(&x[0], || Ok(dx.tensor()))?,
            if_tracked(&x[1], || device::column_sums(&hdy.tensor(), width))?,
            if_tracked(&x[2], || device::column_sums(dy, width))?,
        ])
    }
}
