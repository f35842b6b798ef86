//! The output folder. It holds `runs/RUN_ID/` for each run, `claims/` through which processes divide the runs, the
//! summaries, `tables/`, `figures/`, the report, and a marker with the version of this layout. A folder of another
//! version is refused before anything is run or written.

use crate::error::At;
use crate::{Error, Result};
use l0gm_train::{RunRecord, RunSpec, write_atomically};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The layout that this version writes and reads.
pub const FORMAT: u32 = 1;
const MARKER: &str = "l0gm-out.json";
const COMMAND: &str = "command.json";
const FAILURES: &str = "failures.json";
const DISAGREEMENTS: &str = "disagreements.json";

#[derive(Debug, Serialize, Deserialize)]
struct Marker {
    format: u32,
    made_by: String,
}

/// The flags of the last `reproduce` into this folder.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct CommandRecord {
    /// The command as typed, without the program's name.
    pub command: String,
    /// Name of the profile: "quick" or "paper".
    pub profile: String,
    /// Ids of the runs that the command planned.
    pub planned: Vec<String>,
}

/// A failed run as the folder stores it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(from = "FailureForms")]
struct FailureRecord {
    message: String,
    /// Whether the folder already held the run's record, from an earlier success, when the run failed.
    beside_record: bool,
}

/// Folders written before the flag `beside_record` existed hold the message alone.
#[derive(Deserialize)]
#[serde(untagged)]
enum FailureForms {
    Message(String),
    Whole {
        message: String,
        beside_record: bool,
    },
}

impl From<FailureForms> for FailureRecord {
    fn from(form: FailureForms) -> Self {
        let (message, beside_record) = match form {
            FailureForms::Message(message) => (message, false),
            FailureForms::Whole {
                message,
                beside_record,
            } => (message, beside_record),
        };
        Self {
            message,
            beside_record,
        }
    }
}

/// An output folder that exists and has this version's layout.
#[derive(Debug)]
pub struct OutDir {
    path: PathBuf,
}

impl OutDir {
    /// Creates the folder, or opens one of this version. If it refuses a folder, it creates nothing.
    pub fn create(path: &Path) -> Result<Self> {
        let is_ours = path.join(MARKER).exists();
        Self::refuse_foreign(path)?;
        std::fs::create_dir_all(path.join("runs")).at(path, "cannot create the output folder")?;
        if !is_ours {
            let marker = Marker {
                format: FORMAT,
                made_by: format!("l0gm {}", env!("CARGO_PKG_VERSION")),
            };
            write_atomically(&path.join(MARKER), &serde_json::to_vec_pretty(&marker)?)?;
        }
        Self::open(path)
    }

    /// Fails if the folder has another version or holds other files; creates nothing.
    pub fn refuse_foreign(path: &Path) -> Result<()> {
        if path.join(MARKER).exists() {
            Self::open(path)?;
        } else if has_foreign_files(path)? && !path.join(MARKER).exists() {
            // Check again, because another process may be creating the same folder now.
            return Err(Error::file(
                path,
                "holds files that this command did not write; choose another folder with --out",
            ));
        }
        Ok(())
    }

    /// Opens a folder that `create` made earlier.
    pub fn open(path: &Path) -> Result<Self> {
        if !path.exists() {
            let missing = format!("there is no folder {}", path.display());
            return Err(Error::Refused(missing));
        }
        let marker = path.join(MARKER);
        let bytes = std::fs::read(&marker).at(
            path,
            format!("not an output folder of `reproduce` or `run` (no {MARKER} in it)"),
        )?;
        let found: Marker = serde_json::from_slice(&bytes).at(&marker, "not readable as JSON")?;
        if found.format != FORMAT {
            return Err(Error::file(
                path,
                format!(
                    "written by another version ({}, layout {}; this one reads layout {FORMAT}); choose another folder with --out",
                    found.made_by, found.format
                ),
            ));
        }
        Ok(Self {
            path: path.to_owned(),
        })
    }

    /// Path of the folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Path of one run's folder.
    pub fn run(&self, run_id: &str) -> PathBuf {
        self.path.join("runs").join(run_id)
    }

    /// The file whose lock claims something: a run by its id, or the list of failures by its name.
    pub fn claim(&self, name: &str) -> PathBuf {
        self.path.join("claims").join(name)
    }

    /// The record of a finished run; `None` if it has not finished.
    pub fn record(&self, spec: &RunSpec) -> Result<Option<RunRecord>> {
        let path = self.run(&spec.id()).join("record.json");
        if !path.exists() {
            return Ok(None);
        }
        let record = read_record(&path)?;
        // Compare ids rather than specs, because JSON may lose the last bit of a number.
        if record.run_id != spec.id() {
            return Err(Error::file(
                &path,
                "the record of another run than its folder's name says; move the folder away",
            ));
        }
        Ok(Some(record))
    }

