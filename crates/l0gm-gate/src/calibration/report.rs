//! All measures at once, as run records and tables hold them.

use super::{
    CalibrationSettings, Measure, Predictions, bootstrap_ece, brier_score, class_wise_ece,
    debiased_l2, ece_noise_floor, equal_mass_sums, expected_calibration_error,
    maximum_calibration_error, negative_log_likelihood, smooth_ece,
};
use crate::Result;
use serde::{Deserialize, Serialize};

/// All calibration measures of one set of predictions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CalibrationReport {
    /// Number of bins of all binned measures.
    pub bins: usize,
    /// Top-label ECE with equal-width bins (left, right], as in the paper.
    pub ece: f64,
    /// Lower end of the bootstrap 95% interval of ECE. It is 0 where the ECE is within `ece_noise_p95`, because such
    /// predictions may be perfectly calibrated.
    pub ece_low: f64,
    /// Upper end of the bootstrap 95% interval of ECE.
    pub ece_high: f64,
    /// Noise floor: the mean ECE of labels redrawn from the predictions.
    pub ece_noise: f64,
    /// 95th percentile of the ECE of these labels.
    pub ece_noise_p95: f64,
    /// ECE on P(y = 1). Absent unless there are two classes.
    pub ece_positive: Option<f64>,
    /// Top-label ECE with equal-mass bins.
    pub ece_equal_mass: f64,
    /// Square root of the debiased squared L2 ECE with equal-width bins; 0 where the square is negative.
    pub ece_l2_debiased: f64,
    /// Smooth ECE (reflected Gaussian kernel) of the top label's confidence.
    pub ece_smooth: f64,
    /// Class-wise ECE with equal-width bins.
    pub ece_class_wise: f64,
    /// Maximum calibration error over non-empty bins.
    pub mce: f64,
    /// Brier score: for two classes the mean over examples of (p - y)^2, for more the mean over examples of its sum
    /// over classes.
    pub brier: f64,
    /// Mean negative log-likelihood in nats (natural logarithm).
    pub nll: f64,
}

impl CalibrationReport {
    /// Computes every measure of these predictions.
    ///
    /// # Errors
    /// There are no bins or no resamples, or absurdly many.
    pub fn new(predictions: &Predictions, settings: CalibrationSettings) -> Result<Self> {
        settings.check()?;
        let width = settings.width()?;
        let top = predictions.top_label();
        let sums = width.sums(&top);
        let interval = bootstrap_ece(&top, settings)?;
        let noise = ece_noise_floor(&top, settings)?;
        let ece_positive = match predictions.classes() {
            2 => Some(expected_calibration_error(
                &width.sums(&predictions.positive()?),
            )),
            _ => None,
        };
        let ece = expected_calibration_error(&sums);
        Ok(Self {
            bins: settings.bins,
            ece,
            ece_low: if ece <= noise.p95 { 0.0 } else { interval.low },
            ece_high: interval.high,
            ece_noise: noise.mean,
            ece_noise_p95: noise.p95,
            ece_positive,
            ece_equal_mass: expected_calibration_error(&equal_mass_sums(&top, settings)?),
            ece_l2_debiased: debiased_l2(&sums),
            ece_smooth: smooth_ece(&top),
            ece_class_wise: class_wise_ece(predictions, settings)?,
            mce: maximum_calibration_error(&sums),
            brier: brier_score(predictions),
            nll: negative_log_likelihood(predictions),
        })
    }
}

