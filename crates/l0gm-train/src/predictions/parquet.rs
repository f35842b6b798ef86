//! Predictions as a Parquet file: each row's split, place in the user's data, classes, logits and probabilities.
//!
//! One file holds a run's validation and test predictions, so that any metric can be computed again, two runs can be
//! compared bit for bit, and predictions can be joined to the rows they belong to.

use super::guard::guarded;
use super::origins::{Origins, RowKeys, RowOrigins};
use crate::{Error, PredictionTable, Result, Split, run_dir::write_atomically_with};
use ::parquet::arrow::{ArrowWriter, arrow_reader::ParquetRecordBatchReaderBuilder};
use ::parquet::basic::{Compression, ZstdLevel};
use ::parquet::errors::ParquetError;
use ::parquet::file::metadata::KeyValue;
use ::parquet::file::properties::WriterProperties;
use arrow::array::{
    Array, ArrayRef, Float32Array, Float64Array, StringArray, UInt32Array, UInt64Array,
};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::record_batch::RecordBatch;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

/// What names the rows and the classes of predictions. The default names neither.
#[derive(Clone, Copy, Debug, Default)]
pub struct Legend<'a> {
    /// The classes' names, in the order of the logits; empty if they are not known.
    pub classes: &'a [String],
    /// Where the rows of the validation and test splits stand in the user's data, if that is known.
    pub origins: Option<&'a Origins>,
}

/// Key of the classes' names, a JSON array, in the file's metadata.
const CLASSES: &str = "l0gm:classes";

impl Legend<'_> {
    /// Where the rows of a split stand.
    fn rows(&self, split: Split) -> Option<&RowOrigins> {
        let origins = self.origins?;
        match split {
            Split::Train => None,
            Split::Valid => Some(&origins.valid),
            Split::Test => Some(&origins.test),
        }
    }

    /// Refuses a legend that does not belong to these tables.
    fn check(&self, tables: &[PredictionTable], classes: usize) -> Result<()> {
        if !self.classes.is_empty() && self.classes.len() != classes {
            return Err(Error::Task(format!(
                "{} names for the {classes} classes that are predicted",
                self.classes.len()
            )));
        }
        let Some(origins) = self.origins else {
            return Ok(());
        };
        let rows = |split| {
            let table = tables.iter().find(|table| table.split == split);
            table.map_or(0, |table| table.rows.len())
        };
        origins.check([rows(Split::Valid), rows(Split::Test)])?;
        match tables.iter().any(|table| table.split == Split::Train) {
            true => Err(Error::Task(
                "the places of training rows are not kept, and predictions of them are to be written"
                    .to_owned(),
            )),
            false => Ok(()),
        }
    }
}

/// Writes all tables into one file, atomically. The tables must have the same number of classes. Columns:
///
/// - `split`, `row` (number within the split) and `label` (number of the class);
/// - with origins, `source_file` and `source_row`: the row's number in the file, from 1, or its name;
/// - with classes, `label_class` and `predicted_class`, their names;
/// - `logit_0`.. as the model computes them, and `p_0`.., their softmax in f64.
///
/// With classes, the file's metadata have their names, a JSON array in the order of the columns, as `l0gm:classes`.
///
/// # Errors
/// The tables do not fit together or do not fit the legend, or the file cannot be written.
pub fn write_predictions(
    path: &Path,
    tables: &[PredictionTable],
    legend: Legend<'_>,
) -> Result<()> {
    let classes = tables.first().map_or(0, |table| table.classes);
    for table in tables {
        if table.classes != classes
            || table.rows.len() != table.labels.len()
            || table.logits.len() != table.rows.len() * classes
            || table.labels.iter().any(|label| *label as usize >= classes)
        {
            return Err(Error::file(
                path,
                "the tables to be written differ in their classes, or in their columns' lengths",
            ));
        }
    }
    legend.check(tables, classes)?;
    let schema = Arc::new(schema(classes, legend));
    let names = (!legend.classes.is_empty())
        .then(|| serde_json::to_string(legend.classes))
        .transpose()
        .map_err(|e| Error::Task(format!("the classes' names cannot be written: {e}")))?
        .map(|names| vec![KeyValue::new(CLASSES.to_owned(), names)]);
    let level = ZstdLevel::try_new(3).map_err(|e| parquet_error(path, &e))?;
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(level))
        .set_key_value_metadata(names)
        .build();
    write_atomically_with(path, |file, _| {
        let write = || -> std::result::Result<(), ParquetError> {
            let mut writer = ArrowWriter::try_new(file, schema.clone(), Some(properties))?;
            for table in tables.iter().filter(|table| !table.rows.is_empty()) {
                writer.write(&to_batch(table, &schema, legend)?)?;
            }
            writer.close()?;
            Ok(())
        };
        // Keep the cause's kind, so that a full disk is reported as one.
        write().map_err(|e| match e {
            ParquetError::External(inner) => match inner.downcast::<std::io::Error>() {
                Ok(io) => *io,
                Err(other) => std::io::Error::other(other.to_string()),
            },
            other => std::io::Error::other(other),
        })
    })
}

