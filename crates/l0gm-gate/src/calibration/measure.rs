//! The list of measures: the names of each one, and its value for given predictions. To add a measure, write its file
//! and add a line to each function here; intervals, the calibration command and its tables then include it.

use super::{
    BinSum, EqualWidth, Predictions, Scored, brier_score, class_wise, debiased_l2, equal_mass,
    expected_calibration_error, maximum_calibration_error, negative_log_likelihood,
    root_mean_square_calibration_error, smooth_ece,
};
use crate::Result;
use std::collections::BTreeMap;

/// A proper score, the accuracy, or a calibration error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Measure {
    /// Mean negative log-likelihood in nats (natural logarithm).
    Nll,
    /// Brier score.
    Brier,
    /// Share of examples whose top label is right.
    Accuracy,
    /// Top-label ECE with equal-width bins, as in the paper.
    Ece,
    /// Top-label ECE with equal-mass bins.
    EceEqualMass,
    /// Square root of the debiased squared L2 ECE.
    EceL2Debiased,
    /// Smooth ECE of the top label's confidence.
    EceSmooth,
    /// Mean over classes of each class's ECE.
    EceClassWise,
    /// ECE on P(y = 1). It is defined for two classes only.
    EcePositive,
    /// Maximum calibration error over non-empty bins.
    Mce,
}

impl Measure {
    /// All measures in the order of tables. Proper scores and accuracy come first, because rankings use them.
    pub const ALL: [Measure; 10] = [
        Measure::Nll,
        Measure::Brier,
        Measure::Accuracy,
        Measure::Ece,
        Measure::EceEqualMass,
        Measure::EceL2Debiased,
        Measure::EceSmooth,
        Measure::EceClassWise,
        Measure::EcePositive,
        Measure::Mce,
    ];

    /// The name in files.
    pub fn key(self) -> &'static str {
        match self {
            Measure::Nll => "nll",
            Measure::Brier => "brier",
            Measure::Accuracy => "accuracy",
            Measure::Ece => "ece",
            Measure::EceEqualMass => "ece_equal_mass",
            Measure::EceL2Debiased => "ece_l2_debiased",
            Measure::EceSmooth => "ece_smooth",
            Measure::EceClassWise => "ece_class_wise",
            Measure::EcePositive => "ece_positive",
            Measure::Mce => "mce",
        }
    }

    /// The name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Measure::Nll => "NLL",
            Measure::Brier => "Brier score",
            Measure::Accuracy => "accuracy",
            Measure::Ece => "ECE",
            Measure::EceEqualMass => "equal-mass ECE",
            Measure::EceL2Debiased => "debiased L2 ECE",
            Measure::EceSmooth => "smooth ECE",
            Measure::EceClassWise => "class-wise ECE",
            Measure::EcePositive => "ECE on P(y = 1)",
            Measure::Mce => "MCE",
        }
    }

    /// Whether perfect calibration would make it 0, apart from noise.
    pub fn is_error(self) -> bool {
        !matches!(self, Measure::Nll | Measure::Brier | Measure::Accuracy)
    }

    /// The largest possible value.
    pub(super) fn highest(self) -> f64 {
        match self {
            Measure::Nll => f64::INFINITY,
            _ => 1.0,
        }
    }

    /// The value for these predictions, or `None` if it is not defined for their number of classes.
    pub fn of(self, predictions: &Predictions, bins: EqualWidth) -> Result<Option<f64>> {
        self.read(&Seen::new(predictions, bins))
    }

    fn read(self, seen: &Seen<'_>) -> Result<Option<f64>> {
        let Seen {
            predictions,
            bins,
            top,
            sums,
        } = seen;
        Ok(Some(match self {
            Measure::Nll => negative_log_likelihood(predictions),
            Measure::Brier => brier_score(predictions),
            Measure::Accuracy => {
                let right = top.outcomes().iter().filter(|right| **right).count();
                right as f64 / top.len() as f64
            }
            Measure::Ece => expected_calibration_error(sums),
            Measure::EceEqualMass => expected_calibration_error(&equal_mass::of_number(top, *bins)),
            Measure::EceL2Debiased => debiased_l2(sums),
            Measure::EceSmooth => smooth_ece(top),
            Measure::EceClassWise => class_wise::of_width(predictions, *bins),
            Measure::EcePositive if predictions.classes() != 2 => return Ok(None),
            Measure::EcePositive => {
                expected_calibration_error(&bins.sums(&predictions.positive()?))
            }
            Measure::Mce => maximum_calibration_error(sums),
        }))
    }

    /// The value around which resampled values scatter. Resampled values of a debiased measure estimate the sample's
    /// error with its bias included, so their centre is the plug-in value.
    pub(super) fn centre(self, value: f64, predictions: &Predictions, bins: EqualWidth) -> f64 {
        match self {
            Measure::EceL2Debiased => {
                root_mean_square_calibration_error(&bins.sums(&predictions.top_label()))
            }
            _ => value,
        }
    }
}

/// The values of all measures that are defined for these predictions.
pub(super) fn values(
    predictions: &Predictions,
    bins: EqualWidth,
) -> Result<BTreeMap<Measure, f64>> {
    let seen = Seen::new(predictions, bins);
    let mut values = BTreeMap::new();
    for measure in Measure::ALL {
        if let Some(value) = measure.read(&seen)? {
            values.insert(measure, value);
        }
    }
    Ok(values)
}

/// Predictions together with what several measures need, computed only once.
struct Seen<'a> {
    predictions: &'a Predictions,
    bins: EqualWidth,
    top: Scored,
    sums: Vec<BinSum>,
}

impl<'a> Seen<'a> {
    fn new(predictions: &'a Predictions, bins: EqualWidth) -> Self {
        let top = predictions.top_label();
        Self {
            predictions,
            bins,
            sums: bins.sums(&top),
            top,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_measure_has_a_key_and_a_name_of_its_own() {
        let keys: BTreeSet<&str> = Measure::ALL.iter().map(|m| m.key()).collect();
        let names: BTreeSet<&str> = Measure::ALL.iter().map(|m| m.name()).collect();
        assert_eq!((keys.len(), names.len()), (10, 10));
    }

    #[test]
    fn the_ece_on_the_positive_class_is_of_two_classes_alone() {
        let bins = EqualWidth::new(2).unwrap();
        let two = Predictions::binary(&[0.25, 0.25, 0.55, 0.75, 0.75], &[0, 0, 1, 1, 1]).unwrap();
        let found = Measure::EcePositive.of(&two, bins).unwrap().unwrap();
        assert!((found - 0.29).abs() < 1e-12);
        let three = Predictions::new(vec![0.2, 0.3, 0.5], vec![2], 3).unwrap();
        for measure in Measure::ALL {
            let value = measure.of(&three, bins).unwrap();
            assert_eq!(value.is_none(), measure == Measure::EcePositive);
        }
    }
}
