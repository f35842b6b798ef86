//! The entrywise product of two tensors of the same shape, computed on all threads. dx = dz y and dy = dz x are
//! computed only for tracked arguments.

use crate::device::{Fresh, OnDevice, if_tracked};
use crate::kernel::pairs::{Product, pairs, pairs_on_device};
use crate::kernel::{apply2, by_dtype, fused, owned, read, slice, tensor};
use crate::{check, composed};
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor, bail};

/// x y, entry by entry, as a gate multiplies its input. It is an error if shapes, dtypes or devices differ.
pub fn mul(x: &Tensor, y: &Tensor) -> Result<Tensor> {
    if x.dims() != y.dims() {
        bail!("mul: x {:?} and y {:?} differ in shape", x.dims(), y.dims());
    }
    check::alike("mul", "x", x, "y", y)?;
    if !fused(x) {
        return composed::mul(x, y);
    }
    apply2(&x.contiguous()?, &y.contiguous()?, Mul)
}

struct Mul;

impl CustomOp2 for Mul {
    fn name(&self) -> &'static str {
        "mul"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        y: &CpuStorage,
        y_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        by_dtype!("mul", x.dtype(), T => {
            let (x, y) = (slice::<T>(x, x_layout)?, slice::<T>(y, y_layout)?);
            Ok(owned(pairs(x, y, Product), x_layout.shape()))
        })
    }

    fn bwd(
        &self,
        x: &Tensor,
        y: &Tensor,
        _result: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let grad = grad.contiguous()?;
        by_dtype!("mul", grad.dtype(), T => {
            read!(dz: T = grad);
            read!(a: T = x);
            read!(b: T = y);
            let dx = if x.track_op() { tensor(pairs(dz, b, Product), x.shape())? } else { None };
            let dy = if y.track_op() { tensor(pairs(dz, a, Product), y.shape())? } else { None };
            Ok((dx, dy))
        })
    }
}

impl OnDevice for Mul {
    fn forward(&self, x: &[Tensor]) -> Result<Fresh> {
        pairs_on_device("pair_product", &x[0], &x[1])
    }

    fn backward(&self, x: &[Tensor], _y: &Tensor, dy: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let times = |other| Ok(pairs_on_device("pair_product", dy, other)?.tensor());
        Ok(vec![
            if_tracked(&x[0], || times(&x[1]))?,
            if_tracked(&x[1], || times(&x[0]))?,
        ])
    }
}
