//! Inverted dropout. Its mask is not stored, but computed again in the backward pass.
//!
//! Entry i is kept if draw i of the reserved part of the random stream is not below p:
//! y = x keep / (1 - p) and dx = dy keep / (1 - p).

use crate::device::{Call, Fresh, OnDevice};
use crate::kernel::{
    Real, apply1, by_dtype, fused, multiversion, owned, read, rows, slice, tensor,
};
use crate::rng::{draw, drop_threshold};
use crate::{Generator, Mode, composed};
use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, bail};

/// In training, sets each entry to zero with probability `p` and scales the others by 1 / (1 - p); this takes one
/// draw per entry. In evaluation, and for p = 0, returns x without a draw. It is an error if `p` is not in [0, 1).
pub fn dropout(x: &Tensor, p: f64, mode: &mut Mode<'_>) -> Result<Tensor> {
    if !(0.0..1.0).contains(&p) {
        bail!("dropout: probability {p} is outside [0, 1)");
    }
    let Mode::Train(generator) = mode else {
        return Ok(x.clone());
    };
    if p == 0.0 {
        return Ok(x.clone());
    }
    let noise = generator.reserve(x.elem_count());
    if !fused(x) {
        return composed::dropout(x, p, &noise);
    }
    apply1(&x.contiguous()?, Dropout { p, noise })
}

struct Dropout {
    p: f64,
    noise: Generator,
}

multiversion! {
    /// Computes y = x keep scale. Entry i is decided by draw `first + i` of the stream `key`.
    pub(crate) fn masked<T: Real>(x: &[T], y: &mut [T], key: u64, first: u64, threshold: u64, scale: T) {
        for (index, (y, &x)) in y.iter_mut().zip(x).enumerate() {
            let bits = draw(key, first.wrapping_add(index as u64));
            let factor = if bits >= threshold { scale } else { T::NIL };
            *y = x * factor;
        }
    }
}

impl Dropout {
    fn apply<T: Real>(&self, x: &[T]) -> Vec<T> {
        let (key, counter) = self.noise.state();
        let (threshold, scale) = (drop_threshold(self.p), T::of(1.0 / (1.0 - self.p)));

        rows::build(x.len(), 1, |first, y| {
            let x = &x[first..first + y.len()];
            masked(
                x,
                y,
                key,
                counter.wrapping_add(first as u64),
                threshold,
                scale,
            );
        })
    }
}

impl CustomOp1 for Dropout {
    fn name(&self) -> &'static str {
        "dropout"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        by_dtype!("dropout", storage.dtype(), T => {
            Ok(owned(self.apply(slice::<T>(storage, layout)?), layout.shape()))
        })
    }

    fn bwd(&self, x: &Tensor, _result: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let grad = grad.contiguous()?;
        by_dtype!("dropout", grad.dtype(), T => {
            read!(dy: T = grad);
            tensor(self.apply(dy), x.shape())
        })
    }
}

impl Dropout {
    fn on_device(&self, x: &Tensor) -> Result<Fresh> {
        let (key, first) = self.noise.state();
        let n = x.elem_count();
        let call = Call::new("dropout_mask", x)
            .read(x)
            .write(x.shape())
            .bits(key)
            .bits(first);
        let call = call.bits(drop_threshold(self.p)).real(1.0 / (1.0 - self.p));
        let [y] = call.size(n).each(n)?;
        Ok(y)
    }
}

impl OnDevice for Dropout {
    fn forward(&self, x: &[Tensor]) -> Result<Fresh> {
        self.on_device(&x[0])
    }

    fn backward(&self, _x: &[Tensor], _y: &Tensor, dy: &Tensor) -> Result<Vec<Option<Tensor>>> {
        Ok(vec![Some(self.on_device(dy)?.tensor())])
    }
}
