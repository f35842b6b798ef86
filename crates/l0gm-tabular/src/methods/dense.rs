//! The backbone without a gate: field embeddings, then CIN, deep and linear branches (eq. 20).

use super::l0gm;
use crate::TabularModality;
use candle_core::Device;
use l0gm_train::{Method, MethodInfo, Result, RunContext, RunRecord, RunSpec, TimedRun};
use std::path::Path;
use std::time::Duration;

pub(super) struct Dense;

impl Method<TabularModality> for Dense {
    fn info(&self) -> MethodInfo {
        MethodInfo::dense("field embeddings with CIN, deep and linear branches, no gate")
    }

    fn estimate(&self, _: &TabularModality, spec: &RunSpec) -> Result<Duration> {
        l0gm::estimate(spec)
    }

    fn run(
        &self,
        modality: &TabularModality,
        spec: &RunSpec,
        context: &mut RunContext<'_>,
    ) -> Result<RunRecord> {
        l0gm::run(modality, self.info(), spec, context)
    }

    fn timed(
        &self,
        modality: &TabularModality,
        spec: &RunSpec,
        dir: &Path,
        device: &Device,
    ) -> Result<TimedRun> {
        l0gm::timed(modality, &self.info(), spec, dir, device)
    }
}
