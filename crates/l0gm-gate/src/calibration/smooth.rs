//! Smooth ECE (Blasiok and Nakkiran 2023). It uses no bins: the residuals are smoothed by a Gaussian kernel reflected
//! at 0 and 1, and the width of the kernel is the resulting value itself.
//!
//! For a width s, smECE_s is the integral over t in [0, 1] of |mean_i (y_i - p_i) K_s(t, p_i)|. It falls as s grows,
//! so there is exactly one s with smECE_s = s, and this s is the smooth ECE.
//!
//! Published numbers come from the authors' package. To be comparable, this code makes the same approximations: the
//! integral is a mean over 200 points (10 per width where that is more), the kernel is cut off at half the interval
//! and divided by the remaining mass, and the width is found to within 1/1024 from above. Together they change the
//! value by up to about .003 below .2 (the first test vector reads .1990 here, .1976 by the definition), and by more
//! for values no model should have.

use super::Scored;

/// Number of times that [0, 1] is halved in the search for the width.
const HALVINGS: usize = 10;
/// Smallest width that is tried.
const NARROWEST: f64 = 0.001;
/// Minimum number of points of the integral, and the number of points per width.
const POINTS: usize = 200;
const POINTS_A_WIDTH: f64 = 10.0;
/// Number of nodes per point on which residuals are placed. It is even, so that half the interval is a whole number.
const NODES_A_POINT: usize = 6;
/// Distance from the middle, in widths, beyond which a Gaussian is below 2e-11 of its height.
const TAIL: f64 = 7.0;

/// The smooth ECE, in [0, 1].
pub fn smooth_ece(scored: &Scored) -> f64 {
    let mut mesh = Mesh::new(scored, POINTS);
    let mut smoothed = |width: f64| {
        let points = ((POINTS_A_WIDTH / width).round() as usize).max(POINTS);
        if points != mesh.points {
            mesh = Mesh::new(scored, points);
        }
        mesh.smoothed(width)
    };
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..HALVINGS {
        let middle = 0.5 * (low + high);
        match middle < NARROWEST || middle < smoothed(middle) {
            true => low = middle,
            false => high = middle,
        }
    }
    smoothed(high).min(1.0)
}

/// Residuals and counts on equidistant nodes of [0, 1], mirrored at both ends.
struct Mesh {
    points: usize,
    /// Number of intervals between nodes over [0, 1].
    intervals: usize,
    /// Values on the 3 `intervals` + 1 nodes over [-1, 2].
    residuals: Vec<f64>,
    counts: Vec<f64>,
}

impl Mesh {
    fn new(scored: &Scored, points: usize) -> Self {
        let intervals = NODES_A_POINT * (points - 1);
        let mut residuals = vec![0.0; intervals + 1];
        let mut counts = vec![0.0; intervals + 1];
        for (residual, score) in scored.residuals().zip(scored.scores()) {
            // Share the residual between the two nearest nodes, so that its place is kept on average.
            let place = score * intervals as f64;
            let node = (place as usize).min(intervals - 1);
            let right = place - node as f64;
            residuals[node] += (1.0 - right) * residual;
            residuals[node + 1] += right * residual;
            counts[node] += 1.0 - right;
            counts[node + 1] += right;
        }
        Self {
            points,
            intervals,
            residuals: mirrored(&residuals),
            counts: mirrored(&counts),
        }
    }

    /// smECE for one width: the mean absolute smoothed residual divided by the mean smoothed count.
    fn smoothed(&self, width: f64) -> f64 {
        let reach =
            (self.intervals / 2).min((TAIL * width * self.intervals as f64).ceil() as usize);
        let height = |offset: usize| {
            (-0.5 * (offset as f64 / (self.intervals as f64 * width)).powi(2)).exp()
        };
        let kernel: Vec<f64> = (0..2 * reach + 1)
            .map(|i| height(i.abs_diff(reach)))
            .collect();
        let (mut error, mut mass) = (0.0, 0.0);
        for point in 0..self.points {
            let first = self.intervals + NODES_A_POINT * point - reach;
            let window = first..first + kernel.len();
            error += dot(&kernel, &self.residuals[window.clone()]).abs();
            mass += dot(&kernel, &self.counts[window]);
        }
        error / mass
    }
}

/// Extends the nodes 0..=n of [0, 1] to the nodes -n..=2n of [-1, 2]. A value exactly on 0 or 1 is its own mirror
/// image and counts twice there, so that a confidence of exactly 1 has the same weight as one just below.
fn mirrored(nodes: &[f64]) -> Vec<f64> {
    let inner = nodes.len() - 1;
    let left = nodes[1..].iter().rev();
    let right = nodes[..inner].iter().rev();
    let mut all: Vec<f64> = left.chain(nodes).chain(right).copied().collect();
    all[inner] *= 2.0;
    all[2 * inner] *= 2.0;
    all
}

