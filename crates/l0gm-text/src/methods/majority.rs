//! The class frequencies of the training texts, which every model for texts must beat.

use crate::modality::{TextModality, settings_of, tell};
use crate::split;
use l0gm_train::{
    Experiment, MajorityPredictor, Method, MethodInfo, Result, RunContext, RunRecord, RunSpec,
};
use std::time::Duration;

pub(super) struct Majority;

impl Method<TextModality> for Majority {
    fn info(&self) -> MethodInfo {
        MajorityPredictor::INFO
    }

    fn estimate(&self, modality: &TextModality, spec: &RunSpec) -> Result<Duration> {
        let extent = modality.extent(spec, &settings_of(spec)?);
        Ok(crate::estimate::judging(&extent))
    }

    fn run(
        &self,
        modality: &TextModality,
        spec: &RunSpec,
        context: &mut RunContext<'_>,
    ) -> Result<RunRecord> {
        let settings = settings_of(spec)?;
        settings.check()?;
        let (data, mut summary) = modality.read(spec, &settings)?;
        let split = split(data, &settings)?;
        tell(&split, &mut summary, context);
        summary.classes = split.classes.clone();
        summary.reductions = split.reductions.clone();
        let corpora = [&split.train, &split.valid, &split.test];
        for (name, corpus) in ["train", "valid", "test"].into_iter().zip(corpora) {
            summary.rows.insert(name.into(), corpus.rows());
        }
        let experiment = Experiment {
            spec,
            method: self.info(),
            data: summary,
            origins: split.origins(),
            robustness: settings.train.robustness,
        };
        let labels = corpora.map(|corpus| corpus.labels.clone());
        let classes = split.classes.len();
        experiment.run(|_, _| MajorityPredictor::fit(labels, classes), context)
    }
}
