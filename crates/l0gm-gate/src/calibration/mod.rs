//! Measures the calibration of any predictions, in plain f64 and without gates: eq. 7 of the paper, and measures that
//! show how far to trust it.
//!
//! [`Predictions`] holds class probabilities and labels. They come from slices of any float type or from tensors
//! ([`Predictions::from_tensors`]). [`CalibrationSettings`] says how many bins and resamples every measure that needs
//! some has. [`CalibrationReport`] computes every measure at once, and
//! [`measure_all`] computes every [`Measure`] with its interval and noise floor. Each measure has a file of its own
//! and can also be called alone. Binned measures read pairs of a score and an outcome, [`Scored`]. These are either
//! the top-label confidence and whether it was right ([`Predictions::top_label`], the paper's ECE), or P(y = 1) and y
//! ([`Predictions::positive`]). The two give different numbers and have different names.
//!
//! ```
//! use l0gm_gate::calibration::{EqualWidth, Predictions, expected_calibration_error};
//! let predictions = Predictions::binary(&[0.25, 0.25, 0.55, 0.75, 0.75], &[0, 0, 1, 1, 1])?;
//! let ece = expected_calibration_error(&EqualWidth::new(2)?.sums(&predictions.positive()?));
//! assert!((ece - 0.29).abs() < 1e-12);
//! # Ok::<(), l0gm_gate::Error>(())
//! ```

mod bins;
mod bootstrap;
mod brier_nll;
mod class_wise;
mod debiased;
mod ece;
mod equal_mass;
mod intervals;
mod measure;
mod noise_floor;
mod predictions;
mod report;
mod settings;
mod smooth;
mod temperature;
mod tensors;

pub use bins::{Bin, BinSum, EqualWidth, reliability_bins};
pub use bootstrap::{Interval, bootstrap_ece};
pub use brier_nll::{brier_score, negative_log_likelihood};
pub use class_wise::class_wise_ece;
pub use debiased::{debiased_l2, debiased_l2_squared};
pub use ece::{
    expected_calibration_error, maximum_calibration_error, root_mean_square_calibration_error,
};
pub use equal_mass::equal_mass_sums;
pub use intervals::{Measured, measure_all};
pub use measure::Measure;
pub use noise_floor::{NoiseFloor, ece_noise_floor};
pub use predictions::{Predictions, Scored};
pub use report::CalibrationReport;
pub use settings::CalibrationSettings;
pub use smooth::smooth_ece;
pub use temperature::{fit_temperature, scale_logits};
pub use tensors::fit_temperature_of_tensors;

#[cfg(test)]
mod property_tests;
