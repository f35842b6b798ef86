//! The hard-concrete distribution in plain f64, for one number at a time (Algorithm 1, lines 6, 8 and 16).
//!
//! A concrete variable `s = sigmoid((log u - log(1 - u) + log_alpha) / tau)` in (0, 1) is stretched to (gamma, zeta)
//! and clipped to [0, 1], so that both 0 and 1 have a positive probability. The same formulas are used on a gate's
//! tensors; these ones serve reports, initial values and tests (as the reference). They require `tau` above 0 and
//! `gamma < 0 < 1 < zeta`, which a checked [`Schedule`](crate::Schedule) and [`GateConfig`](crate::GateConfig)
//! guarantee.

use crate::Temperature;
use l0gm_ops::Stretch;

/// P(z != 0), the probability that the gate is at least partly open. Its sum over gates is the penalty.
///
/// ```
/// use l0gm_gate::{Stretch, Temperature, distribution::open_probability};
/// let p = open_probability(0.0, Temperature(2.0 / 3.0), Stretch::default());
/// assert!((p - 0.83182).abs() < 1e-5);
/// ```
pub fn open_probability(log_alpha: f64, tau: Temperature, stretch: Stretch) -> f64 {
    // P(z != 0) = σ(log α - τ log(-γ/ζ)): Algorithm 1, line 16.
    sigmoid(log_alpha - open_shift(tau, stretch))
}

/// P(z = 1), the probability that the gate is fully open.
pub fn probability_of_one(log_alpha: f64, tau: Temperature, stretch: Stretch) -> f64 {
    // P(z = 1) = σ(log α - τ log((1 - γ)/(ζ - 1))): where the stretched value reaches 1.
    let odds = (1.0 - stretch.gamma) / (stretch.zeta - 1.0);
    sigmoid(log_alpha - tau.0 * odds.ln())
}

/// The z that follows from noise `u` in (0, 1).
pub fn sample(log_alpha: f64, u: f64, tau: Temperature, stretch: Stretch) -> f64 {
    // s = σ((log u - log(1 - u) + log α) / τ): line 7; z = clip(s (ζ - γ) + γ, 0, 1): line 8.
    stretched(sigmoid((logit(u) + log_alpha) / tau.0), stretch)
}

/// The `log_alpha` for which P(z != 0) is `open`, in (0, 1). This is the inverse of [`open_probability`].
pub fn log_alpha_for_open_probability(open: f64, tau: Temperature, stretch: Stretch) -> f64 {
    logit(open) + open_shift(tau, stretch)
}

/// The median of z, a deterministic gate that is closed exactly where P(z != 0) is at most 1/2.
pub fn median(log_alpha: f64, tau: Temperature, stretch: Stretch) -> f64 {
    // This is `sample` at u = 1/2, the median of the noise, whose logit is 0.
    stretched(sigmoid(log_alpha / tau.0), stretch)
}

/// tau log(-gamma / zeta), the log_alpha at which a gate is open half of the time.
pub(crate) fn open_shift(tau: Temperature, stretch: Stretch) -> f64 {
    tau.0 * (-stretch.gamma / stretch.zeta).ln()
}

/// Stretches a concrete value from (0, 1) to (gamma, zeta) and clips it to [0, 1].
fn stretched(s: f64, stretch: Stretch) -> f64 {
    (s * (stretch.zeta - stretch.gamma) + stretch.gamma).clamp(0.0, 1.0)
}

/// 1 / (1 + exp(-x)), without overflow at either end.
pub(crate) fn sigmoid(x: f64) -> f64 {
    if x >= 0.0 {
        1.0 / (1.0 + (-x).exp())
    } else {
        let e = x.exp();
        e / (1.0 + e)
    }
}

