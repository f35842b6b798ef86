//! The backbone for tables, trained by a technique of [`l0gm_train::compression`].

use super::gated::{self, GatedMethod};
use crate::estimate::Extent;
use crate::{TabularModality, TabularSettings};
use candle_core::Device;
use l0gm_train::{Method, MethodInfo, Result, RunContext, RunRecord, RunSpec, Technique, TimedRun};
use serde_json::Value;
use std::path::Path;
use std::time::Duration;

impl Method<TabularModality> for Technique {
    fn info(&self) -> MethodInfo {
        Technique::info(self)
    }

    fn settings(&self) -> Value {
        Technique::settings(self)
    }

    fn check(&self, settings: &Value) -> Result<()> {
        Technique::check(self, settings)
    }

    fn estimate(&self, _: &TabularModality, spec: &RunSpec) -> Result<Duration> {
        let settings = settings_of(self, spec)?;
        let one = Extent::of(&spec.dataset, &settings).gated(&settings);
        Ok(one * self.members(spec)? as u32)
    }

    fn run(
        &self,
        modality: &TabularModality,
        spec: &RunSpec,
        context: &mut RunContext<'_>,
    ) -> Result<RunRecord> {
        let settings = settings_of(self, spec)?;
        let method = backbone(self);
        gated::run(modality, &method, Some(self), settings, spec, context)
    }

    fn timed(
        &self,
        modality: &TabularModality,
        spec: &RunSpec,
        dir: &Path,
        device: &Device,
    ) -> Result<TimedRun> {
        self.check_timed(spec)?;
        let settings = settings_of(self, spec)?;
        let method = backbone(self);
        gated::timed(modality, &method, Some(self), &settings, spec, dir, device)
    }
}

/// The backbone under the technique's name.
fn backbone(technique: &Technique) -> GatedMethod {
    GatedMethod {
        info: Technique::info(technique),
        adapt: None,
        rank: None,
    }
}

/// The run's settings, with the technique's changes to training.
fn settings_of(technique: &Technique, spec: &RunSpec) -> Result<TabularSettings> {
    let mut settings: TabularSettings = spec.modality_settings()?;
    technique.apply(spec, &mut settings.train)?;
    Ok(settings)
}
