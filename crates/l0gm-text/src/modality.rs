//! The modality of texts: its default settings, and how a dataset becomes a corpus and an encoder.

use crate::defaults::{defaults, defaults_of_file};
use crate::error::nearest;
use crate::extent::Seen;
use crate::kept::Kept;
use crate::split::{SplitCorpus, split};
use crate::{Error, Result, TextData, TextSettings};
use l0gm_data::rows::{self, Summary};
use l0gm_data::{Catalogue, Resolved, checksums_of, is_hub_name};
use l0gm_train::{DataSummary, Located, Profile, RunContext, RunSpec, SpecRequest};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Text classifiers on IMDB or any file of texts.
#[derive(Clone, Debug)]
pub struct TextModality {
    catalogue: Catalogue,
    cache: Option<PathBuf>,
    kept: Kept,
    seen: Seen,
}

/// Where the texts come from.
enum Source {
    Catalogue(Resolved),
    File(PathBuf),
}

impl TextModality {
    /// Makes the modality, which finds datasets and models through `catalogue`.
    pub fn new(catalogue: Catalogue) -> Self {
        Self {
            catalogue,
            cache: None,
            kept: Kept::default(),
            seen: Seen::default(),
        }
    }

    /// Stores the features of frozen encoders in this folder instead of in `text-features` beside the folder of the
    /// runs.
    pub fn with_cache(mut self, dir: impl Into<PathBuf>) -> Self {
        self.cache = Some(dir.into());
        self
    }

    /// The folder for features of frozen encoders, for a run in `dir`.
    pub(crate) fn features(&self, dir: &Path) -> PathBuf {
        self.cache.clone().unwrap_or_else(|| beside(dir))
    }

    /// Names of the datasets in the catalogue, the default first.
    pub(crate) fn datasets(&self) -> Vec<&str> {
        self.catalogue.names("text")
    }

    /// Where a dataset's texts come from, without reading them.
    pub(crate) fn located(&self, dataset: &str) -> Result<Located> {
        Ok(match self.source(dataset)? {
            Source::Catalogue(resolved) => Located {
                twin: resolved.twin,
                source: resolved.source,
            },
            Source::File(path) => Located {
                twin: false,
                source: format!("file {}", path.display()),
            },
        })
    }

    fn source(&self, dataset: &str) -> Result<Source> {
        let path = Path::new(dataset);
        if is_text_file(path) {
            return match path.try_exists() {
                Ok(true) => Ok(Source::File(path.to_path_buf())),
                Ok(false) => Err(Error::corpus(path, "there is no such file")),
                Err(e) => Err(Error::corpus(path, format!("cannot be read: {e}"))),
            };
        }
        if dataset == "-" {
            return Err(Error::Setting(
                "dataset \"-\": a run reads its texts again where it continues, and standard input is read once; keep \
                 it in a file first"
                    .into(),
            ));
        }
        let names = self.datasets();
        if !names.contains(&dataset) {
            return Err(Error::Setting(format!(
                "dataset \"{dataset}\" is neither a file of rows (.csv .tsv .txt .data, each also .gz or .zst, .parquet, .arff) nor one of {names:?}{}",
                nearest(dataset, names.iter().copied())
            )));
        }
        Ok(Source::Catalogue(self.catalogue.dataset(dataset)?))
    }

    /// The folder of a pretrained encoder and its checksums; `None` if it is not available.
    fn weights(&self, encoder: &str) -> Result<Option<(PathBuf, BTreeMap<String, String>)>> {
        let folder = Path::new(encoder);
        if folder.join("config.json").is_file() {
            let found = self.catalogue.model_in(folder)?;
            return Ok(Some((found.dir, found.checksums)));
        }
        let may_be_hub = is_hub_name(encoder) && !folder.exists();
        if encoder.contains(std::path::MAIN_SEPARATOR) && !may_be_hub {
            return Err(Error::model(
                folder,
                "holds no config.json; an encoder's folder holds config.json, tokenizer.json (or vocab.txt) and model.safetensors",
            ));
        }
        Ok(self.catalogue.model(encoder)?.map(|r| (r.dir, r.checksums)))
    }

