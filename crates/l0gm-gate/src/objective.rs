//! J = task + lambda_t * penalty (Algorithm 1, line 17).
use crate::{Gate, Result, ScheduleStep};
use candle_core::Tensor;
use serde::{Deserialize, Serialize};
/// The objective's settings.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct Objective {
    /// Weight of the penalty, at least 0.
    pub lambda: f64,
}
impl Objective {
    /// Checks lambda; the error names it.
    pub fn check(&self) -> Result<()> {
        todo!()
    }
    /// task + lambda * step.lambda_scale * penalty, a scalar; `task` unchanged for the identity gate.
    pub fn value(&self, _task: &Tensor, _gate: &Gate, _step: ScheduleStep) -> Result<Tensor> {
        todo!()
    }
}
