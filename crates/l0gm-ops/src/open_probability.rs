//! P(z != 0) of hard-concrete gates, the terms of the expected L0 (Louizos et al. 2018, eq. 12; Algorithm 1 of the
//! paper, line 16). It is s(log_alpha - tau log(-gamma / zeta)), with s the logistic function.

use crate::kernel::Real;
use crate::kernel::pointwise::{Pointwise, apply};
use crate::{Stretch, composed};
use candle_core::{Result, Tensor};

/// The probability that each gate is not 0, in the shape of `log_alpha`. Its sum is the penalty. It is an error if
/// `temperature` is not positive or the stretch does not contain \[0, 1\] in its interior.
pub fn open_probability(log_alpha: &Tensor, temperature: f64, stretch: Stretch) -> Result<Tensor> {
    stretch.check("open_probability", temperature)?;
    let Stretch { gamma, zeta } = stretch;
    let shift = temperature * (-gamma / zeta).ln();
    apply(log_alpha, Open { shift }, |x| {
        composed::shifted_sigmoid(x, shift)
    })
}

struct Open {
    shift: f64,
}

impl Pointwise for Open {
    const NAME: &'static str = "open_probability";
    const KERNELS: [&'static str; 2] = ["open_probability_forward", "open_probability_backward"];

    fn constant(&self) -> f64 {
        self.shift
    }

    #[inline(always)]
    fn value<T: Real, const FMA: bool>(&self, x: T) -> T {
        (x - T::of(self.shift)).sigmoid::<FMA>().0
    }

    #[inline(always)]
    fn slope<T: Real, const FMA: bool>(&self, x: T) -> T {
        (x - T::of(self.shift)).sigmoid::<FMA>().1
    }
}