/// Inner product in eight partial sums, which the compiler keeps in one vector register.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    let (chunks_a, chunks_b) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f64 = chunks_a
        .remainder()
        .iter()
        .zip(chunks_b.remainder())
        .map(|(a, b)| a * b)
        .sum();
    for (a, b) in chunks_a.zip(chunks_b) {
        for i in 0..8 {
            sums[i] += a[i] * b[i];
        }
    }
    sums.iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::calibration::Predictions;
    use l0gm_ops::Generator;
    use std::f64::consts::PI;

    fn positive(p: &[f64], y: &[u32]) -> Scored {
        Predictions::binary(p, y).unwrap().positive().unwrap()
    }

    /// The definition of smECE_s, with the mirror images of the kernel written out.
    fn by_definition(scored: &Scored, width: f64) -> f64 {
        let gaussian = |x: f64| (-0.5 * (x / width).powi(2)).exp() / (width * (2.0 * PI).sqrt());
        let kernel = |t: f64, p: f64| -> f64 {
            (-4..=4)
                .map(|k| 2.0 * f64::from(k))
                .map(|shift| gaussian(t - p + shift) + gaussian(t + p + shift))
                .sum()
        };
        let points = 500;
        let at = |t: f64| -> f64 {
            let terms = scored.residuals().zip(scored.scores());
            terms
                .map(|(residual, &p)| residual * kernel(t, p))
                .sum::<f64>()
                / scored.len() as f64
        };
        (0..points)
            .map(|j| at((f64::from(j) + 0.5) / f64::from(points)).abs())
            .sum::<f64>()
            / f64::from(points)
    }

    /// The definition of smooth ECE: the width that equals its own value.
    fn fixed_point(scored: &Scored) -> f64 {
        let (mut low, mut high) = (0.01, 1.0);
        for _ in 0..20 {
            let middle = 0.5 * (low + high);
            match by_definition(scored, middle) > middle {
                true => low = middle,
                false => high = middle,
            }
        }
        low
    }

    #[test]
    fn known_answers_of_section_5() {
        let first = smooth_ece(&positive(&[0.25, 0.25, 0.55, 0.75, 0.75], &[0, 0, 1, 1, 1]));
        assert!((first - 0.1990).abs() < 5e-5, "{first}");
        let second = smooth_ece(&positive(
            &[0.1, 0.3, 0.6, 0.7, 0.8, 0.9],
            &[0, 1, 0, 1, 1, 1],
        ));
        assert!((second - 0.1342).abs() < 5e-5, "{second}");
    }

    #[test]
    fn one_width_is_the_definition_where_the_kernel_is_not_cut_off() {
        let scored = positive(&[0.0, 0.02, 0.3, 0.6, 0.7, 1.0], &[1, 0, 0, 1, 1, 0]);
        for width in [0.03, 0.1] {
            let (fast, slow) = (
                Mesh::new(&scored, 2000).smoothed(width),
                by_definition(&scored, width),
            );
            assert!(
                (fast / slow - 1.0).abs() < 2e-3,
                "width {width}: {fast} and {slow}"
            );
        }
    }

    #[test]
    fn certain_predictions_read_zero_when_right_and_high_when_wrong() {
        assert_eq!(smooth_ece(&positive(&[0.0, 1.0], &[0, 1])), 0.0);
        assert!(smooth_ece(&positive(&[0.0, 1.0], &[1, 0])) > 0.4);
        assert!((smooth_ece(&positive(&[0.0, 0.0], &[1, 1])) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn a_uniform_shift_is_read_off_and_calibrated_predictions_are_near_zero() {
        let mut generator = Generator::new(12);
        let mut reading = |shift: f64| {
            let draw = |_| {
                let score = 0.2 + 0.6 * generator.uniform();
                (score, generator.uniform() < score - shift)
            };
            let (scores, outcomes) = (0..10_000).map(draw).unzip();
            smooth_ece(&Scored::new(scores, outcomes).unwrap())
        };
        assert!(reading(0.0) < 0.02);
        assert!((reading(0.1) - 0.1).abs() < 0.02);
    }

    #[test]
    fn smooth_ece_is_near_the_fixed_point_of_its_definition() {
        for seed in 0..10 {
            let mut generator = Generator::new(seed);
            let shift = 0.01 * seed as f64;
            let draw = |_| {
                let score = generator.uniform();
                (score, generator.uniform() < score - shift)
            };
            let (scores, outcomes) = (0..60).map(draw).unzip();
            let scored = Scored::new(scores, outcomes).unwrap();
            let (value, exact) = (smooth_ece(&scored), fixed_point(&scored));
            assert!(
                exact > 0.011 && (value - exact).abs() < 0.003,
                "{value} {exact}"
            );
        }
    }
}
