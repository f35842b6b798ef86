//! Original files that are converted after downloading. An original stays in `original/` in the dataset's folder. One
//! put there by hand works as well as a download, and needs no network.

use super::lock::lock;
use super::{Failure, Fetcher, Kind, remote};
use crate::error::io;
use crate::folders::Folders;
use crate::manifest::{Entry, FileSpec, Source};
use crate::npz_graph::Layout;
use crate::presence::is_file;
use crate::{Error, Result, checksum, npz_graph};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Folder for originals within the dataset's folder.
const ORIGINALS: &str = "original";

/// What an entry's reader needs besides the original.
fn layout(entry: &Entry) -> Layout {
    match entry.reader.as_str() {
        "npz" => Layout::Original,
        _ => Layout::Raw,
    }
}

/// Path of an original in the dataset's folder.
fn name_of(url: &str) -> String {
    let last = url.rsplit('/').next().unwrap_or_default();
    format!("{ORIGINALS}/{last}")
}

/// Downloads an .npz into `dir` and converts it. Returns the checksums of the resulting files by relative name.
///
/// # Errors
/// Fails like [`Fetcher::file`] and [`npz_graph::convert`]. An original that cannot be converted is removed.
pub(super) fn fetch(
    fetcher: &Fetcher,
    entry: &Entry,
    url: &str,
    expected: Option<&str>,
    splits: &[String],
    dir: &Path,
) -> Result<BTreeMap<String, String>, Failure> {
    let name = name_of(url);
    let target = dir.join(&name);
    let folder = dir.join(ORIGINALS);
    std::fs::create_dir_all(&folder).map_err(io(&folder, "cannot create the folder"))?;
    let outcome = fetcher.file(url, &target, expected).and_then(|_| {
        match layout(entry) {
            Layout::Raw => tracing::info!("converting {name} into raw/ and split/"),
            Layout::Original => tracing::info!("drawing splits of {name} into split/"),
        }
        npz_graph::convert(&target, &entry.counts, splits, layout(entry), dir).map_err(
            |e| match e {
                // This error is the original's fault; any other is the folder's.
                Error::File { path, message } if path == target => {
                    if let Err(e) = std::fs::remove_file(&path) {
                        return io(&path, "cannot remove")(e).into();
                    }
                    let file = path.display();
                    let message =
                        format!("{file}: {message}; removed. Try again, or get it by hand");
                    remote(Kind::Corrupt, url, message)
                }
                other => other.into(),
            },
        )
    });
    if outcome.is_err() {
        // This removes only an empty folder; a partial download that can be resumed stays.
        let _ = std::fs::remove_dir(&folder);
    }
    outcome?;
    Ok(sums_of(dir, entry, &name)?)
}

/// If files are missing in the writable folder, converts an original in one of the searched folders into it. Returns
/// the path of the original, or `None` if there is none.
///
/// # Errors
/// Fails if the original has a wrong checksum or cannot be converted, or if the folder cannot be written.
pub(crate) fn convert_local(entry: &Entry, folders: &Folders) -> Result<Option<PathBuf>> {
    for source in &entry.sources {
        let Source::NpzGraph {
            url,
            sha256,
            splits,
        } = source
        else {
            continue;
        };
        let name = name_of(url);
        let mut standing = None;
        for home in folders.search.iter().map(|root| root.join(&entry.name)) {
            if standing.is_none() && is_file(&home.join(&name))? {
                standing = Some(home);
            }
        }
        let Some(home) = standing else {
            continue;
        };
        let dir = folders.write.join(&entry.name);
        std::fs::create_dir_all(&dir).map_err(io(&dir, "cannot create the folder"))?;
        let _lock = lock(&dir)?;
        let mut required = entry.files.iter().filter(|f| !f.optional);
        if required.any(|f| !dir.join(&f.path).is_file()) {
            let spec = FileSpec {
                path: name.clone(),
                size: None,
                sha256: sha256.clone(),
                optional: true,
            };
            checksum::verify(&home, &[&spec], &folders.write)?;
            let (file, counts) = (home.join(&name), &entry.counts);
            npz_graph::convert(&file, counts, splits, layout(entry), &dir)?;
            checksum::pin(&dir, &sums_of(&dir, entry, &name)?)?;
        }
        return Ok(Some(home.join(&name)));
    }
    Ok(None)
}

/// The checksums of the entry's files, and of its original if it is in this folder.
fn sums_of(dir: &Path, entry: &Entry, original: &str) -> Result<BTreeMap<String, String>> {
    let listed = entry.files.iter().map(|f| f.path.as_str());
    let mut sums = BTreeMap::new();
    for name in listed.chain([original]).filter(|n| dir.join(n).is_file()) {
        sums.insert(name.to_owned(), checksum::sha256_file(&dir.join(name))?);
    }
    Ok(sums)
}
