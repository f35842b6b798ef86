//! Training on a teacher's probabilities beside the labels.

use super::check::check;
use crate::Result;
use serde::{Deserialize, Serialize};

/// Who teaches a model beside the labels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TeacherKind {
    /// Nobody: the model is trained on the labels alone.
    #[default]
    None,
    /// Boosted trees. Each fifth of the training rows is predicted by trees that were grown on the other four.
    Trees,
}

/// Distillation: training on a teacher's probabilities beside the labels (arXiv:1503.02531).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct DistillationSettings {
    /// Who teaches.
    pub teacher: TeacherKind,
    /// Weight of the teacher in the loss, above 0 and up to 1; the labels have the rest.
    pub weight: f64,
}

impl DistillationSettings {
    pub(super) fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// Checks every setting.
    pub(super) fn check(&self) -> Result<()> {
        let weight = self.weight;
        check(
            weight > 0.0 && weight <= 1.0,
            "distillation.weight",
            &weight,
            "a number above 0 and up to 1",
        )
    }
}

impl Default for DistillationSettings {
    fn default() -> Self {
        Self {
            teacher: TeacherKind::None,
            weight: 0.5,
        }
    }
}
