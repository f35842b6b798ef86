//! The catalogue: `datasets/*.toml`, compiled in, and the search order of docs/data.md. A dataset comes from a local
//! folder, or else from a download, or else from the built-in twin, which is always called a twin.

mod models;

pub use models::is_hub_name;

use crate::checksum;
use crate::fetch::{self, Failure, Fetcher, Kind};
use crate::folders::{Folders, default_cache};
use crate::manifest::{self, Entry, FileSpec, Source};
use crate::presence::{is_file, is_folder, is_there};
use crate::{Error, Result, twin};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Seed of the twins that replace missing datasets.
const TWIN_SEED: u64 = 0;

/// Whether missing files may be fetched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FetchPolicy {
    /// Download missing files. If there is no network, the twin is used (if allowed).
    #[default]
    Download,
    /// Never use the network.
    LocalOnly,
}

/// Where to look for files, and what is allowed.
#[derive(Clone, Debug, Default)]
pub struct DataOptions {
    /// Value of `--data-dir`; default: `L0GM_DATA_DIR`, or else `datasets/cache`.
    pub data_dir: Option<PathBuf>,
    /// Value of `--model-dir`; default: `L0GM_MODEL_DIR`, or else `datasets/cache/models`.
    pub model_dir: Option<PathBuf>,
    /// Whether missing files may be downloaded.
    pub fetch: FetchPolicy,
    /// Whether the built-in twin may replace a dataset that is not available.
    pub allow_twin: bool,
    /// Whether the twin replaces every dataset, even one that is available.
    pub force_twin: bool,
    /// Whether downloads show a progress bar rather than plain lines.
    pub bars: bool,
}

/// The verified files of a dataset or model.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// Name in the catalogue.
    pub name: String,
    /// The folder with the layout of docs/data.md (`<data-dir>/adult`).
    pub dir: PathBuf,
    /// Whether this is the built-in synthetic twin.
    pub twin: bool,
    /// Describes the origin: "files in DIR", "downloaded from URL", "built-in twin (no network: ...)".
    pub source: String,
    /// sha256 of each file, by its relative name.
    pub checksums: BTreeMap<String, String>,
}

/// All known datasets and pretrained models.
#[derive(Clone, Debug)]
pub struct Catalogue {
    options: DataOptions,
    entries: BTreeMap<String, Entry>,
    data: Folders,
    models: Folders,
    fetcher: Fetcher,
}

impl Catalogue {
    /// Opens the compiled-in catalogue with the folders that the options or the environment name.
    ///
    /// # Errors
    /// Fails if a chosen folder does not exist or is a file.
    pub fn new(options: DataOptions) -> Result<Self> {
        let cache = default_cache();
        let data = Folders::new(options.data_dir.clone(), "L0GM_DATA_DIR", cache.clone())?;
        let models = Folders::new(
            options.model_dir.clone(),
            "L0GM_MODEL_DIR",
            cache.join("models"),
        )?;
        let fetcher = Fetcher::new(options.bars);
        Ok(Catalogue {
            options,
            entries: manifest::compiled_in()?,
            data,
            models,
            fetcher,
        })
    }

    /// The options with which it was opened.
    pub fn options(&self) -> &DataOptions {
        &self.options
    }

    /// Names of one modality's entries ("tabular", "text", "graph", "model"), sorted.
    pub fn names(&self, modality: &str) -> Vec<&str> {
        let of_modality = self.entries.values().filter(|e| e.modality == modality);
        of_modality.map(|e| e.name.as_str()).collect()
    }

    /// The manifest with this name. The error about an unknown name lists the known ones.
    pub fn entry(&self, name: &str) -> Result<&Entry> {
        self.entries.get(name).ok_or_else(|| {
            let known: Vec<&str> = self.entries.keys().map(String::as_str).collect();
            Error::Unknown(format!(
                "no dataset or model is called {name:?}; known: {}",
                known.join(", ")
            ))
        })
    }

    /// The verified files of a dataset, from a local folder, a download, or the twin if that is allowed. A twin has
    /// the same file layout and is generated once in the cache.
    ///
    /// # Errors
    /// Fails for an unknown name, a file with a wrong size or checksum, or if there are no files, none can be
    /// downloaded and no twin is allowed. The last error gives the address and the folder for the files.
    pub fn dataset(&self, name: &str) -> Result<Resolved> {
        let entry = self.entry(name)?;
        if entry.modality == "model" {
            return Err(Error::Unknown(format!(
                "{name:?} is a pretrained model, not a dataset"
            )));
        }
        if self.options.force_twin {
            return self.twin_because(entry, None);
        }
        if let Some(found) = self.local(entry, &self.data)? {
            return Ok(found);
        }
        match self.fetch(entry, &self.data)? {
            Ok(found) => Ok(found),
            Err(why) if self.options.allow_twin => self.twin_because(entry, Some(&why)),
            Err(why) => Err(self.not_to_be_had(entry, &self.data, &why)?),
        }
    }

    /// The path of a user's own file that lies at `relative` in the data folders; `None` if it is in none of them.
    ///
    /// # Errors
    /// Fails if something else than a file is there, or if it cannot be read.
    pub fn own_file(&self, relative: &Path) -> Result<Option<PathBuf>> {
        for root in &self.data.search {
            let path = root.join(relative);
            if is_file(&path)? {
                return Ok(Some(path));
            }
        }
        Ok(None)
    }

