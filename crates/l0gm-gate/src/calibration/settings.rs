//! How calibration is measured: bins, and the draws behind intervals and noise floors.

/// Settings of every measure that has bins or is redrawn. The defaults are the protocol's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CalibrationSettings {
    /// Number of bins of every binned measure.
    pub bins: usize,
    /// Draws of each bootstrap interval and of each noise floor.
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