    /// The default settings for the requested dataset and encoder. A method that reads no encoder has the same, so that
    /// it meets the same rows, but whether the encoder can be had is no concern of its.
    pub(crate) fn base(
        &self,
        request: &SpecRequest<'_>,
        reads_encoder: bool,
    ) -> Result<TextSettings> {
        let SpecRequest {
            profile, overrides, ..
        } = *request;
        let expected = request.expected.weights;
        let own = is_text_file(Path::new(request.dataset));
        let defaults = |profile, pretrained| match own {
            true => defaults_of_file(pretrained),
            false => defaults(profile, pretrained),
        };
        let asked = overrides.get("encoder").and_then(Value::as_str);
        if asked == Some(TextSettings::SCRATCH) {
            return Ok(defaults(profile, false));
        }
        let pretrained = defaults(profile, true);
        let required = asked.is_some() || profile == Profile::Paper;
        if required && !reads_encoder {
            return Ok(pretrained);
        }
        let name = asked.unwrap_or(&pretrained.encoder);
        let known = || self.catalogue.names("model").contains(&name);
        if self.weights(name)?.is_some() || (expected && known()) {
            return Ok(pretrained);
        }
        if required {
            return Err(Error::Setting(format!(
                "the weights of encoder \"{name}\" are neither here nor to be fetched; give their folder's parent as --model-dir, or set encoder to \"scratch\""
            )));
        }
        Ok(defaults(profile, false))
    }

    /// The task that is kept in memory between runs.
    pub(crate) fn kept(&self) -> &Kept {
        &self.kept
    }

    /// The files that were looked at to estimate the time of runs.
    pub(crate) fn seen(&self) -> &Seen {
        &self.seen
    }

    /// The folder of a pretrained encoder, if it is there. Nothing is checked.
    pub(crate) fn weights_folder(&self, encoder: &str) -> Option<PathBuf> {
        let folder = Path::new(encoder);
        match folder.join("config.json").is_file() {
            true => Some(folder.to_path_buf()),
            false => self.catalogue.model_folder(encoder).ok().flatten(),
        }
    }

    /// The folder of the encoder's weights; `None` for an encoder trained from scratch. Adds the weights' checksums
    /// to `summary`.
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

    /// Reads the texts and describes where they came from.
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
                spec.check_twin(resolved.twin)?;
                settings.refuse_own_split(&spec.dataset)?;
                summary.source = resolved.source;
                summary.checksums = resolved.checksums;
                match self.catalogue.entry(&spec.dataset)?.reader.as_str() {
                    "reviews" => TextData::imdb(&resolved.dir)?,
                    other => {
                        return Err(Error::Setting(format!(
                            "the catalogue says that \"{}\" is read by \"{other}\", which is no reader of texts (readers: reviews)",
                            spec.dataset
                        )));
                    }
                }
            }
            Source::File(path) => {
                summary.source = format!("file {}", path.display());
                summary.checksums = checksums_of(&path)?;
                for (setting, file) in settings.files() {
                    let named = |(name, sum)| (format!("{setting}/{name}"), sum);
                    summary
                        .checksums
                        .extend(checksums_of(file)?.into_iter().map(named));
                }
                settings.file().read(&rows::Source::path(&path))?
            }
        };
        Ok((data, summary))
    }

    /// Describes a spec's data before training: rows, classes with their counts, and the split.
    ///
    /// # Errors
    /// Fails if the data or the settings are wrong.
    pub fn summary(&self, spec: &RunSpec) -> Result<Summary> {
        let settings = settings_of(spec)?;
        settings.check()?;
        let (data, _) = self.read(spec, &settings)?;
        Ok(split(data, &settings)?.found)
    }
}

/// Reports what was found in the data, and keeps it for the run's record.
pub(crate) fn tell(split: &SplitCorpus, data: &mut DataSummary, context: &mut RunContext<'_>) {
    context.progress.found(&split.found.to_string());
    data.reading = Some(split.found.to_value());
}

/// Whether a dataset is the path of a user's file rather than a catalogue name. Standard input does not count,
/// because a resumed run reads its file again.
fn is_text_file(path: &Path) -> bool {
    rows::is_rows_file(path) && path.as_os_str() != "-"
}

/// `OUT/text-features` for a run in `OUT/runs/ID`; otherwise a folder beside the run.
fn beside(run: &Path) -> PathBuf {
    let parent = run.parent().unwrap_or(run);
    match parent.parent() {
        Some(out) if parent.ends_with("runs") => out.join("text-features"),
        _ => parent.join("text-features"),
    }
}

/// The settings of a run.
pub(crate) fn settings_of(spec: &RunSpec) -> Result<TextSettings> {
    Ok(spec.modality_settings()?)
}
