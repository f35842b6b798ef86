//! The headline of a study: what the recommended gated model keeps, and how it stands beside dense in accuracy, NLL,
//! Brier score and ECE.
//!
//! A difference is named only where two tests allow it. The spread of the seeds: the paired difference lies further
//! from zero than its 95% interval over the seeds (Student's t) is wide, so that one seed never names any. And the luck
//! of the test rows: the paired bootstrap of [`significance`](super::significance) for accuracy, NLL and Brier, and for
//! ECE, which is no mean over rows, the noise of two perfectly calibrated models.

use super::claims::scaled_ece_margin;
use super::format;
use super::significance::{Comparison, Measure, Outcome, Test, test_between};
use super::study::{Point, Study};
use l0gm_train::RunRecord;

/// Summarises one study; `None` if it lacks a gated point or dense beside it.
pub(super) fn sentence(study: &Study<'_>, comparisons: &[Comparison]) -> Option<String> {
    let dense = study.dense()?;
    let pick = study.pick()?;
    let labels = (pick.label(), dense.label());
    let luck = |measure| {
        let test = test_between(comparisons, &study.slug(), (&labels.0, &labels.1), measure);
        match test.map(Test::outcome) {
            None => Luck::Untested,
            Some(Outcome::Same) => Luck::Enough,
            Some(Outcome::Better | Outcome::Worse) => Luck::TooLittle,
        }
    };
    let mut parts = Vec::new();
    for (name, measure, of, shown, higher_is_better) in [
        (
            "accuracy",
            Measure::Accuracy,
            (|r| r.test.accuracy) as fn(&RunRecord) -> f64,
            format::percent as fn(f64) -> String,
            true,
        ),
        (
            "NLL",
            Measure::Nll,
            |r| r.calibration.nll,
            format::fraction,
            false,
        ),
        (
            "Brier",
            Measure::Brier,
            |r| r.calibration.brier,
            format::fraction,
            false,
        ),
    ] {
        let gains = paired(pick, dense, |ours, theirs| match higher_is_better {
            true => of(ours) - of(theirs),
            false => of(theirs) - of(ours),
        });
        parts.push(format!(
            "{name} {} against {}: {}",
            shown(pick.over(of).mean),
            shown(dense.over(of).mean),
            verdict(&gains, luck(measure), |gain| match measure {
                Measure::Accuracy => format!("{} points", format::decimals(gain * 100.0, 1)),
                Measure::Nll | Measure::Brier => format::fraction(gain),
            })
        ));
    }
    parts.push(calibration(pick, dense));
    let shared = paired(pick, dense, |_, _| 0.0).len();
    Some(format!(
        "On {}, {} keeps {} of {} dimensions ({}). Beside dense, {}: {}.",
        study.tag(),
        pick.sparsity_in_words(),
        format::count(pick.over(|r| r.gate.open_dims as f64).mean.round() as u64),
        format::count(pick.first().gate.total_dims as u64),
        format::percent(pick.active()),
        match shared {
            0 => "which has no seed in common with it".to_owned(),
            1 => "on one seed (its spread is unknown, so no difference is claimed)".to_owned(),
            n => format!("on {n} seeds"),
        },
        parts.join("; "),
    ))
}

/// ECE before and after temperature scaling, with a verdict on the latter.
fn calibration(pick: &Point<'_>, dense: &Point<'_>) -> String {
    let ece = |p: &Point<'_>| p.over(|r| r.calibration.ece).mean;
    let scaled = |p: &Point<'_>| p.over(|r| r.calibration_scaled.ece).mean;
    // Scaling can make a dense model's calibration worse, so compare with the better of its two ECEs.
    let of_dense: fn(&RunRecord) -> f64 = match scaled(dense) <= ece(dense) {
        true => |r| r.calibration_scaled.ece,
        false => |r| r.calibration.ece,
    };
    let gains = paired(pick, dense, |ours, theirs| {
        of_dense(theirs) - ours.calibration_scaled.ece
    });
    let luck = match mean(&gains).abs() < scaled_ece_margin(pick, dense) {
        true => Luck::Enough,
        false => Luck::TooLittle,
    };
    format!(
        "ECE {} against {}, after temperature scaling {} against {}: {}",
        format::fraction(ece(pick)),
        format::fraction(ece(dense)),
        format::fraction(scaled(pick)),
        format::fraction(scaled(dense)),
        verdict(&gains, luck, format::fraction)
    )
}

/// Whether the luck of the test rows would explain a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Luck {
    /// It would.
    Enough,
    /// It would not.
    TooLittle,
    /// The predictions were not read.
    Untested,
}

/// What is said of a measure. `gains` holds ours minus dense's for each seed, positive where ours is better.
fn verdict(gains: &[f64], luck: Luck, shown: impl Fn(f64) -> String) -> String {
    let gain = mean(gains);
    match (luck, beyond_spread(gains)) {
        (Luck::Untested, _) => "not tested".to_owned(),
        (Luck::Enough, _) => "no difference shown".to_owned(),
        (Luck::TooLittle, None) => "more than the luck of the test rows".to_owned(),
        (Luck::TooLittle, Some(false)) => "no difference beyond the spread of the seeds".to_owned(),
        (Luck::TooLittle, Some(true)) => format!(
            "{} {}",
            shown(gain.abs()),
            if gain > 0.0 { "better" } else { "worse" }
        ),
    }
}

/// The gain of each seed that both points have.
fn paired(
    ours: &Point<'_>,
    theirs: &Point<'_>,
    gain: impl Fn(&RunRecord, &RunRecord) -> f64,
) -> Vec<f64> {
    let runs = ours.runs.iter();
    runs.filter_map(|a| {
        let b = theirs.runs.iter().find(|b| b.spec.seed == a.spec.seed)?;
        Some(gain(a, b))
    })
    .collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// Whether the 95% interval of the mean over seeds leaves zero out; `None` for fewer than two seeds.
fn beyond_spread(gains: &[f64]) -> Option<bool> {
    if gains.len() < 2 {
        return None;
    }
    let n = gains.len() as f64;
    let middle = mean(gains);
    let squares: f64 = gains.iter().map(|gain| (gain - middle).powi(2)).sum();
    let error = (squares / (n - 1.0) / n).sqrt();
    Some(middle.abs() > student(gains.len() - 1) * error)
}

/// The 97.5th percentile of Student's t with this many degrees of freedom.
fn student(degrees: usize) -> f64 {
    const TABLE: [f64; 10] = [
        12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
    ];
    match TABLE.get(degrees.saturating_sub(1)) {
        Some(value) => *value,
        // Beyond ten degrees the normal's 1.96 with its first correction is right to a hundredth.
        None => 1.96 * (1.0 + 1.21 / degrees as f64),
    }
}

#[cfg(test)]
#[path = "headline_tests.rs"]
mod tests;
