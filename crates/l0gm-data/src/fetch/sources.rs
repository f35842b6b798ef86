//! Fetches files from the sources in a manifest into a folder: from archives, as plain files, or from the hub. It
//! holds a lock, so that two processes do not fetch the same file.

use super::lock::{LOCK, lock};
use super::{Failure, Fetcher, Kind, original, remote, unpack};
use crate::checksum;
use crate::error::io;
use crate::manifest::{Entry, FileSpec, Source};
use crate::presence::is_file;
use hf_hub::api::sync::{ApiBuilder, ApiRepo};
use hf_hub::{Cache, CacheRepo, Repo, RepoType};
use std::collections::BTreeMap;
use std::path::Path;

/// Fetches the required files of an entry that are missing in `dir`, and pins the checksums that the manifest does
/// not know. Returns the address of the source, or `None` if another process has just fetched the files.
///
/// # Errors
/// Fails with the error of the last source.
pub(crate) fn fetch_entry(
    fetcher: &Fetcher,
    entry: &Entry,
    dir: &Path,
) -> Result<Option<String>, Failure> {
    std::fs::create_dir_all(dir).map_err(io(dir, "cannot create the folder"))?;
    let lock_path = dir.join(LOCK);
    let lock = lock(dir)?;
    let mut wanted: Vec<&FileSpec> = Vec::new();
    for file in entry.files.iter().filter(|f| !f.optional) {
        if !is_file(&dir.join(&file.path))? {
            wanted.push(file);
        }
    }
    if wanted.is_empty() {
        return Ok(None);
    }
    let mut failure = remote(Kind::Refused, "", "the manifest names no source");
    for source in &entry.sources {
        match fetch_source(fetcher, entry, source, &wanted, dir) {
            Ok(sums) => {
                checksum::pin(dir, &sums)?;
                return Ok(Some(source.address()));
            }
            Err(e) => failure = e,
        }
    }
    // Leave no empty folders behind; this removes only empty ones.
    for spec in &wanted {
        for parent in Path::new(&spec.path).ancestors().skip(1) {
            if !parent.as_os_str().is_empty() {
                let _ = std::fs::remove_dir(dir.join(parent));
            }
        }
    }
    drop(lock);
    remove_empty(dir, &lock_path);
    Err(failure)
}

/// Removes a folder that holds nothing but its lock.
pub(super) fn remove_empty(dir: &Path, lock: &Path) {
    if std::fs::read_dir(dir).is_ok_and(|entries| entries.count() == 1) {
        let _ = std::fs::remove_file(lock);
        let _ = std::fs::remove_dir(dir);
    }
}

/// Fetches the wanted files from one source, and returns their checksums by relative name.
fn fetch_source(
    fetcher: &Fetcher,
    entry: &Entry,
    source: &Source,
    wanted: &[&FileSpec],
    dir: &Path,
) -> Result<BTreeMap<String, String>, Failure> {
    match source {
        Source::Zip { url, sha256, strip } => {
            let archive = dir.join(".archive.zip");
            fetcher.file(url, &archive, sha256.as_deref())?;
            let names: Vec<&str> = wanted.iter().map(|f| f.path.as_str()).collect();
            let unpacked = unpack::zip(url, &archive, strip, &names, dir);
            // Delete the archive whether or not unpacking succeeded.
            std::fs::remove_file(&archive).map_err(io(&archive, "cannot remove"))?;
            unpacked?;
            let mut sums = BTreeMap::new();
            for spec in wanted {
                let path = dir.join(&spec.path);
                let sum = checksum::sha256_file(&path)?;
                if let Some(expected) = spec.sha256.as_ref().filter(|e| **e != sum) {
                    std::fs::remove_file(&path).map_err(io(&path, "cannot remove"))?;
                    let message = format!(
                        "{} has the wrong checksum: expected sha256 {expected}, found {sum}; removed",
                        spec.path
                    );
                    return Err(remote(Kind::Corrupt, url, message));
                }
                sums.insert(spec.path.clone(), sum);
            }
            Ok(sums)
        }
        Source::Files { url } => each(wanted, dir, |f, target| {
            fetcher.file(&format!("{url}{}", f.path), target, f.sha256.as_deref())
        }),
        Source::HubDataset { repo } => hub(fetcher, repo, RepoType::Dataset, wanted, dir),
        Source::HubModel { repo } => hub(fetcher, repo, RepoType::Model, wanted, dir),
        Source::NpzGraph {
            url,
            sha256,
            splits,
        } => original::fetch(fetcher, entry, url, sha256.as_deref(), splits, dir),
        Source::Manual { url } => {
            let message = "cannot be used as it is: it must be converted by hand";
            Err(remote(Kind::Refused, url, message))
        }
    }
}

/// Calls `fetch` for each wanted file, after creating its folder.
fn each(
    wanted: &[&FileSpec],
    dir: &Path,
    fetch: impl Fn(&FileSpec, &Path) -> Result<String, Failure>,
) -> Result<BTreeMap<String, String>, Failure> {
    let mut sums = BTreeMap::new();
    for spec in wanted {
        let target = dir.join(&spec.path);
        if let Some(parent) = target.parent() {
            std::fs::create_dir_all(parent).map_err(io(parent, "cannot create the folder"))?;
        }
        let sum = fetch(spec, &target)?;
        // Pin each file at once, so that an interruption between files loses nothing.
        checksum::pin(dir, &BTreeMap::from([(spec.path.clone(), sum.clone())]))?;
        sums.insert(spec.path.clone(), sum);
    }
    Ok(sums)
}

/// Fetches files of a hub repository.
fn hub(
    fetcher: &Fetcher,
    name: &str,
    kind: RepoType,
    wanted: &[&FileSpec],
    dir: &Path,
) -> Result<BTreeMap<String, String>, Failure> {
    let hub = Hub::new(name, kind)?;
    each(wanted, dir, |spec, target| hub.file(fetcher, spec, target))
}

/// A hub repository. Its files come from the hub's own cache on this machine, or else by our downloader from the
/// addresses that hf-hub makes (it respects `HF_ENDPOINT` and `HF_HOME`).
pub(super) struct Hub {
    api: ApiRepo,
    cache: CacheRepo,
}

impl Hub {
    pub(super) fn new(name: &str, kind: RepoType) -> Result<Self, Failure> {
        let repo = Repo::new(name.to_owned(), kind);
        let api = ApiBuilder::from_env().with_token(None).build();
        let api = api.map_err(|e| remote(Kind::Refused, name, format!("no hub client: {e}")))?;
        Ok(Self {
            api: api.repo(repo.clone()),
            cache: Cache::from_env().repo(repo),
        })
    }

    /// Fetches one file to `target` and returns its sha256.
    pub(super) fn file(
        &self,
        fetcher: &Fetcher,
        spec: &FileSpec,
        target: &Path,
    ) -> Result<String, Failure> {
        if let Some(cached) = self.cache.get(&spec.path) {
            let sum = checksum::sha256_file(&cached)?;
            if spec.sha256.as_ref().is_none_or(|e| *e == sum) {
                let part = super::part_of(target);
                std::fs::copy(&cached, &part)
                    .map_err(io(&part, "cannot copy from the hub's cache"))?;
                std::fs::rename(&part, target)
                    .map_err(io(target, "cannot put the file in place"))?;
                return Ok(sum);
            }
        }
        fetcher.file(&self.api.url(&spec.path), target, spec.sha256.as_deref())
    }
}
