//! Logistic regression with an L2 penalty: the baseline that every study should beat.
//!
//! Two classes share one weight vector (a sigmoid), more have one each (a softmax). Weights are penalised,
//! intercepts are not. The strength of the penalty is chosen among a few by validation loss, from strong to weak,
//! each fit starting where the one before ended. Nothing is random, and the same rows give the same
//! bits on any number of threads.

mod class_scores;
mod coordinates;
mod dense;
mod features;
mod file;
mod fit;
mod loss;
mod model;
mod predictor;
mod products;
mod rows;
mod scales;
mod solve;
mod timed;

#[cfg(test)]
mod tests;

pub use class_scores::ClassScores;
pub use features::Rows;
pub use fit::{Labelled, LogisticFit, LogisticTrial, fit_logistic};
pub use model::LogisticRegression;
pub use predictor::{FeatureTask, LogisticPredictor};
pub use products::RowProducts;
pub use scales::column_scales;
pub use timed::TimedRows;

use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How a logistic regression is fitted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct LogisticSettings {
    /// Strengths of the L2 penalty that are tried. The objective is the sum of the rows' losses plus half the
    /// strength times the squared weights, so a strength is 1 / C of scikit-learn.
    pub strengths: Vec<f64>,
    /// Most iterations of L-BFGS for each strength.
    pub max_iterations: usize,
    /// A fit ends where the gradient of the mean objective is shorter than this, every weight in units of its
    /// own curvature.
    pub tolerance: f64,
}

impl Default for LogisticSettings {
    fn default() -> Self {
        Self {
            strengths: vec![
                100.0, 30.0, 10.0, 3.0, 1.0, 0.3, 0.1, 0.03, 0.01, 3e-3, 1e-3,
            ],
            max_iterations: 300,
            tolerance: 1e-4,
        }
    }
}

impl LogisticSettings {
    /// As a method's own settings.
    pub fn to_value(&self) -> Value {
        serde_json::to_value(self).unwrap_or_default()
    }

    /// From a method's own settings, checked.
    ///
    /// # Errors
    /// They are not settings of a logistic regression, or one is out of range.
    pub fn from_value(value: &Value) -> Result<Self> {
        let settings: Self = serde_json::from_value(value.clone())
            .map_err(|e| Error::Setting(format!("settings of a logistic regression: {e}")))?;
        settings.check()?;
        Ok(settings)
    }

    /// Checks every setting.
    ///
    /// # Errors
    /// Names the setting, its value and what is allowed.
    pub fn check(&self) -> Result<()> {
        let above_zero = |value: f64| value.is_finite() && value > 0.0;
        if self.strengths.is_empty() || !self.strengths.iter().all(|s| above_zero(*s)) {
            return Err(Error::Setting(format!(
                "logistic.strengths is {:?}; expected at least one number, all above 0",
                self.strengths
            )));
        }
        if self.max_iterations == 0 {
            return Err(Error::Setting(
                "logistic.max-iterations is 0; expected at least 1".to_owned(),
            ));
        }
        if !above_zero(self.tolerance) {
            return Err(Error::Setting(format!(
                "logistic.tolerance is {}; expected a number above 0",
                self.tolerance
            )));
        }
        Ok(())
    }
}
