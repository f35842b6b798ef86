//! Smooth ECE (Blasiok and Nakkiran 2023): no bins; the residuals are smoothed by a Gaussian kernel
//! reflected at 0 and 1, whose width is the value itself.
//!
//! For a width s, smECE_s is the integral over t in [0, 1] of |mean_i (y_i - p_i) K_s(t, p_i)|. It falls
//! as s grows, so there is one s with smECE_s = s: that is the smooth ECE. Reflection at both ends makes
//! K_s the heat kernel of [0, 1], which is a cosine series,
//! `K_s(t, p) = 1 + 2 sum_k exp(-(pi k s)^2 / 2) cos(pi k t) cos(pi k p)`, so that one set of
//! coefficients serves every width.

use super::Scored;
use std::f64::consts::PI;

/// The narrowest kernel tried: a smooth ECE below this is reported as at most this.
const NARROWEST: f64 = 5e-4;
/// Terms damped below exp(-8.5^2 / 2), about 2e-16, are left out.
const DAMPED: f64 = 8.5;

/// The smooth ECE, in [0, 1].
pub fn smooth_ece(scored: &Scored) -> f64 {
    let mut series = Series::new(scored);
    let (mut low, mut high) = (NARROWEST, 1.0);
    // Coarse to fine: wide kernels need few terms, and most data never asks for the narrow ones.
    while high - low > 1e-7 {
        let middle = if high > 4.0 * low { (low * high).sqrt() } else { 0.5 * (low + high) };
        match series.smoothed(middle) > middle {
            true => low = middle,
            false => high = middle,
        }
    }
    match low > NARROWEST {
        true => 0.5 * (low + high),
        false => series.smoothed(NARROWEST).min(high),
    }
}

/// The cosine coefficients of the residuals, computed as far as they are asked for.
struct Series {
    residuals: Vec<f64>,
    /// 2 cos(pi p) of each example.
    twice_cosine: Vec<f64>,
    /// cos(pi (k - 1) p) and cos(pi k p) of each example, for the last k computed.
    before: Vec<f64>,
    last: Vec<f64>,
    /// mean_i residual_i cos(pi k p_i), k from 0.
    coefficients: Vec<f64>,
}

impl Series {
    fn new(scored: &Scored) -> Self {
        let cosines: Vec<f64> = scored.scores().iter().map(|p| (PI * p).cos()).collect();
        let residuals: Vec<f64> = scored.residuals().map(|residual| residual / scored.len() as f64).collect();
        let mean = residuals.iter().sum();
        Self {
            residuals,
            twice_cosine: cosines.iter().map(|cosine| 2.0 * cosine).collect(),
            // cos(pi (-1) p) = cos(pi p), cos(0) = 1.
            before: cosines,
            last: vec![1.0; scored.len()],
            coefficients: vec![mean],
        }
    }

    /// Coefficients up to `count`, by cos((k + 1) x) = 2 cos x cos(k x) - cos((k - 1) x).
    fn extend(&mut self, count: usize) {
        while self.coefficients.len() < count {
            let mut coefficient = 0.0;
            for i in 0..self.last.len() {
                let next = self.twice_cosine[i] * self.last[i] - self.before[i];
                self.before[i] = self.last[i];
                self.last[i] = next;
                coefficient += self.residuals[i] * next;
            }
            self.coefficients.push(coefficient);
        }
    }

    /// smECE of one width: the integral of the absolute smoothed residual, by the midpoint rule.
    fn smoothed(&mut self, width: f64) -> f64 {
        let terms = (DAMPED / (PI * width)).ceil() as usize + 1;
        self.extend(terms);
        let damped: Vec<f64> = (0..terms)
            .map(|k| {
                let weight = if k == 0 { 1.0 } else { 2.0 };
                weight * self.coefficients[k] * (-0.5 * (PI * k as f64 * width).powi(2)).exp()
            })
            .collect();
        let points = ((10.0 / width).ceil() as usize).clamp(1000, 20_000);
        let step = 1.0 / points as f64;
        (0..points).map(|j| cosine_sum(&damped, PI * (j as f64 + 0.5) * step).abs()).sum::<f64>() * step
    }
}

