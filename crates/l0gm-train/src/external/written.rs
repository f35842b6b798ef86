//! Writes what a program is given: the rows of a run, and the task that names them.

use super::rows::{self, ExternalCells, ExternalPart, ExternalRows};
use super::task::{TASK, Task};
use super::{LABEL, ROW};
use crate::run_dir::write_json;
use crate::{Error, Result, RunSpec, Split, StopFlag};
use serde_json::Value;
use std::path::Path;

/// The task of one call, and the folder into which its files are written.
pub(super) struct Written<'a> {
    pub(super) folder: &'a Path,
    pub(super) spec: &'a RunSpec,
    /// The classes' names, in the order of their numbers.
    pub(super) classes: &'a [String],
    pub(super) threads: usize,
    /// The method's settings.
    pub(super) settings: Value,
}

impl Written<'_> {
    /// Writes the training rows, the rows of each part under its name, and the task. Returns the number of rows of each
    /// part.
    pub(super) fn write(
        self,
        data: &dyn ExternalRows,
        parts: &[(String, ExternalPart)],
        stop: &StopFlag,
    ) -> Result<Vec<usize>> {
        let columns = data.columns();
        rows::check(&columns)?;
        let file = |name: &str| self.folder.join(format!("{name}.parquet"));
        let mut counts = Vec::with_capacity(parts.len());
        let train = data.cells(ExternalPart::Split(Split::Train))?;
        let labels = Some(data.labels(Split::Train));
        rows::write(&file("train"), &columns, &train, labels)?;
        for (name, part) in parts {
            if stop.is_set() {
                return Err(Error::Stopped);
            }
            let cells = data.cells(*part)?;
            // Labels are for learning and stopping; test rows go without.
            let labels =
                (*part == ExternalPart::Split(Split::Valid)).then(|| data.labels(Split::Valid));
            rows::write(&file(name), &columns, &cells, labels)?;
            counts.push(cells.first().map_or(0, ExternalCells::rows));
        }
        write_json(
            &self.folder.join(TASK),
            &Task {
                format: Task::FORMAT,
                run: self.spec.id(),
                modality: &self.spec.modality,
                dataset: &self.spec.dataset,
                seed: self.spec.seed,
                threads: self.threads,
                classes: self.classes,
                columns: &columns,
                row: ROW,
                label: LABEL,
                train: "train.parquet".to_owned(),
                valid: "valid.parquet".to_owned(),
                predict: parts.iter().map(|(name, _)| name.clone()).collect(),
                settings: self.settings,
            },
        )?;
        Ok(counts)
    }
}
