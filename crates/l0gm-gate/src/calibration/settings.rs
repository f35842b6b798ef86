//! How calibration is measured: the bins, and the random draws behind intervals and noise floors.

/// Settings of all measures that use bins or resampling. The defaults are the protocol's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CalibrationSettings {
    /// Number of bins of all binned measures.
    pub bins: usize,
    /// Number of draws for each bootstrap interval and each noise floor.
    pub resamples: usize,
    /// Seed of the draws.
    pub seed: u64,
}

impl Default for CalibrationSettings {
    fn default() -> Self {
        Self {
            bins: 15,
            resamples: 500,
            seed: 0,
        }
    }
}
