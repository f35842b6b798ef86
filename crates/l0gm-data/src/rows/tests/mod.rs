//! Tests of reading whole files, in every format and with every kind of mistake.
#![allow(clippy::unwrap_used)]

mod containers;
mod decimals;
mod hostile;
mod kinds;
mod labels;
mod messy;
mod same_everywhere;

use super::{RawTable, ReadOptions, Source};
use arrow::array::{ArrayRef, RecordBatch};
use std::path::{Path, PathBuf};

/// Writes a file and gives its path.
pub(super) fn write(dir: &Path, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
    let path = dir.join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

pub(super) fn read_as(
    name: &str,
    bytes: impl AsRef<[u8]>,
    options: &ReadOptions,
) -> super::Result<RawTable> {
    let dir = tempfile::tempdir().unwrap();
    super::read(&Source::path(write(dir.path(), name, bytes)), options)
}

pub(super) fn read(text: &str) -> RawTable {
    read_as("a.csv", text, &ReadOptions::default()).unwrap()
}

/// The message with which a file is refused.
pub(super) fn refused(text: &str) -> String {
    read_as("a.csv", text, &ReadOptions::default())
        .unwrap_err()
        .to_string()
}

pub(super) fn column(table: &RawTable, name: &str) -> Vec<Option<String>> {
    table
        .column(name)
        .unwrap()
        .cells
        .iter()
        .map(|cell| cell.map(str::to_owned))
        .collect()
}

pub(super) fn parquet(columns: Vec<(&str, ArrayRef)>) -> Vec<u8> {
    let columns = columns.into_iter().map(|(name, array)| (name, array, true));
    let batch = RecordBatch::try_from_iter_with_nullable(columns).unwrap();
    let mut bytes = Vec::new();
    let mut writer =
        parquet::arrow::ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    bytes
}

pub(super) fn says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "'{part}' is missing in: {text}");
    }
}
