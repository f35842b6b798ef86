//! How temperature and lambda move during training: warm-up, ramp, hardening.
use serde::{Deserialize, Serialize};
/// Temperature of the concrete distribution, above 0.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Temperature(pub f64);
/// Which schedule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScheduleKind {
    /// Warm-up, ramp, then temperature to its end.
    #[default]
    Annealed,
    /// Full lambda and the start temperature from the first step: the ablation.
    None,
}
/// The schedule's settings, all in fractions of training progress.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Schedule {
    /// Which schedule.
    pub kind: ScheduleKind,
    /// Fraction of training with lambda 0.
    pub warmup: f64,
    /// Fraction of training, after the warm-up, over which lambda rises linearly to its value.
    pub ramp: f64,
    /// Temperature until the end of the ramp.
    pub start_temperature: f64,
    /// Temperature at the end of training, reached linearly after the warm-up.
    pub end_temperature: f64,
}
impl Default for Schedule {
    fn default() -> Self {
        Self { kind: ScheduleKind::Annealed, warmup: 0.1, ramp: 0.3, start_temperature: 2.0 / 3.0, end_temperature: 2.0 / 3.0 }
    }
}
/// What the schedule says at one moment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ScheduleStep {
    /// Temperature now.
    pub temperature: Temperature,
    /// Factor on lambda now, 0 to 1.
    pub lambda_scale: f64,
}
impl Schedule {
    /// Checks every setting; the error names the setting, its value and the range.
    pub fn check(&self) -> crate::Result<()> {
        todo!()
    }
    /// The schedule at `progress` in [0, 1] (steps done / steps in all).
    pub fn at(&self, _progress: f64) -> ScheduleStep {
        todo!()
    }
    /// Temperature with which a finished model is used: the end temperature (start for `None`).
    pub fn final_temperature(&self) -> Temperature {
        todo!()
    }
}
