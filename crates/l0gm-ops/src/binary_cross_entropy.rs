//! Binary cross-entropy from logits, as the mean over all entries, fused with its backward pass.
//!
//! loss = mean(|x| u + log(1 + exp(-|x|))) with u = 1 - t where x > 0 and u = t elsewhere. This equals
//! mean(max(x, 0) - x t + log(1 + exp(-|x|))), but has no difference of infinities. dx = (s(x) - t) dloss / n, with s
//! the logistic function. An infinite logit on the side of its own label costs 0. The mean is accumulated in f64 in
//! the order of the entries.

use crate::device::{self, Call, Fresh, OnDevice};
use crate::kernel::{
    Real, apply1, by_dtype, fused, multiversion, owned, read, rows, slice, tensor,
};
use crate::{check, composed};
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, bail};

/// The mean binary cross-entropy as a scalar. `logits`: any shape, not empty; `targets`: the same shape and dtype,
/// probabilities in [0, 1], without gradient. It is an error if shapes, dtypes or devices do not fit, or if a target
/// is outside [0, 1]; the error names the target.
pub fn binary_cross_entropy(logits: &Tensor, targets: &Tensor) -> Result<Tensor> {
    if logits.dims() != targets.dims() || logits.elem_count() == 0 {
        bail!(
            "binary_cross_entropy: logits {:?} and targets {:?} must have one shape and not be empty",
            logits.dims(),
            targets.dims()
        );
    }
    check::alike("binary_cross_entropy", "logits", logits, "targets", targets)?;
    let targets = targets.detach().contiguous()?;
    let values = targets
        .to_dtype(candle_core::DType::F64)?
        .flatten_all()?
        .to_vec1::<f64>()?;
    if let Some(entry) = values.iter().position(|t| !(0.0..=1.0).contains(t)) {
        bail!(
            "binary_cross_entropy: target {} at entry {entry} is outside [0, 1]",
            values[entry]
        );
    }
    if !fused(logits) {
        return composed::binary_cross_entropy(logits, &targets);
    }
    apply1(&logits.contiguous()?, BinaryCrossEntropy { targets })
}

struct BinaryCrossEntropy {
    targets: Tensor,
}

multiversion! {
    fn forward<T: Real>(x: &[T], targets: &[T], losses: &mut [T]) {
        for ((loss, &x), &t) in losses.iter_mut().zip(x).zip(targets) {
            let share = if x > T::NIL { T::UNIT - t } else { t };
            let e = (-x.magnitude()).exp_nonpositive::<FMA>();
            let linear = if share == T::NIL { T::NIL } else { x.magnitude() * share };
            *loss = linear + (T::UNIT + e).ln_positive::<FMA>();
        }
    }
}

multiversion! {
    fn backward<T: Real>(x: &[T], targets: &[T], scale: T, dx: &mut [T]) {
        for ((dx, &x), &t) in dx.iter_mut().zip(x).zip(targets) {
            *dx = (x.sigmoid::<FMA>().0 - t) * scale;
        }
    }
}

impl CustomOp1 for BinaryCrossEntropy {
    fn name(&self) -> &'static str {
        "binary_cross_entropy"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        by_dtype!("binary_cross_entropy", storage.dtype(), T => {
            let x = slice::<T>(storage, layout)?;
            let targets = &self.targets;
            read!(t: T = targets);
            let losses = rows::build(x.len(), 1, |first, losses| {
                let range = first..first + losses.len();
                forward(&x[range.clone()], &t[range], losses);
            });
            let total: f64 = losses.iter().map(|loss| loss.wide()).sum();
            Ok(owned(vec![T::of(total / x.len() as f64)], ()))
        })
    }

    fn bwd(&self, logits: &Tensor, _result: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        by_dtype!("binary_cross_entropy", logits.dtype(), T => {
            let targets = &self.targets;
            read!(x: T = logits);
            read!(t: T = targets);
            let scale = grad.to_scalar::<T>()? / T::of(x.len() as f64);
            let dx = rows::build(x.len(), 1, |first, dx| {
                let range = first..first + dx.len();
                backward(&x[range.clone()], &t[range], scale, dx);
            });
            tensor(dx, logits.shape())
        })
    }
}

impl OnDevice for BinaryCrossEntropy {
    fn forward(&self, x: &[Tensor]) -> Result<Fresh> {
        let n = x[0].elem_count();
        let call = Call::new("binary_cross_entropy_forward", &x[0]).read(&x[0]);
        let [losses] = call.read(&self.targets).write(n).size(n).each(n)?;
        device::mean(&losses.tensor())
    }

    fn backward(&self, x: &[Tensor], _y: &Tensor, dy: &Tensor) -> Result<Vec<Option<Tensor>>> {
        let n = x[0].elem_count();
        let call = Call::new("binary_cross_entropy_backward", dy).read(&x[0]);
        let call = call.read(&self.targets).read(dy).write(x[0].shape());
        let [dx] = call.size(n).each(n)?;
        Ok(vec![Some(dx.tensor())])
    }
}
