//! How calibration is measured: the bins, and the random draws behind intervals and noise floors.

use super::EqualWidth;
use super::bootstrap::check_resamples;
use crate::Result;
use l0gm_ops::Generator;

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

impl CalibrationSettings {
    /// Checks every setting. The error names the setting.
    pub fn check(&self) -> Result<()> {
        self.width()?;
        check_resamples(self.resamples)
    }

    /// The equal-width bins.
    pub(super) fn width(&self) -> Result<EqualWidth> {
        EqualWidth::new(self.bins)
    }

    /// The random numbers of one use, independent of those of the others.
    pub(super) fn draws(&self, of: &str) -> Generator {
        Generator::new(self.seed).stream(of, 0)
    }
}
