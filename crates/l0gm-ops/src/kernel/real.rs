//! f32 and f64 behind one trait, with the functions that the kernels need. For f32 they are polynomials without
//! branches, accurate to about 1e-7, which the compiler turns into vector code. For f64 they are the standard
//! library's and candle's, because f64 only serves tests and references.

use candle_core::{CpuStorage, Result, WithDType, bail};

/// A float type in which the kernels compute.
pub(crate) trait Real: WithDType + std::ops::Neg<Output = Self> {
    const NIL: Self;
    const UNIT: Self;
    /// Minus infinity.
    const LOWEST: Self;
    /// The value nearest to an f64.
    fn of(value: f64) -> Self;
    fn of_f32(value: f32) -> Self;
    fn wide(self) -> f64;
    fn nan(self) -> bool;
    fn root(self) -> Self;
    fn magnitude(self) -> Self;
    /// self a + b, rounded only once if `FMA` (which is fast only where the processor has the instruction).
    fn fma<const FMA: bool>(self, a: Self, b: Self) -> Self;
    /// exp(x) for x <= 0. Results that are too small for a normal number become 0.
    fn exp_nonpositive<const FMA: bool>(self) -> Self;
    /// Distribution and density of the standard normal at x.
    fn normal<const FMA: bool>(self) -> (Self, Self);
    /// The values of a storage of this type, to be changed in place.
    fn values_mut(storage: &mut CpuStorage) -> Result<&mut [Self]>;
    /// ln(x) for positive x. An x that is too small for a normal number counts as the smallest one.
    fn ln_positive<const FMA: bool>(self) -> Self;

    /// Returns s = 1 / (1 + exp(-x)) and s (1 - s). Both keep their digits at either end.
    #[inline(always)]
    fn sigmoid<const FMA: bool>(self) -> (Self, Self) {
        let e = (-self.magnitude()).exp_nonpositive::<FMA>();
        let larger = Self::UNIT / (Self::UNIT + e);
        let smaller = e * larger;
        let value = if self < Self::NIL { smaller } else { larger };
        (value, smaller * larger)
    }
}

/// Evaluates a polynomial by Horner's rule, with the highest power first.
#[inline(always)]
fn horner<const FMA: bool, const N: usize>(x: f32, coefficients: [f32; N]) -> f32 {
    let mut sum = coefficients[0];
    for coefficient in &coefficients[1..] {
        sum = sum.fma::<FMA>(x, *coefficient);
    }
    sum
}

impl Real for f32 {
    const NIL: Self = 0.0;
    const UNIT: Self = 1.0;
    const LOWEST: Self = f32::NEG_INFINITY;

    fn values_mut(storage: &mut CpuStorage) -> Result<&mut [Self]> {
        match storage {
            CpuStorage::F32(values) => Ok(values),
            _ => bail!("a kernel for f32 was given a storage of another dtype"),
        }
    }

    #[inline(always)]
    fn of(value: f64) -> Self {
        value as f32
    }
    #[inline(always)]
    fn of_f32(value: f32) -> Self {
        value
    }
    #[inline(always)]
    fn fma<const FMA: bool>(self, a: Self, b: Self) -> Self {
        if FMA {
            self.mul_add(a, b)
        } else {
            self * a + b
        }
    }
    #[inline(always)]
    fn wide(self) -> f64 {
        f64::from(self)
    }
    #[inline(always)]
    fn nan(self) -> bool {
        self.is_nan()
    }
    #[inline(always)]
    fn root(self) -> Self {
        self.sqrt()
    }
    #[inline(always)]
    fn magnitude(self) -> Self {
        self.abs()
    }

