//! Calibration of anybody's predictions (design section 5). Knows nothing of gates or tensors.
use crate::Result;
use serde::{Deserialize, Serialize};
/// Class probabilities and true labels of some examples, checked: finite, each row sums to 1, labels
/// within the classes.
#[derive(Clone, Debug)]
pub struct Predictions {
    probabilities: Vec<f64>,
    labels: Vec<u32>,
    classes: usize,
}
impl Predictions {
    /// `probabilities`: rows x classes, row by row.
    pub fn new(_probabilities: Vec<f64>, _labels: Vec<u32>, _classes: usize) -> Result<Self> {
        todo!()
    }
    /// Binary predictions from P(y = 1).
    pub fn binary(_positive: &[f64], _labels: &[u32]) -> Result<Self> {
        todo!()
    }
    /// From logits, rows x classes.
    pub fn from_logits(_logits: &[f64], _labels: &[u32], _classes: usize) -> Result<Self> {
        todo!()
    }
    /// Number of examples.
    pub fn len(&self) -> usize {
        self.labels.len()
    }
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }
    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }
    /// One example's probabilities.
    pub fn row(&self, i: usize) -> &[f64] {
        &self.probabilities[i * self.classes..(i + 1) * self.classes]
    }
    /// True labels.
    pub fn labels(&self) -> &[u32] {
        &self.labels
    }
}
/// One bin of a reliability diagram.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bin {
    /// Lower edge, excluded (the first bin includes 0).
    pub low: f64,
    /// Upper edge, included.
    pub high: f64,
    /// Examples in the bin.
    pub count: usize,
    /// Mean confidence of them, NaN-free: 0 when empty.
    pub confidence: f64,
    /// Share of them predicted right, 0 when empty.
    pub accuracy: f64,
}
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
    /// Root of the debiased squared L2 ECE (0 where that is negative).
    pub ece_l2_debiased: f64,
    /// Smooth ECE (reflected Gaussian kernel).
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
    pub fn new(_predictions: &Predictions, _bins: usize, _resamples: usize, _seed: u64) -> Result<Self> {
        todo!()
    }
}
/// The bins of a top-label reliability diagram, equal width.
pub fn reliability_bins(_predictions: &Predictions, _bins: usize) -> Result<Vec<Bin>> {
    todo!()
}
/// The temperature T > 0 that minimises the NLL of softmax(logits / T) on these (validation) logits.
pub fn fit_temperature(_logits: &[f64], _labels: &[u32], _classes: usize) -> Result<f64> {
    todo!()
}
