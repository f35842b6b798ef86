//! The class frequencies of the training rows, which every model for a table must beat.

use crate::data_summary::{data_summary, found, split_note};
use crate::estimate::Extent;
use crate::{EncodedTable, TabularModality, TabularSettings};
use candle_core::Device;
use l0gm_train::{
    Experiment, MajorityPredictor, Method, MethodInfo, Result, RunContext, RunRecord, RunSpec,
};
use std::time::Duration;

pub(super) struct Majority;

impl Method<TabularModality> for Majority {
    fn info(&self) -> MethodInfo {
        MajorityPredictor::INFO
    }

    fn estimate(&self, _: &TabularModality, spec: &RunSpec) -> Result<Duration> {
        let settings: TabularSettings = spec.modality_settings()?;
        Ok(Extent::of(&spec.dataset, &settings).judging())
    }

    fn run(
        &self,
        modality: &TabularModality,
        spec: &RunSpec,
        context: &mut RunContext<'_>,
    ) -> Result<RunRecord> {
        let settings: TabularSettings = spec.modality_settings()?;
        let table = modality.prepare(&spec.dataset, &settings, spec.seed, &Device::Cpu)?;
        spec.check_twin(table.loaded.twin)?;
        context.progress.found(&found(&table).to_string());
        let experiment = Experiment {
            spec,
            method: self.info(),
            data: data_summary(&table, Vec::new(), vec![split_note(&settings)]),
            origins: Some(table.origins.clone()),
            robustness: settings.train.robustness,
        };
        experiment.run(|_, _| fit(&table, &settings, spec.seed), context)
    }
}

fn fit(
    table: &EncodedTable,
    settings: &TabularSettings,
    seed: u64,
) -> Result<l0gm_train::Fitted<MajorityPredictor>> {
    let split = table.loaded.split(settings, seed)?;
    let labels = |rows: &[u32]| -> Vec<u32> {
        let labels = rows.iter().map(|&row| table.loaded.labels[row as usize]);
        labels.collect()
    };
    let parts = [&split.train, &split.valid, &split.test].map(|rows| labels(rows));
    MajorityPredictor::fit(parts, table.classes())
}
