//! SiLU, or swish (Elfwing et al. 2018): y = x s(x), with s the logistic function, and dy/dx = s + x s (1 - s).

use crate::composed;
use crate::kernel::Real;
use crate::kernel::pointwise::{Pointwise, apply};
use candle_core::{Result, Tensor};

/// x / (1 + exp(-x)), for any shape. It is an error if `x` is not of floats.
pub fn silu(x: &Tensor) -> Result<Tensor> {
    apply(x, Silu, composed::silu)
}

struct Silu;

impl Pointwise for Silu {
    const NAME: &'static str = "silu";
    const KERNELS: [&'static str; 2] = ["silu_forward", "silu_backward"];

    #[inline(always)]
    fn value<T: Real, const FMA: bool>(&self, x: T) -> T {
        x * x.sigmoid::<FMA>().0
    }

    #[inline(always)]
    fn slope<T: Real, const FMA: bool>(&self, x: T) -> T {
        let (s, slope) = x.sigmoid::<FMA>();
        x.fma::<FMA>(slope, s)
    }
}
