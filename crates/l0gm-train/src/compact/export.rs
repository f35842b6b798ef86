//! Finds the compact model that a path means, and copies one to a folder of its own.

use super::folder::{HEADER, read_file, sum};
use super::{CompactFolder, CompactHeader, Decision};
use crate::run_dir::{write_atomically, write_json};
use crate::{Error, Result};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Component, Path, PathBuf};

/// Folders in which a compact model may stand below the one that is named: of a run, and of a study.
const BELOW: [&str; 2] = ["compact", "model"];

impl CompactFolder {
    /// The folder of the compact model that `path` means: the folder itself, `compact` in a run's folder, or `model`
    /// in a study's folder.
    ///
    /// # Errors
    /// There is no such folder, or no compact model in it. The error says what to give instead.
    pub fn find(path: &Path) -> Result<PathBuf> {
        let mut candidates =
            std::iter::once(path.to_owned()).chain(BELOW.map(|below| path.join(below)));
        if let Some(found) = candidates.find(|folder| folder.join(HEADER).is_file()) {
            return Ok(found);
        }
        let message = if !path.exists() {
            "not there; give the folder of a model"
        } else if !path.is_dir() {
            "is a file; give the folder of a model"
        } else if path.join("record.json").is_file() {
            "is a run without a compact model: dense runs, other methods than l0gm, and fine or conditional gates \
             leave none"
        } else if path.join("runs").is_dir() {
            "holds runs and no chosen model; give the folder of one of its runs, in the folder `runs`"
        } else {
            "holds no model; give a folder with model.json, a run's folder with `compact` in it, or a study's folder \
             with `model` in it"
        };
        Err(Error::file(path, message))
    }

    /// Copies the compact model in `from` to the folder `to` and sets its decision, as a model of its own in the
    /// present format. Every file is checked against its sum. The copy is made under a temporary name beside `to` and
    /// renamed, so `to` is never half-written. A model in `to` is replaced as a whole.
    ///
    /// # Errors
    /// A file of `from` is damaged, the decision does not fit the classes, `to` is something else than a model's
    /// folder or an empty one, or a file cannot be written.
    pub fn export(from: &Path, to: &Path, decision: Option<Decision>) -> Result<()> {
        Self::export_with(from, to, decision, &BTreeMap::new())
    }

    /// Like [`export`](Self::export), with further files, by their names in the copy.
    ///
    /// # Errors
    /// Fails like [`export`](Self::export), or if the model has a file of such a name already.
    pub fn export_with(
        from: &Path,
        to: &Path,
        decision: Option<Decision>,
        further: &BTreeMap<String, PathBuf>,
    ) -> Result<()> {
        let mut header = CompactHeader::read(from)?;
        let json = from.join(HEADER);
        if let Some(decision) = &decision {
            decision.check(&json, &header.classes)?;
        }
        header.format = Self::FORMAT;
        header.decision = decision;
        let replaced = replaceable(to)?;
        let (parent, name) = place_of(to)?;
        fs::create_dir_all(parent).map_err(|e| Error::io(parent, "create this folder", &e))?;
        let copy = sibling(parent, name)?;
        for (file, expected) in &header.files {
            if !is_plain(file) {
                let message = format!("names the file {file:?}, which is not in its folder");
                return Err(Error::file(&json, message));
            }
            let bytes = read_file(&from.join(file), expected)?;
            write_atomically(&copy.path().join(file), &bytes)?;
        }
        for (file, path) in further {
            if !is_plain(file) || file == HEADER || header.files.contains_key(file) {
                let message = format!("cannot take a further file by the name {file:?}");
                return Err(Error::file(&json, message));
            }
            let bytes = fs::read(path).map_err(|e| Error::io(path, "read this file", &e))?;
            write_atomically(&copy.path().join(file), &bytes)?;
            header.files.insert(file.clone(), sum(&bytes));
        }
        write_json(&copy.path().join(HEADER), &header)?;
        let moved = |e: std::io::Error| Error::io(to, "put the model in its place", &e);
        // A folder cannot be renamed over another one, so the old one steps aside first.
        let aside = match replaced {
            true => {
                let aside = sibling(parent, name)?;
                let old = aside.path().join(name);
                fs::rename(to, &old).map_err(moved)?;
                Some((aside, old))
            }
            false => None,
        };
        if let Err(error) = fs::rename(copy.path(), to) {
            if let Some((_, old)) = &aside {
                // If this fails too, the first error is the one to report.
                let _ = fs::rename(old, to);
            }
            return Err(moved(error));
        }
        // The copy has another name now, so there is nothing to delete.
        let _ = copy.keep();
        Ok(())
    }
}

/// Whether there is a folder to replace at `to`. Only a model or an empty folder is replaced.
fn replaceable(to: &Path) -> Result<bool> {
    if !to.exists() {
        return Ok(false);
    }
    let empty = || fs::read_dir(to).is_ok_and(|mut names| names.next().is_none());
    match to.join(HEADER).is_file() || empty() {
        true => Ok(true),
        false => Err(Error::file(
            to,
            "exists and is no model's folder; delete it, or choose another folder",
        )),
    }
}

/// The folder in which `to` stands, and its name there.
fn place_of(to: &Path) -> Result<(&Path, &OsStr)> {
    let name = to
        .file_name()
        .ok_or_else(|| Error::file(to, "is no name for a folder"))?;
    match to.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => Ok((parent, name)),
        _ => Ok((Path::new("."), name)),
    }
}

/// A temporary folder beside the final one, deleted unless it is kept.
fn sibling(parent: &Path, name: &OsStr) -> Result<tempfile::TempDir> {
    let prefix = format!(".{}.", name.to_string_lossy());
    let mut builder = tempfile::Builder::new();
    builder.prefix(&prefix).suffix(".tmp");
    // Temporary folders are private by default, but the final one must be an ordinary one.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o777));
    builder
        .tempdir_in(parent)
        .map_err(|e| Error::io(parent, "create a folder here", &e))
}

/// Whether a name is that of a file in the folder itself.
fn is_plain(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    matches!(parts.next(), Some(Component::Normal(_))) && parts.next().is_none()
}

#[cfg(test)]
#[path = "export_tests.rs"]
mod tests;
