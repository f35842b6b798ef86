//! Texts and labels from a Parquet file; the labels may be strings, integers or booleans.
use crate::corpus::{Columns, RawRows};
use crate::{Error, Result, error::nearest};
use arrow::array::{Array, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use std::fs::File;
use std::path::Path;

/// Reads the two columns only.
pub(crate) fn read(path: &Path, columns: Columns<'_>) -> Result<RawRows> {
    let wrong = |e: &dyn std::fmt::Display| {
        Error::corpus(path, format!("is not a readable Parquet file ({e})"))
    };
    let file =
        File::open(path).map_err(|e| Error::corpus(path, format!("cannot be opened: {e}")))?;
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|e| wrong(&e))?;
    let schema = builder.schema().clone();
    let names: Vec<&str> = schema.fields().iter().map(|f| f.name().as_str()).collect();
    let find = |name: &str| {
        names.iter().position(|n| *n == name).ok_or_else(|| {
            Error::corpus(
                path,
                format!(
                    "has no column \"{name}\"{}; its columns are {names:?}",
                    nearest(name, names.iter().copied())
                ),
            )
        })
    };
    let wanted = [find(columns.text)?, find(columns.label)?];
    let mask = ProjectionMask::roots(builder.parquet_schema(), wanted);
    let reader = builder
        .with_projection(mask)
        .build()
        .map_err(|e| wrong(&e))?;
    let mut rows = RawRows::default();
    for batch in reader {
        let batch = batch.map_err(|e| wrong(&e))?;
        append(&mut rows.texts, &batch, columns.text, path, false)?;
        append(&mut rows.labels, &batch, columns.label, path, true)?;
    }
    Ok(rows)
}

/// One column of a batch as strings.
fn append(
    into: &mut Vec<String>,
    batch: &RecordBatch,
    name: &str,
    path: &Path,
    label: bool,
) -> Result<()> {
    let column = batch
        .column_by_name(name)
        .ok_or_else(|| Error::corpus(path, format!("column \"{name}\" vanished while reading")))?;
    let kind = column.data_type();
    let text = match kind {
        DataType::Dictionary(_, value) => is_string(value),
        other => is_string(other),
    };
    if !(text || label && (kind.is_integer() || *kind == DataType::Boolean)) {
        let allowed = if label {
            "strings, integers or booleans"
        } else {
            "strings"
        };
        return Err(Error::corpus(
            path,
            format!("column \"{name}\" holds {kind}; expected {allowed}"),
        ));
    }
    let strings = cast(column, &DataType::Utf8)
        .map_err(|e| Error::corpus(path, format!("column \"{name}\" cannot be read: {e}")))?;
    let strings = strings
        .as_any()
        .downcast_ref::<StringArray>()
        .ok_or_else(|| {
            Error::corpus(path, format!("column \"{name}\" cannot be read as strings"))
        })?;
    let first = into.len();
    for (i, value) in strings.iter().enumerate() {
        let value = value.ok_or_else(|| {
            Error::corpus(
                path,
                format!(
                    "row {} (counted from 0) has no value in column \"{name}\"",
                    first + i
                ),
            )
        })?;
        into.push(value.to_string());
    }
    Ok(())
}

fn is_string(kind: &DataType) -> bool {
    matches!(
        kind,
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
    )
}
