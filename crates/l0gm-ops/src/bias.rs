//! Adds a bias to the last dimension. Its gradient is the sum of the result's gradient over all rows, computed in one
//! pass and in a fixed order (candle's own reduction over leading dimensions is serial).

use crate::device::{self, Call, Fresh, OnDevice, if_tracked};
use crate::kernel::{
    Real, apply2, by_dtype, fused, multiversion, owned, read, rows, slice, tensor,
};
use crate::{check, composed};
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor, bail};

/// x + bias. `x`: (.., dim); `bias`: (dim,). Returns x's shape. It is an error if shapes, dtypes or devices do not
/// fit.
pub fn add_bias(x: &Tensor, bias: &Tensor) -> Result<Tensor> {
    let dim = check::last_dim("add_bias", x)?;
    if bias.dims() != [dim] {
        bail!(
            "add_bias: bias {:?} does not fit x {:?}, expected ({dim},)",
            bias.dims(),
            x.dims()
        );
    }
    check::alike("add_bias", "x", x, "bias", bias)?;
    if !fused(x) {
        return composed::add_bias(x, bias);
    }
    apply2(&x.contiguous()?, &bias.contiguous()?, AddBias)
}

struct AddBias;

multiversion! {
    fn forward<T: Real>(x: &[T], bias: &[T], y: &mut [T]) {
        let width = bias.len();
        for (x, y) in x.chunks_exact(width).zip(y.chunks_exact_mut(width)) {
            for ((y, &x), &b) in y.iter_mut().zip(x).zip(bias) {
                *y = x + b;
            }
        }
    }
}

impl CustomOp2 for AddBias {
    fn name(&self) -> &'static str {
        "add_bias"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        by_dtype!("add_bias", x.dtype(), T => {
            let (x, bias) = (slice::<T>(x, x_layout)?, slice::<T>(bias, bias_layout)?);
            let width = bias.len();
            let y = rows::build(x.len(), width, |row, y| {
                forward(&x[row * width..][..y.len()], bias, y);
            });
            Ok(owned(y, x_layout.shape()))
        })
    }

    fn bwd(
        &self,
        x: &Tensor,
        bias: &Tensor,
        _result: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let grad = grad.contiguous()?;
        let db = if bias.track_op() {
            by_dtype!("add_bias", grad.dtype(), T => {
                read!(dy: T = grad);
                tensor(rows::column_sums(dy, bias.elem_count()), bias.shape())
            })?
        } else {
            None
        };
        Ok((x.track_op().then_some(grad), db))
    }
}

/// x + bias, on a device with kernels.
pub(crate) fn on_device(x: &Tensor, bias: &Tensor) -> Result<Fresh> {
    let n = x.elem_count();
    let call = Call::new("bias_forward", x)
        .read(x)
        .read(bias)
        .write(x.shape());
    let [y] = call.size(bias.elem_count()).size(n).each(n)?;
    Ok(y)
}

impl OnDevice for AddBias {
    fn forward(&self, x: &[Tensor]) -> Result<Fresh> {
        on_device(&x[0], &x[1])
    }

    fn backward(&self, x: &[Tensor], _y: &Tensor, dy: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let db = if_tracked(&x[1], || device::column_sums(dy, x[1].elem_count()))?;
        Ok(vec![x[0].track_op().then(|| dy.clone()), db])
    }
}
