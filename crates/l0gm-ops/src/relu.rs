//! The rectifier max(x, 0). Its slope at 0 is 0, as in PyTorch.

use crate::composed;
use crate::kernel::Real;
use crate::kernel::pointwise::{Pointwise, apply};
use candle_core::{Result, Tensor};

/// max(x, 0), for any shape. NaN stays NaN. It is an error if `x` is not of floats.
pub fn relu(x: &Tensor) -> Result<Tensor> {
    apply(x, Relu, composed::relu)
}

struct Relu;

impl Pointwise for Relu {
    const NAME: &'static str = "relu";
    const KERNELS: [&'static str; 2] = ["relu_forward", "relu_backward"];

    #[inline(always)]
    fn value<T: Real, const FMA: bool>(&self, x: T) -> T {
        if x < T::NIL { T::NIL } else { x }
    }

    #[inline(always)]
    fn slope<T: Real, const FMA: bool>(&self, x: T) -> T {
        if x > T::NIL { T::UNIT } else { T::NIL }
    }
}