impl CalibrationReport {
    /// The value of a measure. `None` for a measure that is not defined for the number of classes, and for accuracy,
    /// which the report does not hold.
    pub fn value(&self, measure: Measure) -> Option<f64> {
        match measure {
            Measure::Nll => Some(self.nll),
            Measure::Brier => Some(self.brier),
            Measure::Accuracy => None,
            Measure::Ece => Some(self.ece),
            Measure::EceEqualMass => Some(self.ece_equal_mass),
            Measure::EceL2Debiased => Some(self.ece_l2_debiased),
            Measure::EceSmooth => Some(self.ece_smooth),
            Measure::EceClassWise => Some(self.ece_class_wise),
            Measure::EcePositive => self.ece_positive,
            Measure::Mce => Some(self.mce),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use l0gm_ops::Generator;

    fn with(bins: usize, resamples: usize, seed: u64) -> CalibrationSettings {
        CalibrationSettings {
            bins,
            resamples,
            seed,
        }
    }

    #[test]
    fn every_known_answer_stands_in_its_own_field() {
        let predictions =
            Predictions::binary(&[0.25, 0.25, 0.55, 0.75, 0.75], &[0, 0, 1, 1, 1]).unwrap();
        let report = CalibrationReport::new(&predictions, with(2, 200, 0)).unwrap();
        assert_eq!(report.bins, 2);
        assert!((report.ece_positive.unwrap() - 0.29).abs() < 1e-12);
        // Top-label confidences are four times .75 and once .55, and all are right: one bin with gap 1 - .71.
        assert!((report.ece - 0.29).abs() < 1e-12);
        assert!((report.mce - 0.29).abs() < 1e-12);
        assert!((report.ece_class_wise - 0.29).abs() < 1e-12);
        assert!((report.ece_l2_debiased - 0.29).abs() < 1e-12);
        assert!((report.brier - (4.0 * 0.0625 + 0.2025) / 5.0).abs() < 1e-12);
        assert!((report.nll + (4.0 * 0.75f64.ln() + 0.55f64.ln()) / 5.0).abs() < 1e-12);
        assert!(report.ece_noise > 0.0 && report.ece_noise_p95 >= report.ece_noise);
    }

    #[test]
    fn the_same_seed_gives_the_same_report() {
        let positive: Vec<f64> = (0..200).map(|i| f64::from(i) / 199.0).collect();
        let labels: Vec<u32> = (0..200).map(|i| u32::from(i % 3 == 0)).collect();
        let predictions = Predictions::binary(&positive, &labels).unwrap();
        let report = |seed| CalibrationReport::new(&predictions, with(15, 100, seed)).unwrap();
        assert_eq!(report(1), report(1));
        assert_ne!(report(1), report(2));
        assert_eq!(report(1).nll, report(2).nll);
    }

    #[test]
    fn an_ece_within_the_noise_floor_has_an_interval_from_zero() {
        let mut generator = Generator::new(6);
        let positive: Vec<f64> = (0..2000).map(|_| generator.uniform()).collect();
        let labels: Vec<u32> = positive
            .iter()
            .map(|&p| u32::from(generator.uniform() < p))
            .collect();
        let predictions = Predictions::binary(&positive, &labels).unwrap();
        let report = CalibrationReport::new(&predictions, with(15, 200, 1)).unwrap();
        assert!(
            report.ece < report.ece_noise_p95,
            "a calibrated sample: {report:?}"
        );
        assert_eq!(report.ece_low, 0.0);
        // With the same labels, overstated confidences are beyond the noise.
        let bold: Vec<f64> = positive
            .iter()
            .map(|p| if *p > 0.5 { 0.95 } else { 0.05 })
            .collect();
        let report = CalibrationReport::new(
            &Predictions::binary(&bold, &labels).unwrap(),
            with(15, 200, 1),
        )
        .unwrap();
        assert!(report.ece_low > report.ece_noise_p95, "{report:?}");
    }

    #[test]
    fn no_bins_and_no_resamples_are_refused() {
        let predictions = Predictions::binary(&[0.5], &[1]).unwrap();
        assert!(
            CalibrationReport::new(&predictions, with(0, 10, 1))
                .unwrap_err()
                .to_string()
                .contains("bins is 0")
        );
        assert!(
            CalibrationReport::new(&predictions, with(15, 0, 1))
                .unwrap_err()
                .to_string()
                .contains("resamples is 0")
        );
    }
}