    /// Every finished run in the folder, ordered by id. A folder whose name is not its run's id, such as a copy, is
    /// skipped with a warning on stderr, because its run would count as a second seed.
    pub fn records(&self) -> Result<Vec<RunRecord>> {
        let mut records = Vec::new();
        for name in self.run_ids()? {
            let folder = self.run(&name);
            let path = folder.join("record.json");
            if !path.exists() {
                continue;
            }
            let record = read_record(&path)?;
            if record.run_id == name {
                records.push(record);
            } else {
                eprintln!(
                    "warning: {}: left out: it holds the run {}, a copy or a renamed folder; move it away",
                    folder.display(),
                    record.run_id
                );
            }
        }
        Ok(records)
    }

    /// Names of all folders of runs, finished or not: the ids of the runs.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn run_ids(&self) -> Result<BTreeSet<String>> {
        let runs = self.path.join("runs");
        let mut ids = BTreeSet::new();
        for entry in std::fs::read_dir(&runs).at(&runs, "cannot be read")? {
            let entry = entry.at(&runs, "cannot be read")?;
            if entry.path().is_dir() {
                ids.insert(entry.file_name().to_string_lossy().into_owned());
            }
        }
        Ok(ids)
    }

    /// Stores the command that filled the folder.
    pub fn write_command(&self, command: &CommandRecord) -> Result<()> {
        self.write(COMMAND, &serde_json::to_vec_pretty(command)?)
    }

    /// The last command that filled the folder; empty if there was none.
    pub fn command(&self) -> Result<CommandRecord> {
        self.read_json(COMMAND)
    }

    /// Stores the error messages of failed runs, by run id.
    pub fn write_failures(&self, failures: &BTreeMap<String, String>) -> Result<()> {
        let remembered: BTreeMap<&String, FailureRecord> = failures
            .iter()
            .map(|(id, message)| {
                let failure = FailureRecord {
                    message: message.clone(),
                    beside_record: self.has_record(id),
                };
                (id, failure)
            })
            .collect();
        self.write(FAILURES, &serde_json::to_vec_pretty(&remembered)?)
    }

    /// Runs that failed and have not finished since. A record from before the failure does not count as finishing:
    /// the data changed afterwards.
    pub fn failures(&self) -> Result<BTreeMap<String, String>> {
        let remembered: BTreeMap<String, FailureRecord> = self.read_json(FAILURES)?;
        Ok(remembered
            .into_iter()
            .filter(|(id, failure)| failure.beside_record || !self.has_record(id))
            .map(|(id, failure)| (id, failure.message))
            .collect())
    }

    /// Stores where the results of joined folders differ, by run id.
    pub fn write_disagreements(&self, disagreements: &BTreeMap<String, String>) -> Result<()> {
        self.write(DISAGREEMENTS, &serde_json::to_vec_pretty(disagreements)?)
    }

    /// The differences that all joins so far have found, by run id.
    pub fn disagreements(&self) -> Result<BTreeMap<String, String>> {
        self.read_json(DISAGREEMENTS)
    }

    fn has_record(&self, id: &str) -> bool {
        self.run(id).join("record.json").exists()
    }

    /// Writes one file of the folder atomically and creates its parent folders.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.path.join(name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).at(parent, "cannot be created")?;
        }
        write_atomically(&path, bytes)?;
        Ok(())
    }

    fn read_json<T: serde::de::DeserializeOwned + Default>(&self, name: &str) -> Result<T> {
        let path = self.path.join(name);
        if !path.exists() {
            return Ok(T::default());
        }
        let bytes = std::fs::read(&path).at(&path, "cannot be read")?;
        serde_json::from_slice(&bytes).at(&path, "not what this version writes")
    }
}

