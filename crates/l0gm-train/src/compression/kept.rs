//! What a compression left of a model, and of what it is a share.

use crate::{Parameter, Result, Sizes};
use serde::{Deserialize, Serialize};

/// What a compression removes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unit {
    /// Single weights of layers and tables, of those that training rows reach. Biases and norms stay.
    Weights,
    /// Whole dimensions of the interface.
    Dimensions,
}

impl Unit {
    /// What is counted, for tables and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Weights => "weights",
            Self::Dimensions => "dimensions of the interface",
        }
    }
}

/// The sizes of a model with single weights of 0, as they would be stored: the numbers that are not 0, each weight with
/// its position. `dense` are those of the whole model, whose operations are all still carried out.
pub(crate) fn sparse_sizes(dense: Sizes, parameters: &[Parameter], kept: Kept) -> Result<Sizes> {
    let mut non_zero = 0;
    for parameter in parameters {
        let values = super::masks::flat(&parameter.var)?;
        non_zero += values.iter().filter(|value| **value != 0.0).count() as u64;
    }
    Ok(Sizes {
        parameters: non_zero,
        bytes: (4 * (non_zero + kept.kept as u64)).min(dense.bytes),
        ..dense
    })
}

/// How much a compression left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// What is counted.
    pub unit: Unit,
    /// How many are left.
    pub kept: usize,
    /// Number before anything was removed.
    pub of: usize,
}

impl Kept {
    /// The share that is left, in [0, 1].
    pub fn share(self) -> f64 {
        self.kept as f64 / self.of.max(1) as f64
    }

    /// Whether something has been removed.
    pub(crate) fn is_reduced(self) -> bool {
        self.kept < self.of
    }

    /// "15.0% of the weights kept: 6,912 of 46,080", for the notes of a record.
    pub fn note(self) -> String {
        format!(
            "{:.1}% of the {} kept: {} of {}{}",
            100.0 * self.share(),
            self.unit.name(),
            self.kept,
            self.of,
            match self.unit {
                Unit::Weights => " that training rows reach (biases are not counted)",
                Unit::Dimensions => "",
            }
        )
    }

    /// Why a model that was compressed so has no compact form; `None` if it has one.
    pub(crate) fn refusal(self) -> Option<&'static str> {
        match self.unit {
            Unit::Weights => Some(
                "single weights are 0 here and there, and no row or column of a layer goes as a whole",
            ),
            Unit::Dimensions => None,
        }
    }
}