/// log p - log(1 - p), accurate near both ends of (0, 1).
fn logit(p: f64) -> f64 {
    p.ln() - (-p).ln_1p()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TWO_THIRDS: Temperature = Temperature(2.0 / 3.0);

    fn close(a: f64, b: f64, tolerance: f64) {
        assert!((a - b).abs() < tolerance, "{a} is not {b}");
    }

    #[test]
    fn probabilities_at_two_thirds_are_the_documented_ones() {
        // Each row is log_alpha, P(z != 0), P(z = 1).
        for (log_alpha, open, one) in [
            (-4.605, 0.04713, 0.00202),
            (0.0, 0.83182, 0.16818),
            (2.0, 0.97337, 0.59903),
            (4.605, 0.99798, 0.95287),
        ] {
            let stretch = Stretch::default();
            close(open_probability(log_alpha, TWO_THIRDS, stretch), open, 1e-5);
            close(
                probability_of_one(log_alpha, TWO_THIRDS, stretch),
                one,
                1e-5,
            );
        }
    }

    #[test]
    fn lowering_the_temperature_alone_lowers_the_penalty() {
        for (tau, open) in [(2.0, 0.992), (2.0 / 3.0, 0.832), (0.1, 0.560)] {
            close(
                open_probability(0.0, Temperature(tau), Stretch::default()),
                open,
                5e-4,
            );
        }
    }

    #[test]
    fn frequencies_of_samples_are_the_probabilities() {
        // Use equidistant u for the uniform distribution, so that the test does not depend on a seed.
        let n = 100_000;
        for log_alpha in [-2.0, 0.0, 1.5] {
            let (mut open, mut one) = (0, 0);
            for i in 0..n {
                let u = (i as f64 + 0.5) / n as f64;
                let z = sample(log_alpha, u, TWO_THIRDS, Stretch::default());
                open += usize::from(z > 0.0);
                one += usize::from(z >= 1.0);
            }
            let stretch = Stretch::default();
            let share = |count: usize| count as f64 / n as f64;
            close(
                share(open),
                open_probability(log_alpha, TWO_THIRDS, stretch),
                2e-5,
            );
            close(
                share(one),
                probability_of_one(log_alpha, TWO_THIRDS, stretch),
                2e-5,
            );
        }
    }

    #[test]
    fn sigmoid_does_not_overflow_at_either_end() {
        assert_eq!(sigmoid(-1e4), 0.0);
        assert_eq!(sigmoid(1e4), 1.0);
        close(sigmoid(-700.0), (-700.0f64).exp(), 1e-310);
    }

    proptest! {
        #[test]
        fn open_probability_grows_with_log_alpha(
            low in -20.0..20.0f64, step in 1e-3..5.0f64, tau in 0.05..3.0f64,
        ) {
            let p = |x| open_probability(x, Temperature(tau), Stretch::default());
            prop_assert!(p(low) <= p(low + step));
            prop_assert!((0.0..=1.0).contains(&p(low)));
        }

        #[test]
        fn probability_of_one_is_below_probability_of_nonzero(
            log_alpha in -20.0..20.0f64, tau in 0.05..3.0f64,
            gamma in -1.0..-0.01f64, zeta in 1.01..2.0f64,
        ) {
            let (tau, stretch) = (Temperature(tau), Stretch { gamma, zeta });
            prop_assert!(probability_of_one(log_alpha, tau, stretch) <= open_probability(log_alpha, tau, stretch));
        }

        #[test]
        fn inverse_gives_back_the_open_probability(
            open in 1e-6..0.999_999f64, tau in 0.05..3.0f64,
            gamma in -1.0..-0.01f64, zeta in 1.01..2.0f64,
        ) {
            let (tau, stretch) = (Temperature(tau), Stretch { gamma, zeta });
            let log_alpha = log_alpha_for_open_probability(open, tau, stretch);
            prop_assert!((open_probability(log_alpha, tau, stretch) - open).abs() < 1e-9);
        }

        #[test]
        fn median_is_closed_exactly_where_open_probability_is_below_half(
            log_alpha in -20.0..20.0f64, tau in 0.05..3.0f64,
        ) {
            let (tau, stretch) = (Temperature(tau), Stretch::default());
            let open = open_probability(log_alpha, tau, stretch);
            prop_assume!((open - 0.5).abs() > 1e-9);
            prop_assert_eq!(median(log_alpha, tau, stretch) > 0.0, open > 0.5);
        }
    }
}
