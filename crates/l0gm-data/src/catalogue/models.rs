//! Pretrained encoders: those of the catalogue, folders below a model folder, and repositories of the Hugging Face hub.

use super::{Catalogue, FetchPolicy, Resolved, present};
use crate::encoder_files::{CONFIG, EncoderFiles};
use crate::fetch::{self, Failure, Kind};
use crate::manifest::{Entry, FileSpec, Source};
use crate::presence::is_file;
use crate::{Error, Result, checksum};
use std::path::{Path, PathBuf};

/// Owners of models that the hub once listed without one.
const OWNERS: [(&str, &[&str]); 4] = [
    (
        "google-bert",
        &[
            "bert-base-uncased",
            "bert-base-cased",
            "bert-large-uncased",
            "bert-large-cased",
            "bert-base-multilingual-uncased",
            "bert-base-multilingual-cased",
        ],
    ),
    (
        "FacebookAI",
        &[
            "roberta-base",
            "roberta-large",
            "xlm-roberta-base",
            "xlm-roberta-large",
        ],
    ),
    (
        "distilbert",
        &[
            "distilbert-base-uncased",
            "distilbert-base-cased",
            "distilbert-base-multilingual-cased",
            "distilroberta-base",
        ],
    ),
    ("almanach", &["camembert-base"]),
];

impl Catalogue {
    /// The verified files of a pretrained encoder; `None` if they are missing and cannot be downloaded. Besides the
    /// catalogue's names, a folder below a model folder can be named, and a repository of the Hugging Face hub as
    /// `owner/model`. A folder counts only if it is whole: `config.json`, a tokenizer and all weights.
    ///
    /// # Errors
    /// Fails for an unknown name, for a file with a wrong size or checksum, or if a repository of the hub does not hold
    /// an encoder that can be read.
    pub fn model(&self, name: &str) -> Result<Option<Resolved>> {
        if let Some(entry) = self.listed_model(name)? {
            return self.catalogue_model(entry);
        }
        if let Some(dir) = self.unlisted_folder(name)? {
            let mut found = self.model_in(&dir)?;
            found.name = name.to_owned();
            return Ok(Some(found));
        }
        match is_hub_name(name) {
            true => self.hub_model(name),
            false => Err(self.unknown_model(name)?),
        }
    }

    /// The folder of a pretrained encoder; `None` if it is not there. Nothing is verified or fetched.
    ///
    /// # Errors
    /// Fails for a dataset's name, or if something is there but cannot be read.
    pub fn model_folder(&self, name: &str) -> Result<Option<PathBuf>> {
        let Some(entry) = self.listed_model(name)? else {
            return self.unlisted_folder(name);
        };
        for root in &self.models.search {
            let dir = root.join(&entry.name);
            if present(&dir, entry)?.is_some() {
                return Ok(Some(dir));
            }
        }
        Ok(None)
    }

    /// The encoder in a folder of the user's own. The checksums cover the files that are read, and they are remembered
    /// like those of the catalogue's files. What is missing is for whoever reads the encoder to say.
    ///
    /// # Errors
    /// Fails if a file cannot be read, or is no longer the one that was downloaded.
    pub fn model_in(&self, dir: &Path) -> Result<Resolved> {
        let files = EncoderFiles::of(dir)?.present;
        let files: Vec<&FileSpec> = files.iter().collect();
        Ok(Resolved {
            name: dir.display().to_string(),
            source: format!("files in {}", dir.display()),
            checksums: checksum::verify(dir, &files, &self.models.write)?,
            dir: dir.to_path_buf(),
            twin: false,
        })
    }

    /// The catalogue's entry of a model, by its name there or on the hub.
    fn listed_model(&self, name: &str) -> Result<Option<&Entry>> {
        if let Some(entry) = self.entries.get(name) {
            return match entry.modality.as_str() {
                "model" => Ok(Some(entry)),
                _ => Err(Error::Unknown(format!(
                    "{name:?} is a dataset, not a pretrained model"
                ))),
            };
        }
        let of_hub = |source: &Source| matches!(source, Source::HubModel { repo } if repo == name);
        let mut entries = self.entries.values();
        Ok(entries.find(|entry| entry.sources.iter().any(of_hub)))
    }

    fn catalogue_model(&self, entry: &Entry) -> Result<Option<Resolved>> {
        if let Some(found) = self.local(entry, &self.models)? {
            return Ok(Some(found));
        }
        match self.fetch(entry, &self.models)? {
            Ok(found) => Ok(Some(found)),
            Err(why) => {
                tracing::info!("{}", self.not_to_be_had(entry, &self.models, &why)?);
                Ok(None)
            }
        }
    }

