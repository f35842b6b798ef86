//! How a model's parameters start.

use crate::Encoding;
use serde::{Deserialize, Serialize};

/// How a model's parameters start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Start {
    /// At random; weights of raw inputs start at 0.
    #[default]
    Random,
    /// From a logistic regression on the same rows: each field's first dimension starts as the field's effect. Good where
    /// effects add up; where they interact, a random start learns more (docs/decisions.md).
    Additive,
    /// Additive where a category field has more than 64 values, and else at random. With many values most
    /// of what can be learnt is one effect a value, and a network learns that worse than a regression does.
    ManyValues,
}

/// A category field with more values than this has many.
pub(crate) const MANY_VALUES: usize = 64;

impl Start {
    /// Whether a model with this encoding starts from logistic regression.
    pub(crate) fn is_additive(self, encoding: &Encoding) -> bool {
        match self {
            Self::Random => false,
            Self::Additive => true,
            Self::ManyValues => encoding.has_many_values(),
        }
    }

    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }
}