    /// Computes 2^n * exp(r), where n is the integer nearest to x / ln 2 and exp(r) is interpolated at Chebyshev
    /// nodes on |r| <= ln(2) / 2.
    #[inline(always)]
    fn exp_nonpositive<const FMA: bool>(self) -> Self {
        // Adding 1.5 * 2^23 rounds to an integer, which then sits in the low bits of the mantissa.
        const ROUND: f32 = 12_582_912.0;
        // ln 2 is split into two parts. The first has few enough bits for n * LN2_HIGH to be exact.
        const LN2_HIGH: f32 = 0.693_359_4;
        const LN2_LOW: f32 = -2.121_944_4e-4;
        let shifted = self.fma::<FMA>(std::f32::consts::LOG2_E, ROUND);
        let n = shifted - ROUND;
        let r = n.fma::<FMA>(-LN2_LOW, n.fma::<FMA>(-LN2_HIGH, self));
        let fraction = horner::<FMA, _>(
            r,
            [
                0.001_394_111_6,
                0.008_375_133,
                0.041_666_35,
                0.166_664_15,
                0.5,
                1.0,
                1.0,
            ],
        );
        let exponent = shifted
            .to_bits()
            .wrapping_sub(ROUND.to_bits())
            .wrapping_add(127)
            << 23;
        let value = fraction * f32::from_bits(exponent);
        // Below this, the exponent leaves the range of normal numbers.
        if self < -87.0 { 0.0 } else { value }
    }

    /// The tail beyond |x| is exp(-x^2 / 2) * t * Q(t) / 2 with t = 1 / (1 + |x| / (2 sqrt 2)). Q interpolates
    /// exp(z^2) erfc(z) / t at Chebyshev nodes to 5e-8, for every z whose tail is not 0 in f32. This way the tail
    /// keeps its relative accuracy, which 1 + erf(x) would lose.
    #[inline(always)]
    fn normal<const FMA: bool>(self) -> (Self, Self) {
        let x = self.abs();
        let t = 1.0 / x.fma::<FMA>(0.5 * std::f32::consts::FRAC_1_SQRT_2, 1.0);
        let q = horner::<FMA, _>(
            t,
            [
                -0.059_420_563,
                0.286_372_7,
                -0.491_068_37,
                0.282_620_94,
                -0.029_815_112,
                0.204_039_4,
                0.242_766_89,
                0.282_420_08,
                0.282_084,
            ],
        );
        let bell = (-0.5 * x * x).exp_nonpositive::<FMA>();
        let tail = 0.5 * t * q * bell;
        let distribution = if self < 0.0 { tail } else { 1.0 - tail };
        // The factor is 1 / sqrt(2 pi).
        (distribution, bell * 0.398_942_3)
    }

    /// With x = 2^e m and m in [sqrt(1/2), sqrt 2), computes e ln 2 + 2 artanh((m - 1) / (m + 1)).
    #[inline(always)]
    fn ln_positive<const FMA: bool>(self) -> Self {
        let x = if self < f32::MIN_POSITIVE {
            f32::MIN_POSITIVE
        } else {
            self
        };
        // Relative to sqrt(1/2), the exponent bits count whole octaves.
        const SQRT_HALF: u32 = 0x3f35_04f3;
        let offset = x.to_bits().wrapping_sub(SQRT_HALF);
        let e = (offset as i32) >> 23;
        let m = f32::from_bits((offset & 0x007f_ffff).wrapping_add(SQRT_HALF));
        let s = (m - 1.0) / (m + 1.0);
        let s2 = s * s;
        let series = horner::<FMA, _>(s2, [2.0 / 9.0, 2.0 / 7.0, 0.4, 2.0 / 3.0]);
        let fraction = 2.0 * s + s * s2 * series;
        let e = e as f32;
        let value = (e * -2.121_944_4e-4 + fraction) + e * 0.693_359_4;
        // Return NaN itself, because its bits would be read as a number's.
        if self.is_nan() { self } else { value }
    }
}

impl Real for f64 {
    const NIL: Self = 0.0;
    const UNIT: Self = 1.0;
    const LOWEST: Self = f64::NEG_INFINITY;

    fn values_mut(storage: &mut CpuStorage) -> Result<&mut [Self]> {
        match storage {
            CpuStorage::F64(values) => Ok(values),
            _ => bail!("a kernel for f64 was given a storage of another dtype"),
        }
    }