/// sum_k c_k cos(k x), by Clenshaw's recurrence.
fn cosine_sum(coefficients: &[f64], x: f64) -> f64 {
    let twice = 2.0 * x.cos();
    let (mut next, mut after) = (0.0, 0.0);
    for &coefficient in coefficients[1..].iter().rev() {
        (next, after) = (coefficient + twice * next - after, next);
    }
    coefficients[0] + 0.5 * twice * next - after
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::calibration::Predictions;
    use proptest::prelude::*;

    fn positive(p: &[f64], y: &[u32]) -> Scored {
        Predictions::binary(p, y).unwrap().positive().unwrap()
    }

    /// The definition, with the kernel's mirror images written out.
    fn smoothed_by_images(scored: &Scored, width: f64) -> f64 {
        let gaussian = |x: f64| (-0.5 * (x / width).powi(2)).exp() / (width * (2.0 * PI).sqrt());
        let kernel = |t: f64, p: f64| -> f64 {
            (-6..=6).map(|k| 2.0 * f64::from(k)).map(|shift| gaussian(t - p + shift) + gaussian(t + p + shift)).sum()
        };
        let points = 2000;
        let at = |t: f64| -> f64 {
            let terms = scored.residuals().zip(scored.scores());
            terms.map(|(residual, &p)| residual * kernel(t, p)).sum::<f64>() / scored.len() as f64
        };
        (0..points).map(|j| at((f64::from(j) + 0.5) / f64::from(points)).abs()).sum::<f64>() / f64::from(points)
    }

    #[test]
    fn known_answers_of_section_5() {
        let first = positive(&[0.25, 0.25, 0.55, 0.75, 0.75], &[0, 0, 1, 1, 1]);
        assert!((smooth_ece(&first) - 0.1990).abs() < 5e-5, "{}", smooth_ece(&first));
        let second = positive(&[0.1, 0.3, 0.6, 0.7, 0.8, 0.9], &[0, 1, 0, 1, 1, 1]);
        assert!((smooth_ece(&second) - 0.1342).abs() < 5e-5, "{}", smooth_ece(&second));
    }

    #[test]
    fn cosine_series_is_the_reflected_kernel() {
        let scored = positive(&[0.0, 0.02, 0.3, 0.6, 0.7, 1.0], &[1, 0, 0, 1, 1, 0]);
        for width in [0.02, 0.1, 0.5, 1.0] {
            let (fast, slow) = (Series::new(&scored).smoothed(width), smoothed_by_images(&scored, width));
            assert!((fast - slow).abs() < 2e-5, "width {width}: {fast} and {slow}");
        }
    }

    #[test]
    fn certain_predictions_read_zero_when_right_and_high_when_wrong() {
        assert_eq!(smooth_ece(&positive(&[0.0, 1.0], &[0, 1])), 0.0);
        assert!(smooth_ece(&positive(&[0.0, 1.0], &[1, 0])) > 0.4);
        // All wrong in the same direction: the mean residual is 1 at every width.
        assert!((smooth_ece(&positive(&[0.0, 0.0], &[1, 1])) - 1.0).abs() < 1e-6);
    }

    proptest! {
        #[test]
        fn smooth_ece_is_its_own_width(
            pairs in prop::collection::vec((0.0..=1.0f64, any::<bool>()), 1..40),
        ) {
            let (scores, outcomes) = pairs.into_iter().unzip();
            let scored = Scored::new(scores, outcomes).unwrap();
            let value = smooth_ece(&scored);
            prop_assert!((0.0..=1.0).contains(&value));
            if value > 1e-3 && value < 0.999 {
                prop_assert!((Series::new(&scored).smoothed(value) - value).abs() < 1e-5);
            }
        }
    }
}
