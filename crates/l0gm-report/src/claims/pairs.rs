//! What is compared with what: a run of another design beside one of the default design, at the same lambda or at
//! the same active fraction.

use super::judge::{accuracy, ece};
use crate::format;
use crate::study::Point;

/// By which factor a point may lie beyond an end of the sweep's active fractions and still be compared with the end.
const BEYOND: f64 = 1.2;

/// A point of another design, and what the default design reads beside it.
pub(super) struct Pair<'p, 'a> {
    pub(super) ours: Readings,
    /// The default design's point whose noise counts: that of the pair, or the nearest of the sweep.
    pub(super) near: &'p Point<'a>,
    pub(super) other: &'p Point<'a>,
}

/// Means over seeds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Readings {
    pub(super) accuracy: f64,
    /// The lowest seed's accuracy.
    pub(super) worst: f64,
    /// Standard deviation of the accuracy over seeds; 0 for one seed.
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

    /// `share` of the way from here to there.
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

/// Two points that differ in one choice, as they are.
pub(super) fn as_they_are<'p, 'a>(plain: &'p Point<'a>, other: &'p Point<'a>) -> Pair<'p, 'a> {
    Pair {
        ours: Readings::of(plain),
        near: plain,
        other,
    }
}

/// The sweep as it would read at the other point's active fraction: between its two neighbours there, linear in the
/// fraction's logarithm. Absent where the sweep does not reach so far or has other seeds, and where nothing is open.
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

/// The larger over the smaller.
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

/// The mean of something over pairs.
pub(super) fn mean(pairs: &[Pair<'_, '_>], f: impl Fn(&Pair<'_, '_>) -> f64) -> f64 {
    pairs.iter().map(f).sum::<f64>() / pairs.len() as f64
}

/// "1 pair at λ 1e-3", "2 pairs at λ 1e-3 and 3e-3".
pub(super) fn compared(pairs: &[Pair<'_, '_>]) -> String {
    // In their order, each once: several terms and weights are compared at one lambda.
    let mut lambdas: Vec<String> = Vec::new();
    for pair in pairs {
        let lambda = pair.other.lambda.map(format::lambda);
        lambdas.extend(lambda.filter(|lambda| !lambdas.contains(lambda)));
    }
    let plural = if pairs.len() == 1 { "pair" } else { "pairs" };
    format!("{} {plural} at λ {}", pairs.len(), format::list(&lambdas))
}

/// "one seed", "3 seeds": the fewest of any point.
pub(super) fn seeds(points: &[&Point<'_>]) -> String {
    match points.iter().map(|p| p.runs.len()).min() {
        Some(1) | None => "one seed".to_owned(),
        Some(n) => format!("{n} seeds"),
    }
}
