//! Which class a model predicts: the most probable one, or, with two classes, the one that a threshold decides.

use super::CompactHeader;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// A threshold for a model of two classes. The predicted class is `positive` exactly where its calibrated probability
/// is at least `threshold`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Decision {
    /// Name of the class that the threshold is for.
    pub positive: String,
    /// Smallest calibrated probability at which this class is predicted.
    pub threshold: f64,
    /// How the threshold was chosen, in words.
    pub rule: String,
}

impl Decision {
    /// Checks that the threshold is a probability and the class one of the two.
    pub(super) fn check(&self, path: &Path, classes: &[String]) -> Result<()> {
        let Self {
            positive,
            threshold,
            ..
        } = self;
        if classes.len() != 2 || !classes.contains(positive) {
            let message = format!(
                "its decision is for a class {positive:?} of two, and the classes are {classes:?}"
            );
            return Err(Error::file(path, message));
        }
        if !(0.0..=1.0).contains(threshold) {
            let message = format!("its threshold is {threshold}; expected a number from 0 to 1");
            return Err(Error::file(path, message));
        }
        Ok(())
    }
}

impl CompactHeader {
    /// The class that is predicted for these calibrated probabilities, by number. Without a decision it is the most
    /// probable one, the first of equals.
    pub fn decide(&self, probabilities: &[f64]) -> usize {
        let decided = self.decision.as_ref().and_then(|decision| {
            let positive = self.classes.iter().position(|c| *c == decision.positive)?;
            let reached = *probabilities.get(positive)? >= decision.threshold;
            Some(if reached {
                positive
            } else {
                1 - positive.min(1)
            })
        });
        decided.unwrap_or_else(|| {
            let mut best = (0, f64::NEG_INFINITY);
            for (class, &p) in probabilities.iter().enumerate() {
                if p > best.1 {
                    best = (class, p);
                }
            }
            best.0
        })
    }
}
