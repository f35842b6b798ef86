//! Decides whether two models differ by more than chance, in accuracy and in ECE.

use crate::study::Point;
use l0gm_gate::calibration::CalibrationReport;
use l0gm_train::RunRecord;

/// How one model compares with another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Better,
    Same,
    Worse,
}

impl Standing {
    /// Judges `gain`, which is positive if the first model is better and counts from `margin` on.
    pub(super) fn of(gain: f64, margin: f64) -> Self {
        if gain > margin {
            Self::Better
        } else if gain < -margin {
            Self::Worse
        } else {
            Self::Same
        }
    }
}

/// One standard error of an accuracy on as many examples as the point's test split has.
pub(super) fn accuracy_margin(point: &Point<'_>) -> f64 {
    let accuracy = point.over(|r| r.test.accuracy).mean;
    let examples: u64 = point.first().test.confusion.iter().flatten().sum();
    (accuracy * (1.0 - accuracy) / examples.max(1) as f64).sqrt()
}

/// The smallest difference of two ECEs that counts. Two perfectly calibrated models differ by this much once in
/// twenty times; it is computed from the larger of the two noise floors.
pub(super) fn ece_margin(a: &Point<'_>, b: &Point<'_>) -> f64 {
    margin(a, b, |run| &run.calibration)
}

/// Like [`ece_margin`], for ECEs after temperature scaling.
pub(crate) fn scaled_ece_margin(a: &Point<'_>, b: &Point<'_>) -> f64 {
    margin(a, b, |run| &run.calibration_scaled)
}

fn margin(
    a: &Point<'_>,
    b: &Point<'_>,
    measures: impl Fn(&RunRecord) -> &CalibrationReport,
) -> f64 {
    let spread = |p: &Point<'_>| {
        p.over(|run| measures(run).ece_noise_p95 - measures(run).ece_noise)
            .mean
    };
    std::f64::consts::SQRT_2 * spread(a).max(spread(b))
}

/// Mean test accuracy.
pub(super) fn accuracy(point: &Point<'_>) -> f64 {
    point.over(|r| r.test.accuracy).mean
}

/// Mean ECE.
pub(super) fn ece(point: &Point<'_>) -> f64 {
    point.over(|r| r.calibration.ece).mean
}

/// The mean ECE that a perfectly calibrated model with the same confidences would have.
pub(super) fn ece_floor(point: &Point<'_>) -> f64 {
    point.over(|r| r.calibration.ece_noise).mean
}