    /// The whole folder of a model that the catalogue does not list. A name of the hub is looked for with its owner in
    /// all model folders. Without its owner it could be another owner's model, so such a folder counts only if its
    /// `config.json` has the whole name.
    fn unlisted_folder(&self, name: &str) -> Result<Option<PathBuf>> {
        let of_hub = is_hub_name(name);
        if !of_hub && !is_folder_name(name) {
            return Ok(None);
        }
        for root in &self.models.search {
            let dir = root.join(name);
            if EncoderFiles::of(&dir)?.is_whole() {
                return Ok(Some(dir));
            }
        }
        let short = self.without_owner(name)?;
        Ok(short.filter(|dir| of_hub && own_name(dir).as_deref() == Some(name)))
    }

    /// A whole folder that is called as a model of the hub without its owner.
    fn without_owner(&self, name: &str) -> Result<Option<PathBuf>> {
        let Some((_, short)) = name.split_once('/') else {
            return Ok(None);
        };
        for root in &self.models.search {
            let dir = root.join(short);
            if EncoderFiles::of(&dir)?.is_whole() {
                return Ok(Some(dir));
            }
        }
        Ok(None)
    }

    /// Downloads a repository of the hub.
    fn hub_model(&self, name: &str) -> Result<Option<Resolved>> {
        if self.options.fetch == FetchPolicy::LocalOnly {
            return self.no_hub_model(name, "it is not here, and nothing may be fetched");
        }
        let dir = self.models.write.join(name);
        match fetch::fetch_hub_model(&self.fetcher, name, &dir) {
            Ok(()) => {
                let mut found = self.model_in(&dir)?;
                found.name = name.to_owned();
                found.source = format!(
                    "downloaded from https://huggingface.co/{name} to {}",
                    dir.display()
                );
                Ok(Some(found))
            }
            Err(Failure::Remote {
                kind: Kind::Unreachable,
                url,
                message,
            }) => self.no_hub_model(name, &format!("{message}; {url}")),
            Err(Failure::Remote {
                kind: Kind::Refused,
                url,
                message,
            }) => Err(Error::Download {
                url,
                message: format!(
                    "{message}; check the name {name}, or put config.json, a tokenizer and model.safetensors into {}",
                    dir.display()
                ),
            }),
            Err(other) => Err(other.into()),
        }
    }

    /// A model of the hub that cannot be had.
    ///
    /// # Errors
    /// Fails if a folder is called like it but may be another owner's.
    fn no_hub_model(&self, name: &str, why: &str) -> Result<Option<Resolved>> {
        let Some(dir) = self.without_owner(name)? else {
            tracing::info!("{name} cannot be had: {why}");
            return Ok(None);
        };
        let short = dir.file_name().unwrap_or_default().to_string_lossy();
        Err(Error::file(
            &dir,
            format!(
                "may be another owner's model than {name}, which cannot be had: {why}. To use this folder, name the \
                 encoder {short:?}, or move it to {name} in the same folder"
            ),
        ))
    }

    /// The error for a name without an owner.
    fn unknown_model(&self, name: &str) -> Result<Error> {
        if is_folder_name(name) {
            for root in &self.models.search {
                let dir = root.join(name);
                if is_file(&dir.join(CONFIG))? {
                    let missing = EncoderFiles::of(&dir)?.missing.join(", and no ");
                    return Ok(Error::file(
                        dir,
                        format!("holds {CONFIG} but no {missing}; put the rest of the model there"),
                    ));
                }
            }
        }
        let owner = OWNERS.iter().find(|(_, models)| models.contains(&name));
        Ok(match (owner, self.entry(name)) {
            (Some((owner, _)), _) => Error::Unknown(format!(
                "no model folder holds {name:?}; on the hub this model is called \"{owner}/{name}\", so name it like \
                 that"
            )),
            (None, Err(unknown)) => unknown,
            (None, Ok(_)) => Error::Unknown(format!("{name:?} is not a pretrained model")),
        })
    }
}

/// Whether a name can be that of a repository on the Hugging Face hub, `owner/model`.
pub fn is_hub_name(name: &str) -> bool {
    let fits = |part: &str| {
        let known = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        !part.is_empty() && !part.starts_with('.') && part.chars().all(known)
    };
    let mut parts = name.split('/');
    matches!((parts.next(), parts.next(), parts.next()), (Some(owner), Some(model), None) if fits(owner) && fits(model))
}

/// Whether a name can be that of a folder right below a model folder.
fn is_folder_name(name: &str) -> bool {
    Path::new(name).file_name() == Some(name.as_ref()) && !name.starts_with('.')
}

/// The name that a folder's `config.json` gives its model, if it gives one.
fn own_name(dir: &Path) -> Option<String> {
    let bytes = std::fs::read(dir.join(CONFIG)).ok()?;
    let config: serde_json::Value = serde_json::from_slice(&bytes).ok()?;
    config["_name_or_path"].as_str().map(str::to_owned)
}
