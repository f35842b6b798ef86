//! The files of a call that the runner does not make itself: a program that trains on a run's rows and then stays, to be
//! timed.

use super::answer;
use super::rows::{ExternalPart, ExternalRows};
use super::settings::ExternalSettings;
use super::task::TASK;
use super::written::Written;
use crate::{Error, Result, RunSpec, Split, StopFlag};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// The test rows' name in the task and among the answers.
const TEST: &str = "test";

/// A task for a program, written into a folder, and the program's answers.
#[derive(Clone, Debug)]
pub struct ExternalCall {
    folder: PathBuf,
    run: String,
    classes: Vec<String>,
    rows: usize,
}

impl ExternalCall {
    /// Writes a run's rows and the task to train on them and to predict validation and test rows. `settings` are the
    /// external method's of the run, or null for its defaults.
    ///
    /// # Errors
    /// A file cannot be written, a column has a name that the protocol needs, or a stop was requested.
    pub fn write(
        folder: &Path,
        data: &dyn ExternalRows,
        spec: &RunSpec,
        classes: &[String],
        threads: usize,
        settings: Value,
        stop: &StopFlag,
    ) -> Result<Self> {
        let answers = folder.join("answers");
        std::fs::create_dir_all(&answers)
            .map_err(|e| Error::io(&answers, "create this folder", &e))?;
        let settings = match settings {
            Value::Null => serde_json::to_value(ExternalSettings::default()).unwrap_or_default(),
            given => given,
        };
        let parts = [("valid", Split::Valid), (TEST, Split::Test)];
        let parts = parts.map(|(name, split)| (name.to_owned(), ExternalPart::Split(split)));
        let written = Written {
            folder,
            spec,
            classes,
            threads,
            settings,
        };
        let counts = written.write(data, &parts, stop)?;
        Ok(Self {
            folder: folder.to_owned(),
            run: spec.id(),
            classes: classes.to_vec(),
            rows: counts.last().copied().unwrap_or(0),
        })
    }

    /// The file with the task, which is the program's argument.
    pub fn task(&self) -> PathBuf {
        self.folder.join(TASK)
    }

    /// The probabilities that the program `tool` answered for the test rows, rows x classes.
    ///
    /// # Errors
    /// There are none, they are those of another run, or they are none.
    pub fn test_probabilities(&self, tool: &str) -> Result<Vec<f64>> {
        answer::facts(&self.folder.join("answer.json"), tool, &self.run)?;
        let file = self.folder.join("answers").join(format!("{TEST}.parquet"));
        answer::probabilities(&file, tool, &self.classes, self.rows)
    }
}
