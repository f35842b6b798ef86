//! Reads what a program answered, and trusts nothing of it.

use super::ROW;
use crate::predictions::guard::guarded;
use crate::{Error, Result};
use ::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use arrow::array::{Array, AsArray};
use arrow::compute::{CastOptions, cast, cast_with_options};
use arrow::datatypes::{DataType, Float64Type, UInt32Type};
use arrow::record_batch::RecordBatch;
use serde::Deserialize;
use std::fs::File;
use std::path::Path;

/// A row's probabilities may miss a sum of 1 by this much, for tools that compute in f32.
const ROUNDING: f64 = 1e-3;

/// The content of `answer.json`.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Facts {
    /// The run that was answered.
    run: String,
    /// Number of fitted numbers, if the tool knows it.
    #[serde(default)]
    pub(super) parameters: Option<u64>,
    /// Size of the saved model in bytes, if the tool knows it.
    #[serde(default)]
    pub(super) bytes: Option<u64>,
    /// Seconds of fitting alone, if the tool measured them.
    #[serde(default)]
    pub(super) fit_seconds: Option<f64>,
    /// What any table must say: versions, the chosen settings.
    #[serde(default)]
    pub(super) notes: Vec<String>,
}

/// Reads `answer.json` and refuses that of another run.
pub(super) fn facts(path: &Path, tool: &str, run: &str) -> Result<Facts> {
    let text = std::fs::read(path).map_err(|error| {
        Error::Task(format!(
            "{tool} ended without an answer: {} cannot be read ({error})",
            path.display()
        ))
    })?;
    let facts: Facts = serde_json::from_slice(&text)
        .map_err(|error| Error::file(path, format!("{tool}: not an answer ({error})")))?;
    if facts.run != run {
        return Err(Error::file(
            path,
            format!("{tool} answered the run {}, not {run}", facts.run),
        ));
    }
    Ok(facts)
}

/// Reads probabilities, rows x classes, of `rows` rows.
pub(super) fn probabilities(
    path: &Path,
    tool: &str,
    classes: &[String],
    rows: usize,
) -> Result<Vec<f64>> {
    guarded(path, || read(path, tool, classes, rows))
}

fn read(path: &Path, tool: &str, classes: &[String], rows: usize) -> Result<Vec<f64>> {
    let wrong = |what: String| Error::file(path, format!("{tool}: {what}"));
    let file = File::open(path).map_err(|e| wrong(format!("there are no probabilities ({e})")))?;
    let reader = ParquetRecordBatchReaderBuilder::try_new(file)
        .and_then(ParquetRecordBatchReaderBuilder::build)
        .map_err(|e| wrong(format!("not a Parquet file ({e})")))?;
    let mut probabilities = Vec::with_capacity(rows * classes.len());
    let mut next = 0usize;
    for batch in reader {
        let batch = batch.map_err(|e| wrong(format!("is damaged ({e})")))?;
        let numbers = numbers(&batch, &wrong)?;
        let columns = columns(&batch, classes, &wrong)?;
        for at in 0..batch.num_rows() {
            if numbers[at] as usize != next {
                return Err(wrong(format!(
                    "row {next} has {ROW} {}; expected the rows in the order in which they were given",
                    numbers[at]
                )));
            }
            let row: Vec<f64> = columns.iter().map(|column| column[at]).collect();
            let sum: f64 = row.iter().sum();
            if row.iter().any(|p| !(0.0..=1.0 + ROUNDING).contains(p))
                || (sum - 1.0).abs() > ROUNDING
            {
                return Err(wrong(format!(
                    "row {next} has the probabilities {row:?}; expected numbers from 0 to 1 with a sum of 1"
                )));
            }
            probabilities.extend(row.iter().map(|p| p / sum));
            next += 1;
        }
    }
    if next != rows {
        return Err(wrong(format!("has {next} rows; expected {rows}")));
    }
    Ok(probabilities)
}

fn numbers(batch: &RecordBatch, wrong: &dyn Fn(String) -> Error) -> Result<Vec<u32>> {
    let column = batch
        .column_by_name(ROW)
        .ok_or_else(|| wrong(format!("has no column {ROW}")))?;
    let strict = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    let column = cast_with_options(column, &DataType::UInt32, &strict)
        .map_err(|e| wrong(format!("column {ROW} holds no row numbers ({e})")))?;
    if column.null_count() > 0 {
        return Err(wrong(format!("column {ROW} has an empty cell")));
    }
    Ok(column.as_primitive::<UInt32Type>().values().to_vec())
}

/// The columns of the classes, in the order of `classes`, wherever they stand in the file.
fn columns(
    batch: &RecordBatch,
    classes: &[String],
    wrong: &dyn Fn(String) -> Error,
) -> Result<Vec<Vec<f64>>> {
    let of = |class: &String| {
        let name = format!("p_{class}");
        let column = batch.column_by_name(&name).ok_or_else(|| {
            let schema = batch.schema();
            let there: Vec<&str> = schema.fields().iter().map(|f| f.name().as_str()).collect();
            wrong(format!(
                "has no column {name}; expected one for each class, and there are {}",
                there.join(", ")
            ))
        })?;
        let column = cast(column, &DataType::Float64)
            .map_err(|e| wrong(format!("column {name} holds no numbers ({e})")))?;
        if column.null_count() > 0 {
            return Err(wrong(format!("column {name} has an empty cell")));
        }
        Ok(column.as_primitive::<Float64Type>().values().to_vec())
    };
    classes.iter().map(of).collect()
}
