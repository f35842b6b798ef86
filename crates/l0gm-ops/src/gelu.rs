//! GELU (Hendrycks and Gimpel 2016), with the exact error function and in its tanh approximation.
//!
//! Exact: y = x Phi(x), dy/dx = Phi(x) + x phi(x), where Phi and phi are the distribution and density of the standard
//! normal; the negative tail keeps its relative accuracy. Approximation: y = x s(2 u), where s is the logistic
//! function and u = sqrt(2 / pi) (x + 0.044715 x^3), because (1 + tanh u) / 2 = s(2 u).

use crate::composed;
use crate::kernel::Real;
use crate::kernel::pointwise::{Pointwise, apply};
use candle_core::{Result, Tensor};

/// x Phi(x), for any shape. It is an error if `x` is not of floats.
pub fn gelu(x: &Tensor) -> Result<Tensor> {
    apply(x, Gelu, composed::gelu)
}

/// x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2, for any shape. It is an error if `x` is not of floats.
pub fn gelu_tanh(x: &Tensor) -> Result<Tensor> {
    apply(x, GeluTanh, composed::gelu_tanh)
}

struct Gelu;

impl Pointwise for Gelu {
    const NAME: &'static str = "gelu";
    const KERNELS: [&'static str; 2] = ["gelu_forward", "gelu_backward"];

    #[inline(always)]
    fn value<T: Real, const FMA: bool>(&self, x: T) -> T {
        x * x.normal::<FMA>().0
    }

    #[inline(always)]
    fn slope<T: Real, const FMA: bool>(&self, x: T) -> T {
        let (distribution, density) = x.normal::<FMA>();
        x.fma::<FMA>(density, distribution)
    }
}

struct GeluTanh;

/// The coefficients of the polynomial 2 u: sqrt(8 / pi), and 0.044715 times it.
const LINEAR: f64 = 1.595_769_121_605_730_7;
const CUBIC: f64 = 0.044_715 * LINEAR;

impl Pointwise for GeluTanh {
    const NAME: &'static str = "gelu_tanh";
    const KERNELS: [&'static str; 2] = ["gelu_tanh_forward", "gelu_tanh_backward"];

    #[inline(always)]
    fn value<T: Real, const FMA: bool>(&self, x: T) -> T {
        x * (x * (T::of(LINEAR) + T::of(CUBIC) * x * x))
            .sigmoid::<FMA>()
            .0
    }

    #[inline(always)]
    fn slope<T: Real, const FMA: bool>(&self, x: T) -> T {
        let square = x * x;
        let (s, slope) = (x * (T::of(LINEAR) + T::of(CUBIC) * square)).sigmoid::<FMA>();
        // For large |x| the slope is 0 and the polynomial may be infinite, and their product must be 0.
        let inner = x * (T::of(LINEAR) + T::of(3.0 * CUBIC) * square);
        let inner = if slope == T::NIL { T::NIL } else { inner };
        s + slope * inner
    }
}
