//! What a program is asked to do: `task.json`.

use super::{LABEL, ROW};
use serde::Serialize;
use serde_json::Value;

/// Name of the file with the task.
pub(super) const TASK: &str = "task.json";

/// A column of the rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ExternalColumn {
    /// The column's name in the files of rows.
    pub name: String,
    /// "number", "category" or "text".
    pub kind: &'static str,
}

/// The content of `task.json`.
#[derive(Debug, Serialize)]
pub(super) struct Task<'a> {
    /// Version of the protocol.
    pub(super) format: u32,
    /// The run, which the answer repeats.
    pub(super) run: String,
    /// "tabular", "text" or "graph".
    pub(super) modality: &'a str,
    /// The dataset's name or path.
    pub(super) dataset: &'a str,
    /// Seed of whatever the program draws.
    pub(super) seed: u64,
    /// Number of threads that it may use.
    pub(super) threads: usize,
    /// The classes' names, in the order of their numbers.
    pub(super) classes: &'a [String],
    /// The columns to learn from.
    pub(super) columns: &'a [ExternalColumn],
    /// Names of the two columns that are none of these.
    pub(super) row: &'static str,
    pub(super) label: &'static str,
    /// The file with the training rows, and the one with the validation rows, both with labels.
    pub(super) train: String,
    pub(super) valid: String,
    /// What is to be predicted: for each NAME the rows stand in NAME.parquet, and the probabilities belong into
    /// answers/NAME.parquet.
    pub(super) predict: Vec<String>,
    /// The method's settings.
    pub(super) settings: Value,
}

impl Task<'_> {
    /// Version of the protocol that this crate speaks.
    pub(super) const FORMAT: u32 = 1;
}

/// Refuses column names that the protocol needs for itself.
pub(super) fn reserved(columns: &[ExternalColumn]) -> Option<&'static str> {
    [ROW, LABEL]
        .into_iter()
        .find(|name| columns.iter().any(|column| column.name == *name))
}
