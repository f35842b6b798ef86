//! The runner's door to texts: which settings a dataset gets under a profile, what it will cost, and the
//! run itself, from files to a record.
use crate::build::{Built, build};
use crate::compact::{CompactModel, compare_with, mean_tokens, sizes};
use crate::defaults::defaults;
use crate::features::{FeatureCache, Report};
use crate::kept::{self, Kept};
use crate::prepare::prepare;
use crate::remarks::{notes, reductions};
use crate::{
    Columns, Error, LoadedEncoder, Result, TextData, TextRobustness, TextSettings, error::nearest,
    split,
};
use candle_core::Device;
use l0gm_data::{Catalogue, Resolved, checksums_of};
use l0gm_train::settings::merge_settings;
use l0gm_train::{
    Compacted, DataSummary, Encoder, Expected, GatedModel, Hyperparameter, Modality, Profile,
    ProgressEvent, RunContext, RunDir, RunRecord, RunSpec, Split, Task, finished_record,
    run_experiment_in, usual_setting_of,
};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Dense and gated text classifiers on IMDB or any file of texts.
#[derive(Clone, Debug)]
pub struct TextModality {
    catalogue: Catalogue,
    cache: Option<PathBuf>,
    kept: Kept,
}

/// Where the texts come from.
enum Source {
    Catalogue(Resolved),
    File(PathBuf),
}

impl TextModality {
    /// Finds datasets and models through `catalogue`.
    pub fn new(catalogue: Catalogue) -> Self {
        Self {
            catalogue,
            cache: None,
            kept: Kept::default(),
        }
    }

    /// Keeps the features of frozen encoders in this folder, instead of in `text-features` beside the
    /// folder of the runs.
    pub fn with_cache(mut self, dir: impl Into<PathBuf>) -> Self {
        self.cache = Some(dir.into());
        self
    }

    /// The folder of frozen encoders' features for a run in `dir`.
    pub(crate) fn features(&self, dir: &Path) -> PathBuf {
        self.cache.clone().unwrap_or_else(|| beside(dir))
    }

    fn source(&self, dataset: &str) -> Result<Source> {
        let path = Path::new(dataset);
        let extension = path.extension().and_then(|e| e.to_str()).unwrap_or("");
        if ["csv", "parquet"].contains(&extension.to_ascii_lowercase().as_str()) {
            return if path.is_file() {
                Ok(Source::File(path.to_path_buf()))
            } else {
                Err(Error::corpus(path, "there is no such file"))
            };
        }
        let names = self.catalogue.names("text");
        if !names.contains(&dataset) {
            return Err(Error::Setting(format!(
                "dataset \"{dataset}\" is neither a .csv or .parquet file nor one of {names:?}{}",
                nearest(dataset, names.iter().copied())
            )));
        }
        Ok(Source::Catalogue(self.catalogue.dataset(dataset)?))
    }

    /// The folder of a pretrained encoder with its checksums; `None` where it cannot be had.
    fn weights(&self, encoder: &str) -> Result<Option<(PathBuf, BTreeMap<String, String>)>> {
        let folder = Path::new(encoder);
        if folder.join("config.json").is_file() {
            return Ok(Some((folder.to_path_buf(), checksums_of(folder)?)));
        }
        if encoder.contains(std::path::MAIN_SEPARATOR) {
            return Err(Error::model(
                folder,
                "holds no config.json; an encoder's folder holds config.json, tokenizer.json and model.safetensors",
            ));
        }
        Ok(self.catalogue.model(encoder)?.map(|r| (r.dir, r.checksums)))
    }

    /// The defaults that fit the encoder asked for; `expected`: whether one that is not here will be
    /// downloaded.
    fn base(&self, profile: Profile, overrides: &Value, expected: bool) -> Result<TextSettings> {
        let asked = overrides.get("encoder").and_then(Value::as_str);
        if asked == Some(TextSettings::SCRATCH) {
            return Ok(defaults(profile, false));
        }
        let pretrained = defaults(profile, true);
        let name = asked.unwrap_or(&pretrained.encoder);
        let known = || self.catalogue.names("model").contains(&name);
        if self.weights(name)?.is_some() || (expected && known()) {
            return Ok(pretrained);
        }
        if asked.is_some() || profile == Profile::Paper {
            return Err(Error::Setting(format!(
                "the weights of encoder \"{name}\" are neither here nor to be fetched; give their folder's parent as --model-dir, or set encoder to \"scratch\""
            )));
        }
        Ok(defaults(profile, false))
    }

