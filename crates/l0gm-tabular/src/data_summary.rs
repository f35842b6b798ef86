//! The description of the table in a run's record.

use crate::{EncodedTable, SplitKind, TabularSettings};
use l0gm_data::rows::Summary;
use l0gm_train::{DataSummary, Split, Task};
use std::collections::BTreeMap;

/// The rows' origin and the number in each split. The method gives `reductions` and `notes`.
pub(crate) fn data_summary(
    table: &EncodedTable,
    mut reductions: Vec<String>,
    mut notes: Vec<String>,
) -> DataSummary {
    let (loaded, task) = (&table.loaded, &table.task);
    let count = |split| task.rows(split);
    let reading = found(table);
    reductions.extend(reduction(table));
    notes.extend(loaded.summary.notes.iter().cloned());
    DataSummary {
        twin: loaded.twin,
        source: loaded.source.clone(),
        checksums: loaded.checksums.clone(),
        rows: rows(count),
        classes: loaded.schema.classes.clone(),
        reductions,
        notes,
        reading: Some(reading.to_value()),
    }
}

/// What was found in the table and how it is split: the lines that a run shows before training.
pub(crate) fn found(table: &EncodedTable) -> Summary {
    let mut found = table.loaded.summary.clone();
    found.split = rows(|split| table.task.rows(split));
    found.notes.extend(reduction(table));
    found
}

/// Says how many training rows `data.train-rows` left; `None` if all of them.
fn reduction(table: &EncodedTable) -> Option<String> {
    let count = |split| table.task.rows(split);
    let (train, labels) = (count(Split::Train), table.loaded.labels.len());
    let all = labels - count(Split::Valid) - count(Split::Test);
    (train < all).then(|| format!("{train} of {all} training rows, stratified by class"))
}

/// Number of rows in each part of the split.
fn rows(count: impl Fn(Split) -> usize) -> BTreeMap<String, usize> {
    [
        ("train".to_owned(), count(Split::Train)),
        ("valid".to_owned(), count(Split::Valid)),
        ("test".to_owned(), count(Split::Test)),
    ]
    .into()
}

/// How numbers are encoded, for the notes of a record.
pub(crate) fn encoding_note(settings: &TabularSettings) -> String {
    format!(
        "numbers are encoded {} ({} bins at most)",
        settings.encoding.numbers.name(),
        settings.encoding.bins
    )
}

/// How the rows were split, for the notes of a record.
pub(crate) fn split_note(settings: &TabularSettings) -> String {
    if let Some(column) = &settings.data.group {
        return format!("split by group, column {column}");
    }
    if let Some(column) = &settings.data.time {
        return format!("split by time, column {column}");
    }
    if settings.data.valid_file.is_some() {
        return "validation rows of a file of their own".to_owned();
    }
    match settings.data.split {
        SplitKind::Random => format!(
            "split {:.0}/{:.0} by seed, stratified by class",
            100.0 * (1.0 - settings.data.test_fraction),
            100.0 * settings.data.test_fraction
        ),
        SplitKind::Official => "the files' own test split".to_owned(),
    }
}
