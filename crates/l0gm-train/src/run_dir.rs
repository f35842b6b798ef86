//! A run's folder: written atomically, locked while in use, and refused if its format is another one.
//!
//! It holds `format` (the version of the layout), `lock`, `spec.json`, `checkpoint.safetensors`,
//! `predictions.parquet`, a gated run's `compact/`, a baseline's `logistic.safetensors` and `record.json`, which is
//! written last.

use crate::{Error, Result, RunRecord};
use l0gm_gate::write_whole;
use std::fs::{self, File, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};

/// A run's folder, locked for as long as this value lives.
#[derive(Debug)]
pub struct RunDir {
    path: PathBuf,
    /// Held open, because the operating system releases the lock when the process ends or is killed.
    lock: File,
}

impl Drop for RunDir {
    /// Unlocks explicitly. Closing the file would not be enough, because a child process that is just being started
    /// shares the open file.
    fn drop(&mut self) {
        // A failure is ignored: nothing can be done about it, and the end of the process unlocks the folder anyway.
        let _ = self.lock.unlock();
    }
}

impl RunDir {
    /// The layout that this version writes and reads.
    pub const FORMAT: u32 = 1;

    /// Creates or opens the folder and locks it against a second process. It is an error if another process holds it,
    /// if it is of another version, or if it is a folder with other content.
    pub fn open(path: &Path) -> Result<Self> {
        fs::create_dir_all(path).map_err(|e| Error::io(path, "create this folder", &e))?;
        check_contents(path)?;
        let lock = lock(&path.join("lock"))?;
        let format = path.join("format");
        if format.exists() {
            check_format(&format)?;
        } else {
            write_atomically(&format, format_line(Self::FORMAT).as_bytes())?;
        }
        remove_leftovers(path)?;
        Ok(Self {
            path: path.to_owned(),
            lock,
        })
    }

    /// The folder's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path of the checkpoint, whether or not it exists yet.
    pub fn checkpoint_path(&self) -> PathBuf {
        self.path.join("checkpoint.safetensors")
    }

    /// The path of the predictions, whether or not they exist yet.
    pub fn predictions_path(&self) -> PathBuf {
        self.path.join("predictions.parquet")
    }

    /// The path of a gated run's compact model, whether or not it exists yet.
    pub fn compact_path(&self) -> PathBuf {
        Self::compact_in(&self.path)
    }

    /// The path of the compact model of the run in `path`, for readers that do not lock the folder.
    pub fn compact_in(path: &Path) -> PathBuf {
        path.join("compact")
    }

    /// Whether the final record exists.
    pub fn is_finished(&self) -> bool {
        record_path(&self.path).exists()
    }

    /// Writes the final record, as the last act of a run.
    pub fn write_record(&self, record: &RunRecord) -> Result<()> {
        write_json(&record_path(&self.path), record)
    }
}

/// The final record of the run in `path`, or `None` if it is not finished. Does not lock the folder, so readers can
/// use it at any time.
pub fn finished_record(path: &Path) -> Result<Option<RunRecord>> {
    let record = record_path(path);
    let bytes = match fs::read(&record) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(Error::io(&record, "read the record", &e)),
    };
    let unreadable = |e: serde_json::Error| {
        let remedy = "delete this file to make it again from the checkpoint";
        Error::file(&record, format!("not a run record ({e}); {remedy}"))
    };
    let value: serde_json::Value = serde_json::from_slice(&bytes).map_err(unreadable)?;
    // Check the format first, so that a record of another version is reported as such.
    match value.get("format").and_then(serde_json::Value::as_u64) {
        Some(found) if found != u64::from(RunRecord::FORMAT) => Err(Error::file(
            &record,
            format!(
                "record of format {found}, this version reads {}; use the version that wrote it, or \
                 another output folder",
                RunRecord::FORMAT
            ),
        )),
        _ => serde_json::from_value(value).map(Some).map_err(unreadable),
    }
}

/// Writes a whole file under a temporary name, syncs it and renames it, so that it is never half-written.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    write_atomically_with(path, |file, _| file.write_all(bytes))
}

/// Like [`write_atomically`], for content that is written piece by piece to a file or its path.
pub(crate) fn write_atomically_with(
    path: &Path,
    write: impl FnOnce(&mut File, &Path) -> std::io::Result<()>,
) -> Result<()> {
    write_whole(path, write).map_err(|e| Error::io(path, "write this file", &e))
}

/// Writes `value` as indented JSON, atomically.
pub(crate) fn write_json(path: &Path, value: &impl serde::Serialize) -> Result<()> {
    let mut text = serde_json::to_vec_pretty(value)
        .map_err(|e| Error::file(path, format!("cannot be written as JSON: {e}")))?;
    text.push(b'\n');
    write_atomically(path, &text)
}

fn record_path(dir: &Path) -> PathBuf {
    dir.join("record.json")
}

fn lock(path: &Path) -> Result<File> {
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .map_err(|e| Error::io(path, "open the lock", &e))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::file(
            path,
            "another process is working on this run; wait for it, or choose another output folder",
        )),
        Err(TryLockError::Error(e)) => Err(Error::io(path, "lock this file", &e)),
    }
}

fn format_line(version: u32) -> String {
    format!("l0gm-run {version}\n")
}

fn check_format(path: &Path) -> Result<()> {
    let text = fs::read_to_string(path).map_err(|e| Error::io(path, "read this file", &e))?;
    if text == format_line(RunDir::FORMAT) {
        return Ok(());
    }
    Err(Error::file(
        path,
        format!(
            "this folder has the format {:?}, this version works with {:?}; choose another output \
             folder, or delete this one",
            text.trim(),
            format_line(RunDir::FORMAT).trim()
        ),
    ))
}

/// Checks that a folder without `format` is empty, or holds only what an interrupted `open` left.
fn check_contents(path: &Path) -> Result<()> {
    if path.join("format").exists() {
        return Ok(());
    }
    for name in names(path)? {
        let ours = name == "lock" || is_leftover(&name);
        // Check `format` again, because another process may be opening the same new folder right now.
        if !ours && !path.join("format").exists() {
            return Err(Error::file(
                path,
                format!(
                    "not a run's folder (it holds {name:?} but no `format`); choose another output folder"
                ),
            ));
        }
    }
    Ok(())
}

/// Removes temporary files of a process that was killed. The lock is held, so nobody is writing them.
pub(crate) fn remove_leftovers(path: &Path) -> Result<()> {
    for name in names(path)?.iter().filter(|name| is_leftover(name)) {
        let file = path.join(name);
        fs::remove_file(&file).map_err(|e| Error::io(&file, "remove this leftover", &e))?;
    }
    Ok(())
}

fn is_leftover(name: &str) -> bool {
    name.starts_with('.') && name.ends_with(".tmp")
}

fn names(path: &Path) -> Result<Vec<String>> {
    let unreadable = |e: std::io::Error| Error::io(path, "list this folder", &e);
    fs::read_dir(path)
        .map_err(unreadable)?
        .map(|entry| {
            Ok(entry
                .map_err(unreadable)?
                .file_name()
                .to_string_lossy()
                .into_owned())
        })
        .collect()
}