    fn make_spec(
        &self,
        dataset: &str,
        method: &str,
        lambda: Option<f64>,
        seed: u64,
        profile: Profile,
        overrides: &Value,
        expected: Expected,
    ) -> Result<RunSpec> {
        let twin = match expected.missing_twin {
            Some(twin) => twin,
            None => match self.source(dataset)? {
                Source::Catalogue(resolved) if resolved.twin && profile == Profile::Paper => {
                    return Err(Error::Setting(format!(
                        "profile paper refuses twins, and \"{dataset}\" is not here ({}); give its folder's parent as --data-dir",
                        resolved.source
                    )));
                }
                Source::Catalogue(resolved) => resolved.twin,
                Source::File(_) => false,
            },
        };
        let base = self.base(profile, overrides, expected.weights)?;
        let mut settings: TextSettings = merge_settings(&base, overrides)?;
        let lambda = match method {
            "dense" if lambda.is_some() => {
                return Err(Error::Setting(
                    "method dense has no gate and so no lambda".into(),
                ));
            }
            "dense" => None,
            "l0gm" => settings.train.gated_lambda(lambda, None)?,
            other => {
                return Err(Error::Setting(format!(
                    "method \"{other}\" is none of {:?}{}",
                    self.methods(),
                    nearest(other, ["dense", "l0gm"])
                )));
            }
        };
        settings.train.objective.lambda = lambda.unwrap_or(0.0);
        settings.check()?;
        Ok(RunSpec {
            modality: self.name().into(),
            dataset: dataset.into(),
            method: method.into(),
            lambda,
            seed,
            twin,
            settings: serde_json::to_value(&settings)
                .map_err(|e| Error::Setting(format!("settings cannot be written: {e}")))?,
        })
    }

    fn make_run(&self, spec: &RunSpec, context: &mut RunContext<'_>) -> Result<RunRecord> {
        let settings = settings_of(spec)?;
        settings.check()?;
        loading(context);
        let (data, mut summary) = self.read(spec, &settings)?;
        let weights = self.weights_of(&settings, &mut summary)?;
        if let Some(record) = finished_record(&context.dir)?.filter(|r| r.run_id == spec.id()) {
            record.check_data(&context.dir, &summary.checksums)?;
            return Ok(record);
        }
        // From here to the end, so that no second process trains a tokenizer or computes features for
        // the same run.
        let run = RunDir::open(&context.dir)?;
        let split = split(data, &settings)?;
        let Built { loaded, gate, head } = build(
            spec,
            &settings,
            &split,
            weights.as_deref(),
            &run.path().join("tokenizer.json"),
            &context.device,
        )?;
        let dense = spec.method == "dense";
        let features = self.features(&context.dir);
        let cache = FeatureCache::new(&features);
        let device = context.device.clone();
        let gated_tokens = !loaded.encoder.gates().is_empty();
        let key = kept::key(&settings, &summary, gated_tokens, &features, &device);
        let prepared = match key.as_deref().and_then(|key| self.kept.get(key)) {
            Some(prepared) => prepared,
            None => {
                self.kept.clear();
                let report: Report<'_> = &mut |done, all| encoding(context, done, all);
                let made = prepare(&split, &loaded, &settings, &cache, &device, report)?;
                if let Some(key) = key {
                    self.kept.keep(key, &made);
                }
                made
            }
        };
        let mut task = prepared.task;
        task.robustness = TextRobustness::new(
            &task,
            &loaded,
            &settings,
            spec.seed,
            &cache,
            &device,
            &mut |done, all| encoding(context, done, all),
        )?;
        summary.classes = split.classes;
        summary.reductions = split.reductions;
        summary
            .reductions
            .extend(reductions(&settings, task.rows(Split::Test)));
        summary.notes = notes(&settings, dense);
        summary.notes.extend(prepared.notes);
        for (name, part) in [
            ("train", Split::Train),
            ("valid", Split::Valid),
            ("test", Split::Test),
        ] {
            summary.rows.insert(name.into(), task.rows(part));
        }
        let LoadedEncoder {
            encoder,
            tokenizer,
            weights_sha256: sha256,
        } = loaded;
        let model = GatedModel {
            encoder,
            gate,
            head,
        };
        let size = sizes(&model.encoder, task.classes, mean_tokens(&task));
        let batch = settings.train.eval_batch_size;
        let compact = |model: &GatedModel<_, _>| {
            if model.gate.is_identity() {
                return Ok(None);
            }
            let small = CompactModel::new(model)?;
            let summary = compare_with(&small, model, &task, batch, &device)?;
            let parts = small.parts(&settings, &tokenizer, sha256.as_deref())?;
            Ok(Some(Compacted {
                summary,
                parts: Some(parts),
            }))
        };
        Ok(run_experiment_in(
            &run,
            spec,
            summary,
            &[],
            &task,
            &model,
            &settings.train,
            size,
            compact,
            context,
        )?)
    }

