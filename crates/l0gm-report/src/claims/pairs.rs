//! Pairs a run of another design with one of the default design, at the same lambda or at the same active fraction.

use super::judge::{accuracy, ece};
use crate::format;
use crate::study::Point;

/// Factor by which a point may lie outside the sweep's active fractions and still be compared with the nearest end.
const BEYOND: f64 = 1.2;

/// A point of another design, and the default design's values for comparison.
pub(super) struct Pair<'p, 'a> {
    pub(super) ours: Readings,
    /// The default design's point that gives the noise margins: that of the pair, or the nearest of the sweep.
    pub(super) near: &'p Point<'a>,
    pub(super) other: &'p Point<'a>,
}

/// Values of a point, as means over seeds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Readings {
    pub(super) accuracy: f64,
    /// Accuracy of the worst seed.
    pub(super) worst: f64,
    /// Standard deviation of the accuracy over seeds; 0 if there is one seed.
    pub(super) deviation: f64,
    pub(super) ece: f64,
    pub(super) active: f64,
}

impl Readings {
    pub(super) fn of(point: &Point<'_>) -> Self {
        let over_seeds = point.over(|r| r.test.accuracy);
        Self {
            accuracy: accuracy(point),
            worst: over_seeds.min,
            deviation: over_seeds.std.unwrap_or(0.0),
            ece: ece(point),
            active: point.active(),
        }
    }

    /// Interpolates linearly: a `share` of 0 gives `self`, 1 gives `there`.
    fn towards(&self, there: &Self, share: f64) -> Self {
        let between = |a: f64, b: f64| a + share * (b - a);
        Self {
            accuracy: between(self.accuracy, there.accuracy),
            worst: between(self.worst, there.worst),
            deviation: between(self.deviation, there.deviation),
            ece: between(self.ece, there.ece),
            active: between(self.active, there.active),
        }
    }
}

/// Pairs two points that differ in one choice, with their own values.
pub(super) fn as_they_are<'p, 'a>(plain: &'p Point<'a>, other: &'p Point<'a>) -> Pair<'p, 'a> {
    Pair {
        ours: Readings::of(plain),
        near: plain,
        other,
    }
}

/// The values of the sweep at the other point's active fraction, interpolated between its two neighbours, linearly in
/// the logarithm of the fraction. Absent if the sweep does not reach that far or has other seeds, or if no gate is
/// open.
pub(super) fn at_equal_sparsity<'p, 'a>(
    sweep: &[&'p Point<'a>],
    other: &'p Point<'a>,
) -> Option<Pair<'p, 'a>> {
    let mut sweep: Vec<&'p Point<'a>> = sweep
        .iter()
        .copied()
        .filter(|p| p.active() > 0.0 && same_seeds(p, other))
        .collect();
    sweep.sort_by(|a, b| a.active().total_cmp(&b.active()));
    let active = other.active();
    let near = sweep.iter().copied().min_by(|a, b| {
        let distance = |p: &Point<'_>| (p.active() - active).abs();
        distance(a).total_cmp(&distance(b))
    })?;
    let above = sweep.iter().position(|p| p.active() >= active);
    let ours = match above {
        Some(at) if at > 0 => {
            let (low, high) = (sweep[at - 1], sweep[at]);
            let share = (active / low.active()).ln() / (high.active() / low.active()).ln();
            let ours = Readings::of(low).towards(&Readings::of(high), share);
            Readings { active, ..ours }
        }
        _ if active > 0.0 && beyond(near.active(), active) <= BEYOND => Readings::of(near),
        _ => return None,
    };
    Some(Pair { ours, near, other })
}

/// The larger number divided by the smaller.
fn beyond(a: f64, b: f64) -> f64 {
    a.max(b) / a.min(b)
}

/// Whether two points have runs of the same seeds.
pub(super) fn same_seeds(a: &Point<'_>, b: &Point<'_>) -> bool {
    let seeds = |p: &Point<'_>| {
        let mut seeds: Vec<u64> = p.runs.iter().map(|r| r.spec.seed).collect();
        seeds.sort_unstable();
        seeds
    };
    seeds(a) == seeds(b)
}

/// The mean of a quantity over pairs.
pub(super) fn mean(pairs: &[Pair<'_, '_>], f: impl Fn(&Pair<'_, '_>) -> f64) -> f64 {
    pairs.iter().map(f).sum::<f64>() / pairs.len() as f64
}

/// Describes the pairs, such as "1 pair at λ 1e-3" or "2 pairs at λ 1e-3 and 3e-3".
pub(super) fn compared(pairs: &[Pair<'_, '_>]) -> String {
    // Name each lambda once, because several terms and weights are compared at one lambda.
    let mut lambdas: Vec<String> = Vec::new();
    for pair in pairs {
        let lambda = pair.other.lambda.map(format::lambda);
        lambdas.extend(lambda.filter(|lambda| !lambdas.contains(lambda)));
    }
    let plural = if pairs.len() == 1 { "pair" } else { "pairs" };
    format!("{} {plural} at λ {}", pairs.len(), format::list(&lambdas))
}

/// The smallest number of seeds of any point, in words: "one seed" or "3 seeds".
pub(super) fn seeds(points: &[&Point<'_>]) -> String {
    match points.iter().map(|p| p.runs.len()).min() {
        Some(1) | None => "one seed".to_owned(),
        Some(n) => format!("{n} seeds"),
    }
}
