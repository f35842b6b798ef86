//! How cells become ids and numbers.

use super::check::{check, positive, width};
use super::unwritten::is_zero;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use strum::IntoStaticStr;

/// How numbers become the model's input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoStaticStr)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum NumberEncoding {
    /// Piecewise-linear over quantile bins (Gorishniy et al. 2022).
    #[default]
    PiecewiseLinear,
    /// Sines and cosines with learned frequencies, then a linear layer with ReLU for each field.
    Periodic,
    /// Scaled to mean 0 and variance 1, then a linear map for each field.
    Scaled,
}

impl NumberEncoding {
    /// The name of the setting's value, for notes.
    pub fn name(self) -> &'static str {
        self.into()
    }
}

/// How cells become ids and numbers. Everything is fitted on the training rows alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct EncodingSettings {
    /// The encoding of numbers.
    pub numbers: NumberEncoding,
    /// Largest number of bins of the piecewise-linear encoding, 2 to 4,096.
    pub bins: usize,
    /// Number of frequencies of the periodic encoding, 1 to 65,536.
    pub frequencies: usize,
    /// Standard deviation of the initial frequencies, above 0.
    pub frequency_scale: f64,
    /// A category that occurs less often than this in training, at least 1, shares the row of unseen categories.
    pub min_count: usize,
    /// k, at least 0: the embedding of a category that occurs n times in training is its field's common one and
    /// n / (n + k) of what is its own. 0: every category has its own alone.
    #[serde(skip_serializing_if = "is_zero")]
    pub shrink: f64,
}

impl Default for EncodingSettings {
    fn default() -> Self {
        Self {
            numbers: NumberEncoding::PiecewiseLinear,
            bins: 48,
            frequencies: 24,
            frequency_scale: 0.3,
            min_count: 2,
            shrink: 0.0,
        }
    }
}

impl EncodingSettings {
    /// Refuses a value out of range, by its setting's name.
    pub(super) fn check(&self) -> Result<()> {
        let bins = self.bins;
        check(
            (2..=4096).contains(&bins),
            "encoding.bins",
            &bins,
            "2 to 4096",
        )?;
        width("encoding.frequencies", self.frequencies)?;
        let min_count = self.min_count;
        check(
            min_count >= 1,
            "encoding.min-count",
            &min_count,
            "at least 1",
        )?;
        positive("encoding.frequency-scale", self.frequency_scale)?;
        let shrink = self.shrink;
        check(
            shrink >= 0.0 && shrink.is_finite(),
            "encoding.shrink",
            &shrink,
            "a number of at least 0",
        )
    }
}

/// Refuses fine gates on an encoding of numbers that has no table.
pub(crate) fn check_fine_numbers(kind: NumberEncoding) -> Result<()> {
    if kind == NumberEncoding::PiecewiseLinear {
        return Ok(());
    }
    Err(Error::Setting(format!(
        "gate.granularity is fine, a gate an entry of an embedding table, but encoding.numbers is {}, which has \
         no table; take piecewise-linear, or granularity interface or group",
        kind.name()
    )))
}
