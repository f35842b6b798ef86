//! Reads a Parquet file into a [`Table`]: integers, floats and booleans as they are typed, strings
//! (plain or dictionary-encoded) as categories, nulls as missing.

use crate::table::{Categories, Cells, Column, Table};
use crate::{Error, Result};
use arrow::array::{ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use std::fs::File;
use std::path::Path;

/// Reads a Parquet file; rows are named by their 1-based number. Text cells are trimmed, and an
/// empty one or one in `missing` counts as missing, as in [`crate::read_csv`].
///
/// # Errors
/// A file that is no Parquet file or holds no rows; a column of a type that is neither number,
/// boolean nor string; a number that is NaN or infinite.
pub fn read_parquet(path: &Path, missing: &[String]) -> Result<Table> {
    let file =
        File::open(path).map_err(|error| Error::file(path, format!("cannot be read: {error}")))?;
    let bad = |error: &dyn std::fmt::Display| {
        Error::file(path, format!("is not readable Parquet: {error}"))
    };
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| bad(&error))?;
    let schema = builder.schema().clone();
    let mut columns = schema
        .fields()
        .iter()
        .map(|field| {
            Ok(Column {
                name: field.name().clone(),
                cells: empty_cells(path, field.name(), field.data_type())?,
            })
        })
        .collect::<Result<Vec<_>>>()?;
    let mut rows = 0u64;
    for batch in builder.build().map_err(|error| bad(&error))? {
        let batch = batch.map_err(|error| bad(&error))?;
        for (column, array) in columns.iter_mut().zip(batch.columns()) {
            append(path, rows, missing, column, array)?;
        }
        rows += batch.num_rows() as u64;
    }
    Table::new(path, columns, (1..=rows).collect())
}

fn empty_cells(path: &Path, name: &str, kind: &DataType) -> Result<Cells> {
    if kind.is_numeric() {
        return Ok(Cells::Numeric(Vec::new()));
    }
    let value_kind = match kind {
        DataType::Dictionary(_, value) => value.as_ref(),
        other => other,
    };
    match value_kind {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Boolean => {
            Ok(Cells::Categorical(Categories::default()))
        }
        other => Err(Error::file(
            path,
            format!(
                "column '{name}' is of type {other}; expected a number, a boolean or a string \
                 (convert the column, or leave it out of the file)"
            ),
        )),
    }
}

fn append(
    path: &Path,
    before: u64,
    missing: &[String],
    column: &mut Column,
    array: &ArrayRef,
) -> Result<()> {
    let convert = |kind: &DataType| {
        cast(array, kind).map_err(|error| {
            Error::file(
                path,
                format!("column '{}' cannot be converted: {error}", column.name),
            )
        })
    };
    match &mut column.cells {
        Cells::Numeric(values) => {
            let array = convert(&DataType::Float64)?;
            for (row, value) in array.as_primitive::<Float64Type>().iter().enumerate() {
                if let Some(value) = value.filter(|value| !value.is_finite()) {
                    return Err(Error::Cell {
                        path: path.to_path_buf(),
                        row: before + row as u64 + 1,
                        column: column.name.clone(),
                        expected: "a finite number (null where a value is missing)".into(),
                        found: value.to_string(),
                    });
                }
                values.push(value);
            }
        }
        Cells::Categorical(categories) => {
            let array = convert(&DataType::Utf8)?;
            for cell in array.as_string::<i32>().iter() {
                let cell = cell
                    .map(str::trim)
                    .filter(|cell| !cell.is_empty() && !missing.iter().any(|m| m == cell));
                categories.push(cell);
            }
        }
    }
    Ok(())
}
