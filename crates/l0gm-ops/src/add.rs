//! The sum of two tensors of the same shape, computed on all threads. Both get the result's gradient unchanged.

use crate::device::{Fresh, OnDevice};
use crate::kernel::pairs::{Sum, pairs, pairs_on_device};
use crate::kernel::{apply2, by_dtype, fused, owned, read, slice, tensor};
use crate::{check, composed};
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor, bail};

/// x + y, for a residual connection. It is an error if shapes, dtypes or devices differ.
pub fn add(x: &Tensor, y: &Tensor) -> Result<Tensor> {
    if x.dims() != y.dims() {
        bail!("add: x {:?} and y {:?} differ in shape", x.dims(), y.dims());
    }
    check::alike("add", "x", x, "y", y)?;
    if !fused(x) {
        return composed::add(x, y);
    }
    apply2(&x.contiguous()?, &y.contiguous()?, Add)
}

/// x + y, without recording it in a graph.
pub(crate) fn sum_of(x: &Tensor, y: &Tensor) -> Result<Tensor> {
    if !x.device().is_cpu() || !fused(x) || x.dims() != y.dims() {
        return x.add(y);
    }
    let (x, y) = (x.contiguous()?, y.contiguous()?);
    by_dtype!("add", x.dtype(), T => {
        read!(a: T = x);
        read!(b: T = y);
        Ok(tensor(pairs(a, b, Sum), x.shape())?.unwrap_or(x.clone()))
    })
}

struct Add;

impl CustomOp2 for Add {
    fn name(&self) -> &'static str {
        "add"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        y: &CpuStorage,
        y_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        by_dtype!("add", x.dtype(), T => {
            let (x, y) = (slice::<T>(x, x_layout)?, slice::<T>(y, y_layout)?);
            Ok(owned(pairs(x, y, Sum), x_layout.shape()))
        })
    }

    fn bwd(
        &self,
        x: &Tensor,
        y: &Tensor,
        _result: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let given = |x: &Tensor| x.track_op().then(|| grad.clone());
        Ok((given(x), given(y)))
    }
}

impl OnDevice for Add {
    fn forward(&self, x: &[Tensor]) -> Result<Fresh> {
        pairs_on_device("pair_sum", &x[0], &x[1])
    }

    fn backward(&self, x: &[Tensor], _y: &Tensor, dy: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let given = |x: &Tensor| x.track_op().then(|| dy.clone());
        Ok(vec![given(&x[0]), given(&x[1])])
    }
}
