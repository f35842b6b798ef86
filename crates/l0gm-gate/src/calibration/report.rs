//! Every measure at once, as a run's record and the report's tables hold them.

use super::{
    EqualWidth, Predictions, bootstrap_ece, brier_score, class_wise_ece, debiased_l2, ece_noise_floor,
    equal_mass_sums, expected_calibration_error, maximum_calibration_error, negative_log_likelihood, smooth_ece,
};
use crate::Result;
use l0gm_ops::Generator;
use serde::{Deserialize, Serialize};

/// All calibration measures of one set of predictions.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CalibrationReport {
    /// Number of bins of every binned measure.
    pub bins: usize,
    /// Top-label ECE, equal-width bins (left, right]: the paper's.
    pub ece: f64,
    /// Lower end of ECE's bootstrap 95% interval.
    pub ece_low: f64,
    /// Upper end of ECE's bootstrap 95% interval.
    pub ece_high: f64,
    /// Mean ECE of labels redrawn from the predictions: the noise floor.
    pub ece_noise: f64,
    /// 95th percentile of the same.
    pub ece_noise_p95: f64,
    /// ECE on P(y = 1), binary only.
    pub ece_positive: Option<f64>,
    /// Top-label ECE, equal-mass bins.
    pub ece_equal_mass: f64,
    /// Root of the debiased squared L2 ECE (0 where that is negative), equal-width bins.
    pub ece_l2_debiased: f64,
    /// Smooth ECE (reflected Gaussian kernel) of the top label's confidence.
    pub ece_smooth: f64,
    /// Class-wise ECE.
    pub ece_class_wise: f64,
    /// Maximum calibration error over non-empty bins.
    pub mce: f64,
    /// Brier score: mean over examples of the sum over classes for many classes, of (p - y)^2 for binary.
    pub brier: f64,
    /// Mean negative log-likelihood, natural logarithm.
    pub nll: f64,
}

impl CalibrationReport {
    /// Every measure with `bins` bins; the bootstrap and the noise floor use `resamples` draws of `seed`.
    pub fn new(predictions: &Predictions, bins: usize, resamples: usize, seed: u64) -> Result<Self> {
        let width = EqualWidth::new(bins)?;
        let generator = Generator::new(seed);
        let top = predictions.top_label();
        let sums = width.sums(&top);
        let interval = bootstrap_ece(&top, width, resamples, &mut generator.stream("bootstrap", 0))?;
        let noise = ece_noise_floor(&top, width, resamples, &mut generator.stream("noise floor", 0))?;
        let ece_positive = match predictions.classes() {
            2 => Some(expected_calibration_error(&width.sums(&predictions.positive()?))),
            _ => None,
        };
        Ok(Self {
            bins,
            ece: expected_calibration_error(&sums),
            ece_low: interval.low,
            ece_high: interval.high,
            ece_noise: noise.mean,
            ece_noise_p95: noise.p95,
            ece_positive,
            ece_equal_mass: expected_calibration_error(&equal_mass_sums(&top, bins)?),
            ece_l2_debiased: debiased_l2(&sums),
            ece_smooth: smooth_ece(&top),
            ece_class_wise: class_wise_ece(predictions, bins)?,
            mce: maximum_calibration_error(&sums),
            brier: brier_score(predictions),
            nll: negative_log_likelihood(predictions),
        })
    }
}
