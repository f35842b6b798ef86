//! The class frequencies of the training nodes, which every model for a graph must beat.

use crate::estimate::judging;
use crate::extent::Extent;
use crate::{GraphModality, GraphSettings};
use candle_core::Device;
use l0gm_train::{
    Experiment, MajorityPredictor, Method, MethodInfo, Result, RunContext, RunRecord, RunSpec,
    Split, Task,
};
use std::time::Duration;

pub(super) struct Majority;

impl Method<GraphModality> for Majority {
    fn info(&self) -> MethodInfo {
        MajorityPredictor::INFO
    }

    fn estimate(&self, modality: &GraphModality, spec: &RunSpec) -> Result<Duration> {
        let settings: GraphSettings = spec.modality_settings()?;
        let extent = Extent::of(modality, &spec.dataset, &settings);
        Ok(judging(&extent))
    }

    fn run(
        &self,
        modality: &GraphModality,
        spec: &RunSpec,
        context: &mut RunContext<'_>,
    ) -> Result<RunRecord> {
        let settings: GraphSettings = spec.modality_settings()?;
        let loaded = modality.load(spec, &settings, &Device::Cpu)?;
        context.progress.found(&loaded.summary.to_string());
        let notes = vec![format!("split {}", settings.split.kind)];
        let experiment = Experiment {
            spec,
            method: self.info(),
            data: loaded.data_summary(Vec::new(), notes),
            origins: Some(loaded.origins.clone()),
            robustness: settings.train.robustness,
        };
        let labels = [
            loaded.task.labels(Split::Train)?,
            loaded.task.labels(Split::Valid)?,
            loaded.task.labels(Split::Test)?,
        ];
        let classes = loaded.task.classes();
        experiment.run(|_, _| MajorityPredictor::fit(labels, classes), context)
    }
}
