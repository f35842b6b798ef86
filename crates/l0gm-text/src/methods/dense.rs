//! The backbone without a gate: a BERT-family encoder and a linear classifier on its pooled embedding.

use super::l0gm;
use crate::TextModality;
use candle_core::Device;
use l0gm_train::{Method, MethodInfo, Result, RunContext, RunRecord, RunSpec, TimedRun};
use std::path::Path;
use std::time::Duration;

pub(super) struct Dense;

impl Method<TextModality> for Dense {
    fn info(&self) -> MethodInfo {
        MethodInfo::dense("a BERT-family encoder with a linear classifier, no gate")
    }

    fn estimate(&self, _: &TextModality, spec: &RunSpec) -> Result<Duration> {
        l0gm::estimate(&self.info(), spec)
    }

    fn shared_work(&self, _: &TextModality, spec: &RunSpec) -> Result<Vec<(String, Duration)>> {
        l0gm::shared_work(&self.info(), spec)
    }

    fn run(
        &self,
        modality: &TextModality,
        spec: &RunSpec,
        context: &mut RunContext<'_>,
    ) -> Result<RunRecord> {
        l0gm::run(modality, self.info(), spec, context)
    }

    fn timed(
        &self,
        modality: &TextModality,
        spec: &RunSpec,
        dir: &Path,
        device: &Device,
    ) -> Result<TimedRun> {
        l0gm::timed(modality, &self.info(), spec, dir, device)
    }
}
