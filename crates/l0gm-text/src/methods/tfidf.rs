//! TF-IDF with logistic regression: what words and pairs of words say of a text, whatever their order beyond that.
//!
//! Vocabulary and weights are counted on the training texts. Whole texts are read, however long they are. Under the
//! robustness protocol words are hidden from the text before it is counted; noise and quantisation act on the TF-IDF
//! weights, as they act on the embedding of a neural encoder.

use crate::estimate::{judging, words};
use crate::modality::{TextModality, settings_of, tell};
use crate::robustness::drawn_rows;
use crate::split::grouped;
use crate::{Corpus, PerturbedAt, TextSettings, TfIdf, TfIdfSettings, split};
use candle_core::Device;
use l0gm_ops::Csr;
use l0gm_train::{
    Error, Experiment, FeatureScale, FeatureTask, Knob, Labelled, LogisticPredictor,
    LogisticRegression, LogisticSettings, Method, MethodInfo, Perturbation, PerturbedLogits,
    Result, Role, RunContext, RunRecord, RunSpec, Split, TimedRows, TimedRun, column_scales,
};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::Path;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

pub(super) struct TfIdfLogistic;

/// Settings of the method's own.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct OwnSettings {
    /// What is counted.
    features: TfIdfSettings,
    /// How the classifier is fitted.
    logistic: LogisticSettings,
}

impl Method<TextModality> for TfIdfLogistic {
    fn info(&self) -> MethodInfo {
        MethodInfo {
            name: "tfidf".into(),
            label: "TF-IDF + logistic regression".into(),
            summary: "logistic regression over the TF-IDF weights of words and pairs of words"
                .into(),
            source: "Spärck Jones 1972".into(),
            role: Role::Baseline,
            gated: false,
            knob: Knob::None,
            rival_of: None,
            needs: None,
        }
    }

    fn settings(&self) -> Value {
        serde_json::to_value(OwnSettings::default()).unwrap_or_default()
    }

    fn check(&self, settings: &Value) -> Result<()> {
        let own: OwnSettings = serde_json::from_value(settings.clone())
            .map_err(|e| Error::Setting(format!("settings of the method tfidf: {e}")))?;
        own.features.check()?;
        own.logistic.check()
    }

    fn uses_pretrained(&self) -> bool {
        false
    }

    fn estimate(&self, modality: &TextModality, spec: &RunSpec) -> Result<Duration> {
        let settings = settings_of(spec)?;
        let extent = modality.extent(spec, &settings);
        Ok(words(&extent) + judging(&extent))
    }

    fn run(
        &self,
        modality: &TextModality,
        spec: &RunSpec,
        context: &mut RunContext<'_>,
    ) -> Result<RunRecord> {
        let settings = settings_of(spec)?;
        settings.check()?;
        let own: OwnSettings = spec.method_settings()?;
        let (data, mut summary) = modality.read(spec, &settings)?;
        let split = split(data, &settings)?;
        tell(&split, &mut summary, context);
        let judged = judged_rows(&settings, split.test.rows());
        summary.classes = split.classes.clone();
        summary.reductions = split.reductions.clone();
        if judged.len() < split.test.rows() && settings.train.robustness {
            summary.reductions.push(format!(
                "{} of {} test texts perturbed for robustness",
                grouped(judged.len()),
                grouped(split.test.rows())
            ));
        }
        summary.notes.push(format!(
            "TF-IDF of runs of up to {} words, whole texts",
            own.features.words
        ));
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
        experiment.run(
            |sitting, context| {
                let task =
                    TextFeatures::new(corpora, split.classes.len(), &own, &settings, judged)?;
                let terms = task.tfidf.terms();
                let mut fitted = LogisticPredictor::fit(task, &own.logistic, sitting, context)?;
                let note = format!("{} terms from the training texts", grouped(terms));
                fitted.outcome.notes.push(note);
                Ok(fitted)
            },
            context,
        )
    }