/// Reads the file back as one table per split, in the order of the file. Errors name the column that is missing or of
/// another type, or the row that is out of order or has an invalid label.
pub fn read_predictions(path: &Path) -> Result<Vec<PredictionTable>> {
    guarded(path, || read(path))
}

fn read(path: &Path) -> Result<Vec<PredictionTable>> {
    let file = File::open(path).map_err(|e| Error::io(path, "open this file", &e))?;
    let builder =
        ParquetRecordBatchReaderBuilder::try_new(file).map_err(|e| parquet_error(path, &e))?;
    let names: Vec<&str> = builder
        .schema()
        .fields()
        .iter()
        .map(|f| f.name().as_str())
        .collect();
    let classes = names
        .iter()
        .filter(|name| name.starts_with("logit_"))
        .count();
    if classes == 0 {
        return Err(Error::file(
            path,
            format!(
                "no column `logit_0`: not a predictions file; its columns: {}",
                names.join(", ")
            ),
        ));
    }
    let reader = builder.build().map_err(|e| parquet_error(path, &e))?;
    let mut tables: Vec<PredictionTable> = Vec::new();
    for batch in reader {
        let batch = batch
            .map_err(|e| Error::file(path, format!("is damaged ({e}); delete it and run again")))?;
        append(&mut tables, &batch, classes, path)?;
    }
    Ok(tables)
}

fn schema(classes: usize, legend: Legend<'_>) -> Schema {
    let field = |name: &str, kind: DataType| Field::new(name, kind, false);
    let mut fields = vec![
        field("split", DataType::Utf8),
        field("row", DataType::UInt32),
        field("label", DataType::UInt32),
    ];
    if let Some(origins) = legend.origins {
        // An empty split has no names, whatever the other's rows have.
        let told = match origins.test.is_empty() {
            true => &origins.valid,
            false => &origins.test,
        };
        if !told.files.is_empty() {
            fields.push(field("source_file", DataType::Utf8));
        }
        fields.push(match told.keys {
            RowKeys::Numbers(_) => field("source_row", DataType::UInt64),
            RowKeys::Names(_) => field("source_row", DataType::Utf8),
        });
    }
    if !legend.classes.is_empty() {
        fields.push(field("label_class", DataType::Utf8));
        fields.push(field("predicted_class", DataType::Utf8));
    }
    for (kind, width) in [("logit", DataType::Float32), ("p", DataType::Float64)] {
        fields.extend((0..classes).map(|k| field(&format!("{kind}_{k}"), width.clone())));
    }
    Schema::new(fields)
}