    #[inline(always)]
    fn of(value: f64) -> Self {
        value
    }
    #[inline(always)]
    fn of_f32(value: f32) -> Self {
        f64::from(value)
    }
    #[inline(always)]
    fn fma<const FMA: bool>(self, a: Self, b: Self) -> Self {
        if FMA {
            self.mul_add(a, b)
        } else {
            self * a + b
        }
    }
    #[inline(always)]
    fn wide(self) -> f64 {
        self
    }
    #[inline(always)]
    fn nan(self) -> bool {
        self.is_nan()
    }
    #[inline(always)]
    fn root(self) -> Self {
        self.sqrt()
    }
    #[inline(always)]
    fn magnitude(self) -> Self {
        self.abs()
    }
    #[inline(always)]
    fn exp_nonpositive<const FMA: bool>(self) -> Self {
        self.exp()
    }
    #[inline(always)]
    fn normal<const FMA: bool>(self) -> (Self, Self) {
        let z = self * std::f64::consts::FRAC_1_SQRT_2;
        let distribution = 0.5 * candle_core::cpu::erf::erfc_f64(-z);
        (distribution, (-z * z).exp() * 0.398_942_280_401_432_7)
    }
    #[inline(always)]
    fn ln_positive<const FMA: bool>(self) -> Self {
        // Do not use `max` here, because it would drop a NaN.
        let x = if self < f64::MIN_POSITIVE {
            f64::MIN_POSITIVE
        } else {
            self
        };
        x.ln()
    }
}

#[cfg(test)]
mod tests {
    use super::Real;

    #[test]
    fn f32_exp_is_accurate_to_two_units_in_the_last_place() {
        for step in 0..=870_000 {
            let x = -(step as f32) * 1e-4;
            let exact = f64::from(x).exp();
            let error = (f64::from(x.exp_nonpositive::<true>()) - exact).abs() / exact;
            assert!(error < 2.4e-7, "exp({x}): relative error {error:e}");
        }
        assert_eq!((-1e4f32).exp_nonpositive::<true>(), 0.0);
        assert_eq!(f32::NEG_INFINITY.exp_nonpositive::<true>(), 0.0);
        assert!(f32::NAN.exp_nonpositive::<true>().is_nan());
        assert_eq!(0f32.exp_nonpositive::<true>(), 1.0);
    }

    #[test]
    fn f32_normal_distribution_keeps_relative_accuracy_in_its_tail() {
        for step in -120_000..=120_000 {
            let x = step as f32 * 1e-4;
            let (p, density) = x.normal::<true>();
            let (exact_p, exact_density) = f64::from(x).normal::<true>();
            // x^2 / 2 is rounded before exp is applied, so the error grows with it.
            let bound = 4e-7 * (1.0 + 0.5 * f64::from(x * x));
            let error = (f64::from(p) - exact_p).abs() / exact_p;
            assert!(error < bound, "Phi({x}): relative error {error:e}");
            let error = (f64::from(density) - exact_density).abs() / exact_density;
            assert!(error < bound, "phi({x}): relative error {error:e}");
        }
        assert_eq!(1e4f32.normal::<true>(), (1.0, 0.0));
        assert_eq!((-1e4f32).normal::<true>(), (0.0, 0.0));
        assert!(f32::NAN.normal::<true>().0.is_nan());
    }

    #[test]
    fn f32_logarithm_is_accurate_near_one_and_at_both_ends() {
        let mut x = f32::MIN_POSITIVE;
        while x < 1e30 {
            let exact = f64::from(x).ln();
            let error = (f64::from(x.ln_positive::<true>()) - exact).abs();
            assert!(
                error <= 2e-7 * exact.abs() + 1e-12,
                "ln({x:e}) is off by {error:e}"
            );
            x *= 1.000_37;
        }
        assert_eq!(1f32.ln_positive::<true>(), 0.0);
        assert!(1e-45f32.ln_positive::<true>().is_finite());
        assert!(f32::NAN.ln_positive::<true>().is_nan() && f64::NAN.ln_positive::<true>().is_nan());
    }
}