    /// The built-in twin of a dataset, even if the real data are available.
    ///
    /// # Errors
    /// Fails for an unknown name, for a model, or if the cache folder cannot be written.
    pub fn twin(&self, name: &str) -> Result<Resolved> {
        self.twin_because(self.entry(name)?, None)
    }

    fn twin_because(&self, entry: &Entry, why: Option<&str>) -> Result<Resolved> {
        let (dir, size) = twin::generate(entry, &self.data.write, TWIN_SEED)?;
        let files = present(&dir, entry)?.unwrap_or_default();
        // The checksums in the manifest are those of the real files, so they do not apply to the twin.
        let files: Vec<FileSpec> = files
            .into_iter()
            .map(|f| FileSpec {
                size: None,
                sha256: None,
                ..f.clone()
            })
            .collect();
        let checksums =
            checksum::verify(&dir, &files.iter().collect::<Vec<_>>(), &self.data.write)?;
        let why = why.unwrap_or("asked for");
        Ok(Resolved {
            name: entry.name.clone(),
            dir,
            twin: true,
            source: format!("built-in twin, synthetic, {size} ({why})"),
            checksums,
        })
    }

    /// Converts an original file that is present, or else downloads an entry if that is allowed. The inner error
    /// explains in words why it is not available.
    ///
    /// # Errors
    /// Fails for problems that a twin must not hide: wrong bytes, an interrupted download that can be resumed, or a
    /// folder that cannot be written.
    fn fetch(
        &self,
        entry: &Entry,
        folders: &Folders,
    ) -> Result<std::result::Result<Resolved, String>> {
        if let Some(original) = fetch::convert_local(entry, folders)?
            && let Some(mut found) = self.local(entry, folders)?
        {
            let from = original.display();
            found.source = format!("converted from {from} to {}", found.dir.display());
            return Ok(Ok(found));
        }
        let here = folders.search[0].join(&entry.name);
        let missing = missing(&here, entry)?;
        if self.options.fetch == FetchPolicy::LocalOnly {
            return Ok(Err(format!(
                "{} has no {}",
                here.display(),
                missing.join(", ")
            )));
        }
        match fetch::fetch_entry(&self.fetcher, entry, &folders.write.join(&entry.name)) {
            Ok(url) => {
                let why = "the download left files out";
                let found = self.local(entry, folders)?;
                let Some(mut found) = found else {
                    return Err(self.not_to_be_had(entry, folders, why)?);
                };
                if let Some(url) = url {
                    found.source = format!("downloaded from {url} to {}", found.dir.display());
                }
                Ok(Ok(found))
            }
            Err(Failure::Remote {
                kind: Kind::Unreachable | Kind::Refused | Kind::Absent,
                url,
                message,
            }) => Ok(Err(format!("{message}; {url}"))),
            Err(other) => Err(other.into()),
        }
    }

    /// The first of the searched folders with all files of the entry, after verification.
    fn local(&self, entry: &Entry, folders: &Folders) -> Result<Option<Resolved>> {
        for root in &folders.search {
            let dir = root.join(&entry.name);
            if let Some(files) = present(&dir, entry)? {
                let checksums = checksum::verify(&dir, &files, &folders.write)?;
                return Ok(Some(Resolved {
                    name: entry.name.clone(),
                    source: format!("files in {}", dir.display()),
                    dir,
                    twin: false,
                    checksums,
                }));
            }
        }
        Ok(None)
    }

    /// The error that says where to get the files by hand and where to put them.
    fn not_to_be_had(&self, entry: &Entry, folders: &Folders, why: &str) -> Result<Error> {
        let dir = folders.search[0].join(&entry.name);
        let missing: Vec<&str> = missing(&dir, entry)?;
        let addresses: Vec<String> = entry.sources.iter().map(Source::address).collect();
        Ok(Error::file(
            &dir,
            format!(
                "{} cannot be had: {why}. Missing: {}. By hand: get {} and put it into this folder. {}",
                entry.name,
                missing.join(", "),
                addresses.join(" or "),
                entry.manual
            ),
        ))
    }
}

/// The files of an entry that are in `dir`; `None` if they are not sufficient.
///
/// # Errors
/// Fails if something exists but cannot be read.
fn present<'a>(dir: &Path, entry: &'a Entry) -> Result<Option<Vec<&'a FileSpec>>> {
    if !missing(dir, entry)?.is_empty() {
        return Ok(None);
    }
    let mut found = Vec::new();
    for file in &entry.files {
        if is_file(&dir.join(&file.path))? {
            found.push(file);
        }
    }
    Ok(Some(found))
}

/// The required files that are missing in `dir` and not replaced by another layout.
///
/// # Errors
/// Fails if something exists but cannot be read.
fn missing<'a>(dir: &Path, entry: &'a Entry) -> Result<Vec<&'a str>> {
    is_folder(dir)?;
    let mut replaced = Vec::new();
    for other in &entry.alternatives {
        let mut whole = true;
        for path in &other.paths {
            whole &= is_there(&dir.join(path))?;
        }
        if whole {
            replaced.push(other.instead_of.as_str());
        }
    }
    let mut missing = Vec::new();
    for file in entry.files.iter().filter(|f| !f.optional) {
        let stood_in = replaced.iter().any(|start| file.path.starts_with(start));
        if !is_file(&dir.join(&file.path))? && !stood_in {
            missing.push(file.path.as_str());
        }
    }
    Ok(missing)
}

#[cfg(test)]
mod tests;