    fn timed(
        &self,
        modality: &TextModality,
        spec: &RunSpec,
        dir: &Path,
        _: &Device,
    ) -> Result<TimedRun> {
        let settings = settings_of(spec)?;
        let own: OwnSettings = spec.method_settings()?;
        let start = Instant::now();
        let (data, _) = modality.read(spec, &settings)?;
        let split = split(data, &settings)?;
        let reading = start.elapsed().as_secs_f64();
        let start = Instant::now();
        let tfidf = TfIdf::fit(&split.train.texts, &own.features)?;
        let counting = start.elapsed().as_secs_f64();
        let start = Instant::now();
        let features = tfidf.rows(&split.test.texts)?;
        let weighing = start.elapsed().as_secs_f64();
        let mut timed = LogisticRegression::timed(dir, &spec.id(), features, TimedRows::Batches)?;
        let (train, test) = (split.train.rows(), split.test.rows());
        timed.preparation = vec![
            ("reading and splitting the texts".to_owned(), reading),
            (
                format!("counting the terms of {train} training texts"),
                counting,
            ),
            (format!("TF-IDF weights of {test} test texts"), weighing),
        ];
        Ok(timed)
    }
}

/// The texts' TF-IDF weights, and what is needed to perturb the test texts.
struct TextFeatures<'a> {
    tfidf: TfIdf,
    classes: usize,
    corpora: [&'a Corpus; 3],
    rows: [Csr; 3],
    at: PerturbedAt,
    judged: Vec<u32>,
    /// Of the training texts' weights.
    scales: OnceLock<Vec<FeatureScale>>,
}

impl<'a> TextFeatures<'a> {
    fn new(
        corpora: [&'a Corpus; 3],
        classes: usize,
        own: &OwnSettings,
        settings: &TextSettings,
        judged: Vec<u32>,
    ) -> crate::Result<Self> {
        let [train, valid, test] = corpora;
        let tfidf = TfIdf::fit(&train.texts, &own.features)?;
        let rows = [
            tfidf.rows(&train.texts)?,
            tfidf.rows(&valid.texts)?,
            tfidf.rows(&test.texts)?,
        ];
        Ok(Self {
            tfidf,
            classes,
            corpora,
            rows,
            at: settings.robustness_at,
            judged,
            scales: OnceLock::new(),
        })
    }
}

impl FeatureTask for TextFeatures<'_> {
    fn classes(&self) -> usize {
        self.classes
    }

    fn split(&self, split: Split) -> Labelled<'_> {
        Labelled {
            rows: (&self.rows[split as usize]).into(),
            labels: &self.corpora[split as usize].labels,
        }
    }

    fn judged_rows(&self) -> Vec<u32> {
        self.judged.clone()
    }

    fn perturbed(
        &self,
        model: &LogisticRegression,
        rows: &[u32],
        perturbation: &Perturbation,
    ) -> Result<PerturbedLogits> {
        if perturbation.condition.kind.hides() && self.at == PerturbedAt::Tokens {
            let texts = &self.corpora[2].texts;
            let hidden = self.tfidf.rows_hidden(texts, rows, perturbation)?;
            return Ok(PerturbedLogits {
                at: "words".to_owned(),
                logits: model.logits(&hidden)?,
            });
        }
        let [train, _, test] = &self.rows;
        let scales = self.scales.get_or_init(|| column_scales(train));
        let of_row = |&row: &u32| {
            let mut weights = vec![0f32; test.columns()];
            let row_entries =
                test.indptr()[row as usize] as usize..test.indptr()[row as usize + 1] as usize;
            for at in row_entries {
                weights[test.indices()[at] as usize] = test.values()[at];
            }
            perturbation.apply(u64::from(row), &mut weights, scales, 0.0);
            model.dense_logits(&weights)
        };
        let logits: Vec<Vec<f32>> = rows.par_iter().map(of_row).collect::<Result<_>>()?;
        Ok(PerturbedLogits {
            at: "TF-IDF weights".to_owned(),
            logits: logits.concat(),
        })
    }
}

/// Test rows that are perturbed: the same for every method and seed.
fn judged_rows(settings: &TextSettings, count: usize) -> Vec<u32> {
    match settings.robustness_rows.filter(|rows| *rows < count) {
        Some(rows) => drawn_rows(count, rows, settings.split_seed),
        None => (0..count as u32).collect(),
    }
}
