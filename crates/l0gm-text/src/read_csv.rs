//! Texts and labels from a CSV file with a header row.
use crate::corpus::{Columns, RawRows};
use crate::{Error, Result, error::nearest};
use std::path::Path;

/// Reads the two columns; every row must have as many fields as the header.
pub(crate) fn read(path: &Path, columns: Columns<'_>) -> Result<RawRows> {
    let mut reader = csv::ReaderBuilder::new()
        .from_path(path)
        .map_err(|e| describe(path, &e))?;
    let header = reader.headers().map_err(|e| describe(path, &e))?.clone();
    if header.iter().all(str::is_empty) {
        return Err(Error::corpus(
            path,
            "the file is empty; expected a header row with the columns' names",
        ));
    }
    let find = |name: &str| {
        header.iter().position(|h| h == name).ok_or_else(|| {
            Error::corpus(
                path,
                format!(
                    "has no column \"{name}\"{}; its columns are {:?}",
                    nearest(name, header.iter()),
                    header.iter().collect::<Vec<_>>()
                ),
            )
        })
    };
    let (text, label) = (find(columns.text)?, find(columns.label)?);
    let mut rows = RawRows::default();
    for record in reader.records() {
        let record = record.map_err(|e| describe(path, &e))?;
        rows.texts.push(record[text].to_string());
        rows.labels.push(record[label].trim().to_string());
    }
    Ok(rows)
}

fn describe(path: &Path, error: &csv::Error) -> Error {
    let line = error
        .position()
        .map(|p| format!("line {}: ", p.line()))
        .unwrap_or_default();
    let message = match error.kind() {
        csv::ErrorKind::Utf8 { err, .. } => format!(
            "{line}field {} is not valid UTF-8; save the file as UTF-8",
            err.field() + 1
        ),
        csv::ErrorKind::UnequalLengths {
            expected_len, len, ..
        } => format!("{line}has {len} fields, the header has {expected_len}"),
        _ => error.to_string(),
    };
    Error::corpus(path, message)
}
