//! x W^T + b, with the gradient of the bias in one pass and no gradient for inputs that are not tracked.
//!
//! With the leading dimensions flattened to n rows: y = x W^T + b, dx = dy W, dW = dy^T x, and db is the sum of the
//! rows of dy.

use crate::bias;
use crate::composed;
use crate::device::{self, Fresh, OnDevice, if_tracked};
use crate::kernel::{
    Operand, Real, apply2, apply3, by_dtype, fused, owned, product, product_of, read, rows, slice,
    tensor,
};
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp2, CustomOp3, Layout, Result, Shape, Tensor, bail};

/// x W^T + b. `x`: (.., in); `weight`: (out, in); `bias`: (out,). Returns (.., out). It is an error if shapes, dtypes
/// or devices do not fit.
pub fn linear(x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor> {
    let (out, inner) = match weight.dims() {
        &[out, inner] => (out, inner),
        other => bail!("linear: weight has shape {other:?}, expected (out, in)"),
    };
    if x.dims().last() != Some(&inner) {
        bail!(
            "linear: x {:?} does not end in the {inner} inputs of weight {:?}",
            x.dims(),
            weight.dims()
        );
    }
    crate::check::alike("linear", "x", x, "weight", weight)?;
    if let Some(bias) = bias {
        if bias.dims() != [out] {
            bail!(
                "linear: bias {:?} does not fit weight {:?}, expected ({out},)",
                bias.dims(),
                weight.dims()
            );
        }
        crate::check::alike("linear", "x", x, "bias", bias)?;
    }
    // On a device, candle's own product is used as it is when there is no bias to add.
    if !fused(x) || (bias.is_none() && device::has_kernels(x)) {
        return composed::linear(x, weight, bias);
    }
    let (x, weight) = (x.contiguous()?, weight.contiguous()?);
    match bias {
        Some(bias) => apply3(&x, &weight, &bias.contiguous()?, Linear),
        None => apply2(&x, &weight, Linear),
    }
}

struct Linear;

fn forward<T: Real>(
    x: (&CpuStorage, &Layout),
    weight: (&CpuStorage, &Layout),
    bias: Option<(&CpuStorage, &Layout)>,
) -> Result<(CpuStorage, Shape)> {
    let (out, inner) = weight.1.shape().dims2()?;
    let mut shape = x.1.dims().to_vec();
    if let Some(last) = shape.last_mut() {
        *last = out;
    }
    let count: usize = shape.iter().product();
    let (x, weight) = (slice::<T>(x.0, x.1)?, slice::<T>(weight.0, weight.1)?);
    let (rows, sizes) = (count / out.max(1), (count / out.max(1), inner, out));
    let (a, b) = (Operand::rows(x, inner), Operand::rows(weight, inner).t());
    let y = match bias {
        None => product_of(sizes, a, b),
        Some((storage, layout)) => {
            // The product is added to the content of y, so the bias does not cost a separate pass.
            let bias = slice::<T>(storage, layout)?;
            // SAFETY: parts are whole rows, and each row is written.
            let mut y = unsafe {
                rows::write(rows * out, out.max(1), |_, y| {
                    for y in y.chunks_exact_mut(out) {
                        y.write_copy_of_slice(bias);
                    }
                })
            };
            if count > 0 && inner > 0 {
                product(sizes, &mut y, true, a, b, true);
            }
            y
        }
    };
    Ok(owned(y, shape))
}

/// Computes dx and dW, each only if its argument is tracked.
fn backward<T: Real>(
    x: &Tensor,
    weight: &Tensor,
    grad: &Tensor,
) -> Result<(Option<Tensor>, Option<Tensor>)> {
    let (out, inner) = weight.dims2()?;
    let n = x.dims()[..x.rank() - 1].iter().product();
    read!(dy: T = grad);
    let dx = if x.track_op() {
        read!(w: T = weight);
        let dx = product_of(
            (n, out, inner),
            Operand::rows(dy, out),
            Operand::rows(w, inner),
        );
        tensor(dx, x.shape())?
    } else {
        None
    };
    let dw = if weight.track_op() {
        read!(x: T = x);
        let dw = product_of(
            (out, n, inner),
            Operand::rows(dy, out).t(),
            Operand::rows(x, inner),
        );
        tensor(dw, (out, inner))?
    } else {
        None
    };
    Ok((dx, dw))
}

fn bias_gradient<T: Real>(bias: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
    if !bias.track_op() {
        return Ok(None);
    }
    read!(dy: T = grad);
    tensor(rows::column_sums(dy, bias.elem_count()), bias.shape())
}

impl CustomOp2 for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        by_dtype!("linear", x.dtype(), T => {
            forward::<T>((x, x_layout), (weight, weight_layout), None)
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
        by_dtype!("linear", grad.dtype(), T => backward::<T>(x, weight, &grad))
    }
}

impl CustomOp3 for Linear {
    fn name(&self) -> &'static str {
        "linear"
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
        by_dtype!("linear", x.dtype(), T => {
            forward::<T>((x, x_layout), (weight, weight_layout), Some((bias, bias_layout)))
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
        by_dtype!("linear", grad.dtype(), T => {
            let (dx, dw) = backward::<T>(x, weight, &grad)?;
            Ok((dx, dw, bias_gradient::<T>(bias, &grad)?))
        })
    }
}

impl OnDevice for Linear {
    fn forward(&self, x: &[Tensor]) -> Result<Fresh> {
        let product = composed::linear(&x[0], &x[1], None)?;
        match x.get(2) {
            Some(bias) => bias::on_device(&product, bias),
            None => bail!("linear: a product without a bias has no kernel of its own"),
        }
    }

    fn backward(&self, x: &[Tensor], _y: &Tensor, dy: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let (out, inner) = x[1].dims2()?;
        let rows = x[0].elem_count() / inner.max(1);
        let dy = dy.reshape((rows, out))?;
        let (data, weight) = (x[0].detach(), x[1].detach());
        let mut gradients = vec![
            if_tracked(&x[0], || dy.matmul(&weight)?.reshape(data.shape()))?,
            if_tracked(&x[1], || dy.t()?.matmul(&data.reshape((rows, inner))?))?,
        ];
        if let Some(bias) = x.get(2) {
            gradients.push(if_tracked(bias, || device::column_sums(&dy, out))?);
        }
        Ok(gradients)
    }
}