    /// The folder of the encoder's weights, whose checksums go into `summary`; `None` for an encoder from
    /// scratch.
    pub(crate) fn weights_of(
        &self,
        settings: &TextSettings,
        summary: &mut DataSummary,
    ) -> Result<Option<PathBuf>> {
        if settings.is_scratch() {
            return Ok(None);
        }
        let (dir, checksums) = self.weights(&settings.encoder)?.ok_or_else(|| {
            Error::Setting(format!(
                "the weights of encoder \"{}\" are gone",
                settings.encoder
            ))
        })?;
        let named = |(file, sum)| (format!("{}/{file}", settings.encoder), sum);
        summary.checksums.extend(checksums.into_iter().map(named));
        Ok(Some(dir))
    }

    /// Reads the texts, and says where they came from.
    pub(crate) fn read(
        &self,
        spec: &RunSpec,
        settings: &TextSettings,
    ) -> Result<(TextData, DataSummary)> {
        let mut summary = DataSummary {
            twin: spec.twin,
            ..DataSummary::default()
        };
        let data = match self.source(&spec.dataset)? {
            Source::Catalogue(resolved) => {
                if resolved.twin != spec.twin {
                    return Err(Error::Setting(format!(
                        "\"{}\" was {} when this run was planned and now is {}; plan it again",
                        spec.dataset,
                        kind(spec.twin),
                        kind(resolved.twin)
                    )));
                }
                summary.source = resolved.source;
                summary.checksums = resolved.checksums;
                TextData::imdb(&resolved.dir)?
            }
            Source::File(path) => {
                summary.source = format!("file {}", path.display());
                summary.checksums = checksums_of(&path)?;
                let columns = Columns {
                    text: &settings.text_column,
                    label: &settings.label_column,
                };
                TextData::file(&path, columns, &settings.classes)?
            }
        };
        Ok((data, summary))
    }
}

impl Modality for TextModality {
    fn name(&self) -> &'static str {
        "text"
    }

    fn datasets(&self) -> Vec<String> {
        self.catalogue
            .names("text")
            .into_iter()
            .map(String::from)
            .collect()
    }

    fn methods(&self) -> Vec<String> {
        vec!["dense".into(), "l0gm".into()]
    }

    fn spec_expecting(
        &self,
        dataset: &str,
        method: &str,
        lambda: Option<f64>,
        seed: u64,
        profile: Profile,
        overrides: &Value,
        expected: Expected,
    ) -> l0gm_train::Result<RunSpec> {
        Ok(self.make_spec(dataset, method, lambda, seed, profile, overrides, expected)?)
    }

    fn setting_of(&self, hyperparameter: Hyperparameter) -> Option<&'static str> {
        match hyperparameter {
            Hyperparameter::Dropout => Some("dropout"),
            other => usual_setting_of(other),
        }
    }

    fn estimate(&self, spec: &RunSpec) -> l0gm_train::Result<Duration> {
        let settings = settings_of(spec)?;
        Ok(crate::estimate::estimate(&settings, spec.method == "dense"))
    }

    fn shared_work(&self, spec: &RunSpec) -> l0gm_train::Result<Vec<(String, Duration)>> {
        let settings = settings_of(spec)?;
        let shared = crate::estimate::shared(&settings, spec.method == "dense", spec.seed);
        let of_data = |(key, time)| (format!("text {} {} {key}", spec.dataset, spec.twin), time);
        Ok(shared.into_iter().map(of_data).collect())
    }

    fn rest(&self) {
        self.kept.clear();
    }

    fn run(&self, spec: &RunSpec, context: &mut RunContext<'_>) -> l0gm_train::Result<RunRecord> {
        Ok(self.make_run(spec, context)?)
    }

    fn timed(
        &self,
        spec: &RunSpec,
        dir: &Path,
        device: &Device,
    ) -> l0gm_train::Result<l0gm_train::TimedRun> {
        Ok(crate::timed::timed(self, spec, dir, device)?)
    }
}

pub(crate) fn settings_of(spec: &RunSpec) -> Result<TextSettings> {
    serde_json::from_value(spec.settings.clone())
        .map_err(|e| Error::Setting(format!("text settings: {e}")))
}

fn kind(twin: bool) -> &'static str {
    if twin { "the twin" } else { "the real data" }
}

/// `OUT/text-features` for a run in `OUT/runs/ID`; beside the run otherwise.
fn beside(run: &Path) -> PathBuf {
    let parent = run.parent().unwrap_or(run);
    match parent.parent() {
        Some(out) if parent.ends_with("runs") => out.join("text-features"),
        _ => parent.join("text-features"),
    }
}

fn loading(context: &mut RunContext<'_>) {
    context.progress.event(&event("loading", 0, 0));
}

fn encoding(context: &mut RunContext<'_>, done: usize, all: usize) -> Result<()> {
    if context.stop.is_set() {
        return Err(l0gm_train::Error::Stopped.into());
    }
    context.progress.event(&event("encoding", done, all));
    Ok(())
}

fn event(stage: &'static str, step: usize, steps: usize) -> ProgressEvent {
    ProgressEvent {
        stage,
        step,
        steps,
        loss: None,
        metric: None,
        active_fraction: None,
    }
}
