//! Class-wise ECE (Kull et al. 2019), which judges the probability of every class and not only the largest one.

use super::{CalibrationSettings, EqualWidth, Predictions, expected_calibration_error};
use crate::Result;

/// Mean over classes of the ECE of that class's probability as a prediction of "it is this class", with equal-width
/// bins.
///
/// # Errors
/// There are no bins, or absurdly many.
pub fn class_wise_ece(predictions: &Predictions, settings: CalibrationSettings) -> Result<f64> {
    Ok(of_width(predictions, settings.width()?))
}

/// The class-wise ECE with bins that have been checked.
pub(super) fn of_width(predictions: &Predictions, width: EqualWidth) -> f64 {
    let one = |class| expected_calibration_error(&width.sums(&predictions.one_class(class)));
    let sum: f64 = (0..predictions.classes()).map(one).sum();
    sum / predictions.classes() as f64
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn with(bins: usize) -> CalibrationSettings {
        CalibrationSettings {
            bins,
            ..CalibrationSettings::default()
        }
    }

    #[test]
    fn class_wise_ece_is_the_mean_over_classes() {
        // With one bin, the gap of each class is |mean probability - share|.
        let probabilities = vec![0.7, 0.2, 0.1, 0.5, 0.1, 0.4];
        let predictions = Predictions::new(probabilities, vec![0, 2], 3).unwrap();
        let expected = ((0.6f64 - 0.5).abs() + (0.15f64 - 0.0).abs() + (0.25f64 - 0.5).abs()) / 3.0;
        assert!((class_wise_ece(&predictions, with(1)).unwrap() - expected).abs() < 1e-12);
    }

    #[test]
    fn class_wise_ece_of_certain_and_right_predictions_is_zero() {
        let predictions =
            Predictions::new(vec![1.0, 0.0, 0.0, 0.0, 0.0, 1.0], vec![0, 2], 3).unwrap();
        assert_eq!(class_wise_ece(&predictions, with(15)).unwrap(), 0.0);
    }
}
