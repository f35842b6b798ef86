//! All settings of a tabular run in plain structs, which are checked once before use.

mod branches;
mod check;
mod data;
mod distillation;
mod encoding;
mod model;
mod start;
mod unwritten;

pub use branches::{CinActivation, CinSettings, CrossSettings};
pub(crate) use check::MAX_WIDTH;
pub use data::{DataSettings, SplitKind};
pub use distillation::{DistillationSettings, TeacherKind};
pub(crate) use encoding::check_fine_numbers;
pub use encoding::{EncodingSettings, NumberEncoding};
pub use model::ModelSettings;
pub(crate) use start::MANY_VALUES;
pub use start::Start;
pub(crate) use unwritten::{UNWRITTEN, is_zero};

use crate::Result;
use l0gm_gate::{GateConfig, Granularity};
use l0gm_train::TrainConfig;
use serde::{Deserialize, Serialize};

/// All settings of a tabular run. Unknown keys are refused.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct TabularSettings {
    /// Which data are read, and how they are split.
    pub data: DataSettings,
    /// How cells become ids and numbers.
    pub encoding: EncodingSettings,
    /// The branches of the head and the embeddings that they read.
    pub model: ModelSettings,
    /// The gate; the method "dense" ignores it.
    pub gate: GateConfig,
    /// Training.
    pub train: TrainConfig,
    /// Training on a teacher's probabilities.
    #[serde(skip_serializing_if = "DistillationSettings::is_default")]
    pub distillation: DistillationSettings,
}

impl TabularSettings {
    /// Checks every setting once, so that later code can rely on them.
    ///
    /// # Errors
    /// The error names the setting, its value and the allowed range.
    pub fn check(&self) -> Result<()> {
        self.data.check()?;
        self.encoding.check()?;
        self.model.check()?;
        self.distillation.check()?;
        self.gate.check()?;
        if self.gate.granularity == Granularity::Fine {
            check_fine_numbers(self.encoding.numbers)?;
        }
        Ok(())
    }
}
