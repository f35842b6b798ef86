//! Softmax cross-entropy from logits, as the mean over the batch, fused with its backward pass.
//!
//! loss = mean_i (log sum_c exp(x_ic) - x_i,label(i)); dx_ic = (p_ic - [c = label(i)]) dloss / n.
//! The mean is accumulated in f64 in the order of the rows.

use crate::composed;
use crate::device::{self, Call, Fresh, OnDevice};
use crate::kernel::{
    Real, apply1, by_dtype, fused, lanes, multiversion, owned, read, rows, slice, tensor,
};
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp1, DType, Layout, Result, Shape, Tensor, bail};

/// The mean cross-entropy as a scalar. `logits`: (batch, classes); `labels`: (batch,) u32. It is an error if the
/// shapes do not fit, the batch is empty, or a label is not below the number of classes; the error names the label.
pub fn cross_entropy(logits: &Tensor, labels: &Tensor) -> Result<Tensor> {
    let (batch, classes) = match logits.dims() {
        &[batch, classes] if batch > 0 && classes > 0 => (batch, classes),
        other => bail!("cross_entropy: logits {other:?}, expected (batch, classes) and not empty"),
    };
    if labels.dims() != [batch] {
        bail!(
            "cross_entropy: labels {:?} do not fit logits {:?}, expected ({batch},)",
            labels.dims(),
            logits.dims()
        );
    }
    if labels.dtype() != DType::U32 {
        bail!(
            "cross_entropy: labels are {:?}, expected u32",
            labels.dtype()
        );
    }
    let values = labels.to_vec1::<u32>()?;
    if let Some(row) = values.iter().position(|&label| label as usize >= classes) {
        bail!(
            "cross_entropy: label {} in row {row} is not one of {classes} classes",
            values[row]
        );
    }
    if !fused(logits) {
        return composed::cross_entropy(logits, labels);
    }
    let labels = labels.contiguous()?;
    apply1(&logits.contiguous()?, CrossEntropy { labels })
}

struct CrossEntropy {
    /// Labels, (batch,) u32.
    labels: Tensor,
}

multiversion! {
    /// Computes the loss of each row. `scratch` has room for one row.
    fn forward<T: Real>(x: &[T], labels: &[u32], losses: &mut [T], scratch: &mut [T]) {
        let rows = x.chunks_exact(scratch.len()).zip(labels);
        for ((x, &label), loss) in rows.zip(losses) {
            let max = lanes::max(x);
            scratch.copy_from_slice(x);
            let sum = lanes::exp_in_place::<T, FMA>(scratch, max);
            // Take the difference first, because adding a logarithm to a very large max alone would lose it.
            *loss = sum.ln_positive::<FMA>() + (max - x[label as usize]);
        }
    }
}

multiversion! {
    fn backward<T: Real>(x: &[T], labels: &[u32], scale: T, dx: &mut [T], width: usize) {
        let rows = x.chunks_exact(width).zip(labels);
        for ((x, &label), dx) in rows.zip(dx.chunks_exact_mut(width)) {
            dx.copy_from_slice(x);
            let factor = scale / lanes::exp_in_place::<T, FMA>(dx, lanes::max(x));
            for dx in dx.iter_mut() {
                *dx *= factor;
            }
            dx[label as usize] -= scale;
        }
    }
}

impl CustomOp1 for CrossEntropy {
    fn name(&self) -> &'static str {
        "cross_entropy"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (batch, classes) = layout.shape().dims2()?;
        by_dtype!("cross_entropy", storage.dtype(), T => {
            let x = slice::<T>(storage, layout)?;
            let labels = &self.labels;
            read!(labels: u32 = labels);
            let mut losses = vec![T::NIL; batch];
            rows::for_rows_of(&mut losses, classes, |row, losses| {
                let (x, labels) = (&x[row * classes..], &labels[row..]);
                forward(x, labels, losses, &mut vec![T::NIL; classes]);
            });
            let total: f64 = losses.iter().map(|loss| loss.wide()).sum();
            Ok(owned(vec![T::of(total / batch as f64)], ()))
        })
    }

    fn bwd(&self, logits: &Tensor, _result: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let (batch, width) = logits.dims2()?;
        by_dtype!("cross_entropy", logits.dtype(), T => {
            read!(x: T = logits);
            let labels = &self.labels;
            read!(labels: u32 = labels);
            let scale = grad.to_scalar::<T>()? / T::of(batch as f64);
            let dx = rows::build(x.len(), width, |row, dx| {
                backward(&x[row * width..], &labels[row..], scale, dx, width);
            });
            tensor(dx, (batch, width))
        })
    }
}

impl OnDevice for CrossEntropy {
    fn forward(&self, x: &[Tensor]) -> Result<Fresh> {
        let (batch, classes) = x[0].dims2()?;
        let call = Call::new("cross_entropy_forward", &x[0])
            .read(&x[0])
            .read(&self.labels);
        let [losses] = call.write(batch).size(classes).blocks(batch)?;
        device::mean(&losses.tensor())
    }

    fn backward(&self, x: &[Tensor], _y: &Tensor, dy: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let (batch, classes) = x[0].dims2()?;
        let call = Call::new("cross_entropy_backward", dy)
            .read(&x[0])
            .read(&self.labels);
        let call = call.read(dy).write((batch, classes)).size(batch);
        let [dx] = call.size(classes).blocks(batch)?;
        Ok(vec![Some(dx.tensor())])
    }
}