/// Whether the folder holds anything besides an empty `runs` folder, which an interrupted `create` leaves.
fn has_foreign_files(path: &Path) -> Result<bool> {
    if !path.exists() {
        return Ok(false);
    }
    let list = |path: &Path| {
        std::fs::read_dir(path).at(
            path,
            "not a folder that can be read; choose another with --out",
        )
    };
    for entry in list(path)? {
        let entry = entry.at(path, "cannot be read")?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        // The marker under its temporary name belongs to a process that is creating this folder or was killed doing
        // so.
        if name.starts_with(&format!(".{MARKER}.")) && name.ends_with(".tmp") {
            continue;
        }
        let is_runs = name == "runs" && entry.path().is_dir();
        if !is_runs || list(&entry.path())?.next().is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Advice for a record that cannot be used.
const MAKE_AGAIN: &str = "delete it and give the same `reproduce` or `run` command again";

/// Reads one record. The layout's version is checked before any other field.
fn read_record(path: &Path) -> Result<RunRecord> {
    let bytes = std::fs::read(path).at(path, "cannot be read")?;
    let value: serde_json::Value =
        serde_json::from_slice(&bytes).at(path, format!("not readable as JSON; {MAKE_AGAIN}"))?;
    let format = value.get("format").and_then(serde_json::Value::as_u64);
    match format {
        Some(format) if format == u64::from(RunRecord::FORMAT) => {}
        Some(format) => {
            return Err(Error::file(
                path,
                format!(
                    "a run record of another version (layout {format}; this one reads layout {}); choose another folder with --out",
                    RunRecord::FORMAT
                ),
            ));
        }
        None => {
            return Err(Error::file(
                path,
                format!("not a run record (it names no layout); {MAKE_AGAIN}"),
            ));
        }
    }
    serde_json::from_value(value).at(path, format!("not a whole run record; {MAKE_AGAIN}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_folder_of_another_version_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        OutDir::create(folder.path()).unwrap();
        OutDir::create(folder.path()).unwrap();
        std::fs::write(
            folder.path().join(MARKER),
            br#"{"format": 99, "made_by": "l0gm 9.9"}"#,
        )
        .unwrap();
        let error = OutDir::create(folder.path()).unwrap_err().to_string();
        assert!(
            error.contains("layout 99") && error.contains("--out"),
            "{error}"
        );
        std::fs::remove_dir(folder.path().join("runs")).unwrap();
        OutDir::create(folder.path()).unwrap_err();
        assert_eq!(names(folder.path()), [MARKER], "nothing was made");
    }

    #[test]
    fn a_folder_with_somebodys_files_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("thesis.tex"), "x").unwrap();
        let error = OutDir::create(folder.path()).unwrap_err().to_string();
        assert!(error.contains("did not write"), "{error}");
        assert_eq!(names(folder.path()), ["thesis.tex"], "nothing was made");
        // A file in place of the folder is refused; an empty folder may be used.
        let file = OutDir::create(&folder.path().join("thesis.tex")).unwrap_err();
        assert!(file.to_string().contains("--out"), "{file}");
        let empty = tempfile::tempdir().unwrap();
        OutDir::create(empty.path()).unwrap();
        assert_eq!(names(empty.path()), [MARKER, "runs"]);
    }

    #[test]
    fn a_failure_is_forgotten_when_its_run_finishes_but_not_for_a_record_older_than_it() {
        let folder = tempfile::tempdir().unwrap();
        let out = OutDir::create(folder.path()).unwrap();
        let finish = |id: &str| {
            std::fs::create_dir_all(out.run(id)).unwrap();
            std::fs::write(out.run(id).join("record.json"), "{}").unwrap();
        };
        finish("old");
        let failures: BTreeMap<String, String> = [
            ("new".to_owned(), "loss is NaN".to_owned()),
            ("old".to_owned(), "the data changed".to_owned()),
        ]
        .into();
        out.write_failures(&failures).unwrap();
        assert_eq!(out.failures().unwrap(), failures);
        finish("new");
        let left = out.failures().unwrap();
        assert_eq!(left.keys().collect::<Vec<_>>(), ["old"]);
        // Writing the failure again while both records exist must not make it count as finished.
        out.write_failures(&left).unwrap();
        assert_eq!(out.failures().unwrap(), left);

        out.write(FAILURES, br#"{"older": "the form without a flag"}"#)
            .unwrap();
        assert_eq!(out.failures().unwrap()["older"], "the form without a flag");
    }

    #[test]
    fn a_record_of_another_version_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let out = OutDir::create(folder.path()).unwrap();
        std::fs::create_dir_all(out.run("x")).unwrap();
        std::fs::write(out.run("x").join("record.json"), br#"{"format": 7}"#).unwrap();
        let error = out.records().unwrap_err().to_string();
        assert!(
            error.contains("layout 7") && error.contains("record.json"),
            "{error}"
        );
    }

    #[test]
    fn a_broken_record_says_what_to_do_about_it() {
        let folder = tempfile::tempdir().unwrap();
        let out = OutDir::create(folder.path()).unwrap();
        std::fs::create_dir_all(out.run("x")).unwrap();
        let path = out.run("x").join("record.json");
        let whole = format!(r#"{{"format": {}}}"#, RunRecord::FORMAT);
        for broken in ["", r#"{"format""#, "{}", "[]", &whole] {
            std::fs::write(&path, broken).unwrap();
            let error = out.records().unwrap_err().to_string();
            assert!(
                error.contains("record.json") && error.contains("delete it and give the same"),
                "{broken}: {error}"
            );
        }
    }

    #[test]
    fn a_copied_run_folder_is_not_a_second_run() {
        let folder = tempfile::tempdir().unwrap();
        let out = OutDir::create(folder.path()).unwrap();
        let record = crate::fixtures::records().remove(0);
        for name in [record.run_id.as_str(), "a-backup", "z-backup"] {
            let bytes = serde_json::to_vec(&record).unwrap();
            out.write(&format!("runs/{name}/record.json"), &bytes)
                .unwrap();
        }
        let found = out.records().unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].run_id, record.run_id);
    }

    #[test]
    fn a_folder_that_is_not_there_is_said_to_be_missing() {
        let folder = tempfile::tempdir().unwrap();
        let error = OutDir::open(&folder.path().join("quikc")).unwrap_err();
        let error = error.to_string();
        assert!(
            error.starts_with("there is no folder") && error.contains("quikc"),
            "{error}"
        );
        let empty = OutDir::open(folder.path()).unwrap_err().to_string();
        assert!(empty.contains("not an output folder"), "{empty}");
    }
}
