//! The backbone for graphs, trained by a technique of [`l0gm_train::compression`].

use super::gated;
use crate::GraphModality;
use crate::extent::Extent;
use candle_core::Device;
use l0gm_train::{Method, MethodInfo, Result, RunContext, RunRecord, RunSpec, Technique, TimedRun};
use serde_json::Value;
use std::path::Path;
use std::time::Duration;

impl Method<GraphModality> for Technique {
    fn info(&self) -> MethodInfo {
        Technique::info(self)
    }

    fn settings(&self) -> Value {
        Technique::settings(self)
    }

    fn check(&self, settings: &Value) -> Result<()> {
        Technique::check(self, settings)
    }

    fn estimate(&self, modality: &GraphModality, spec: &RunSpec) -> Result<Duration> {
        let mut settings = gated::settings_of(spec)?;
        self.apply(spec, &mut settings.train)?;
        let extent = Extent::of(modality, &spec.dataset, &settings);
        Ok(crate::estimate::gated(&extent, &settings) * self.members(spec)? as u32)
    }

    fn run(
        &self,
        modality: &GraphModality,
        spec: &RunSpec,
        context: &mut RunContext<'_>,
    ) -> Result<RunRecord> {
        let settings = (gated::settings_of(spec)?, Some(self));
        gated::run(modality, Technique::info(self), settings, spec, context)
    }

    fn timed(
        &self,
        modality: &GraphModality,
        spec: &RunSpec,
        dir: &Path,
        device: &Device,
    ) -> Result<TimedRun> {
        self.check_timed(spec)?;
        let settings = (gated::settings_of(spec)?, Some(self));
        gated::timed(modality, false, settings, spec, dir, device)
    }
}
