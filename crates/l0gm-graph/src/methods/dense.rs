//! The backbone without a gate: a GCN (eq. 2) and a linear classifier.

use super::l0gm;
use crate::GraphModality;
use candle_core::Device;
use l0gm_train::{Method, MethodInfo, Result, RunContext, RunRecord, RunSpec, TimedRun};
use std::path::Path;
use std::time::Duration;

pub(super) struct Dense;

impl Method<GraphModality> for Dense {
    fn info(&self) -> MethodInfo {
        MethodInfo::dense("a GCN with a linear classifier, no gate")
    }

    fn estimate(&self, _: &GraphModality, spec: &RunSpec) -> Result<Duration> {
        l0gm::estimate(spec)
    }

    fn run(
        &self,
        modality: &GraphModality,
        spec: &RunSpec,
        context: &mut RunContext<'_>,
    ) -> Result<RunRecord> {
        l0gm::run(modality, self.info(), spec, context)
    }

    fn timed(
        &self,
        modality: &GraphModality,
        spec: &RunSpec,
        dir: &Path,
        device: &Device,
    ) -> Result<TimedRun> {
        l0gm::timed(modality, &self.info(), spec, dir, device)
    }
}