fn to_batch(
    table: &PredictionTable,
    schema: &Arc<Schema>,
    legend: Legend<'_>,
) -> std::result::Result<RecordBatch, arrow::error::ArrowError> {
    let n = table.rows.len();
    let classes = table.classes;
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from(vec![<&str>::from(table.split); n])),
        Arc::new(UInt32Array::from(table.rows.clone())),
        Arc::new(UInt32Array::from(table.labels.clone())),
    ];
    if let Some(origins) = legend.rows(table.split) {
        if !origins.files.is_empty() {
            columns.push(text(origins.files.iter().map(|file| &**file)));
        }
        columns.push(match &origins.keys {
            RowKeys::Numbers(numbers) => Arc::new(UInt64Array::from(numbers.clone())),
            RowKeys::Names(names) => text(names.iter().map(String::as_str)),
        });
    }
    if !legend.classes.is_empty() {
        let predicted = crate::metrics::top_labels(&table.logits, classes);
        for labels in [&table.labels, &predicted] {
            let names = labels.iter().map(|&label| &legend.classes[label as usize]);
            columns.push(text(names.map(String::as_str)));
        }
    }
    for k in 0..classes {
        let column = table.logits.iter().skip(k).step_by(classes).copied();
        columns.push(Arc::new(Float32Array::from_iter_values(column)));
    }
    let probabilities = table.probabilities();
    for k in 0..classes {
        let column = probabilities.iter().skip(k).step_by(classes).copied();
        columns.push(Arc::new(Float64Array::from_iter_values(column)));
    }
    RecordBatch::try_new(schema.clone(), columns)
}

fn text<'a>(cells: impl Iterator<Item = &'a str>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(cells))
}

fn append(
    tables: &mut Vec<PredictionTable>,
    batch: &RecordBatch,
    classes: usize,
    path: &Path,
) -> Result<()> {
    let splits: &StringArray = column(batch, "split", path)?;
    let rows: &UInt32Array = column(batch, "row", path)?;
    let labels: &UInt32Array = column(batch, "label", path)?;
    let logits = (0..classes)
        .map(|k| column::<Float32Array>(batch, &format!("logit_{k}"), path))
        .collect::<Result<Vec<_>>>()?;
    for i in 0..batch.num_rows() {
        let bad = |what: String| Error::file(path, format!("row {i}: {what}"));
        let split: Split = (splits.value(i).parse())
            .map_err(|_| bad(format!("unknown split {:?}", splits.value(i))))?;
        let (row, label) = (rows.value(i), labels.value(i));
        if label as usize >= classes {
            return Err(bad(format!(
                "label {label}, but there are {classes} classes"
            )));
        }
        if tables.last().is_none_or(|table| table.split != split) {
            if tables.iter().any(|table| table.split == split) {
                return Err(bad(format!("split {:?} begins twice", splits.value(i))));
            }
            tables.push(PredictionTable {
                split,
                rows: Vec::new(),
                labels: Vec::new(),
                logits: Vec::new(),
                classes,
            });
        }
        let Some(table) = tables.last_mut() else {
            continue;
        };
        if table.rows.last().is_some_and(|last| *last >= row) {
            return Err(bad(format!("row number {row} is not above the one before")));
        }
        table.rows.push(row);
        table.labels.push(label);
        table
            .logits
            .extend(logits.iter().map(|column| column.value(i)));
    }
    Ok(())
}

/// A column by name and type. It is an error if it contains nulls.
fn column<'a, A: Array + 'static>(
    batch: &'a RecordBatch,
    name: &str,
    path: &Path,
) -> Result<&'a A> {
    let array = batch.column_by_name(name).ok_or_else(|| {
        Error::file(
            path,
            format!("no column `{name}`: not a predictions file of this version"),
        )
    })?;
    if array.null_count() > 0 {
        return Err(Error::file(
            path,
            format!("column `{name}` has absent values"),
        ));
    }
    array.as_any().downcast_ref().ok_or_else(|| {
        Error::file(
            path,
            format!("column `{name}` has the type {}", array.data_type()),
        )
    })
}

fn parquet_error(path: &Path, error: &ParquetError) -> Error {
    Error::file(
        path,
        format!("is damaged or no Parquet file ({error}); delete it and run again"),
    )
}

#[cfg(test)]
#[path = "parquet_tests.rs"]
mod tests;
