//! The backbone for texts, trained by a technique of [`l0gm_train::compression`].

use super::gated;
use crate::modality::TextModality;
use candle_core::Device;
use l0gm_train::{
    Method, MethodInfo, Result, RunContext, RunRecord, RunSpec, Technique, TimedRun, TrainConfig,
};
use serde_json::Value;
use std::path::Path;
use std::time::Duration;

impl Method<TextModality> for Technique {
    fn info(&self) -> MethodInfo {
        Technique::info(self)
    }

    fn settings(&self) -> Value {
        Technique::settings(self)
    }

    fn check(&self, settings: &Value) -> Result<()> {
        Technique::check(self, settings)
    }

    fn estimate(&self, modality: &TextModality, spec: &RunSpec) -> Result<Duration> {
        // How much longer than once the technique trains.
        let mut train = TrainConfig::default();
        let once = train.epochs;
        self.apply(spec, &mut train)?;
        let times = train.epochs / once * self.members(spec)?;
        Ok(gated::estimate(modality, false, spec)? * times as u32)
    }

    fn shared_work(
        &self,
        modality: &TextModality,
        spec: &RunSpec,
    ) -> Result<Vec<(String, Duration)>> {
        gated::shared_work(modality, false, spec)
    }

    fn run(
        &self,
        modality: &TextModality,
        spec: &RunSpec,
        context: &mut RunContext<'_>,
    ) -> Result<RunRecord> {
        gated::run(modality, Technique::info(self), Some(self), spec, context)
    }

    fn timed(
        &self,
        modality: &TextModality,
        spec: &RunSpec,
        dir: &Path,
        device: &Device,
    ) -> Result<TimedRun> {
        self.check_timed(spec)?;
        gated::timed(modality, false, Some(self), spec, dir, device)
    }
}
