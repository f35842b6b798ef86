//! Predictions as a Parquet file: row, split, label, and one probability and one logit per class.
//!
//! One file holds a run's validation and test predictions, so that any metric can be computed again and two runs can
//! be compared bit for bit.

use super::guard::guarded;
use crate::{Error, PredictionTable, Result, Split, run_dir::write_atomically_with};
use ::parquet::arrow::{ArrowWriter, arrow_reader::ParquetRecordBatchReaderBuilder};
use ::parquet::basic::{Compression, ZstdLevel};
use ::parquet::errors::ParquetError;
use ::parquet::file::properties::WriterProperties;
use arrow::array::{Array, ArrayRef, Float32Array, StringArray, UInt32Array};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::record_batch::RecordBatch;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

/// Writes all tables into one file, atomically. Columns: `split`, `row`, `label`, `logit_0`.., `p_0`... The tables
/// must have the same number of classes.
pub fn write_predictions(path: &Path, tables: &[PredictionTable]) -> Result<()> {
    let classes = tables.first().map_or(0, |table| table.classes);
    for table in tables {
        if table.classes != classes
            || table.rows.len() != table.labels.len()
            || table.logits.len() != table.rows.len() * classes
        {
            return Err(Error::file(
                path,
                "the tables to be written differ in their classes, or in their columns' lengths",
            ));
        }
    }
    let schema = Arc::new(schema(classes));
    let level = ZstdLevel::try_new(3).map_err(|e| parquet_error(path, &e))?;
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(level))
        .build();
    write_atomically_with(path, |file, _| {
        let write = || -> std::result::Result<(), ParquetError> {
            let mut writer = ArrowWriter::try_new(file, schema.clone(), Some(properties))?;
            for table in tables {
                writer.write(&to_batch(table, &schema)?)?;
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

fn schema(classes: usize) -> Schema {
    let mut fields = vec![
        Field::new("split", DataType::Utf8, false),
        Field::new("row", DataType::UInt32, false),
        Field::new("label", DataType::UInt32, false),
    ];
    for kind in ["logit", "p"] {
        fields.extend(
            (0..classes).map(|k| Field::new(format!("{kind}_{k}"), DataType::Float32, false)),
        );
    }
    Schema::new(fields)
}

fn to_batch(
    table: &PredictionTable,
    schema: &Arc<Schema>,
) -> std::result::Result<RecordBatch, arrow::error::ArrowError> {
    let n = table.rows.len();
    let classes = table.classes;
    let probabilities: Vec<f32> = table.probabilities().iter().map(|p| *p as f32).collect();
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from(vec![<&str>::from(table.split); n])),
        Arc::new(UInt32Array::from(table.rows.clone())),
        Arc::new(UInt32Array::from(table.labels.clone())),
    ];
    for values in [&table.logits, &probabilities] {
        for k in 0..classes {
            let column = values.iter().skip(k).step_by(classes).copied();
            columns.push(Arc::new(Float32Array::from_iter_values(column)));
        }
    }
    RecordBatch::try_new(schema.clone(), columns)
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
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn tables() -> Vec<PredictionTable> {
        vec![
            PredictionTable {
                split: Split::Valid,
                rows: vec![0, 1, 2],
                labels: vec![0, 1, 2],
                logits: vec![1.0, -1.0, 0.5, 0.1, 0.2, 0.3, f32::MIN_POSITIVE, 0.0, 9.0],
                classes: 3,
            },
            PredictionTable {
                split: Split::Test,
                rows: vec![0, 7],
                labels: vec![2, 2],
                logits: vec![0.0, 1.0, 2.0, -3.0, 1e30, 4.0],
                classes: 3,
            },
        ]
    }

    #[test]
    fn predictions_come_back_bit_for_bit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("predictions.parquet");
        write_predictions(&path, &tables()).unwrap();
        assert_eq!(read_predictions(&path).unwrap(), tables());
        let first = std::fs::read(&path).unwrap();
        write_predictions(&path, &tables()).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), first);
    }

    #[test]
    fn probabilities_sum_to_one_and_nll_is_their_logarithm() {
        let table = &tables()[0];
        let p = table.probabilities();
        for row in p.chunks(3) {
            assert!((row.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        }
        let nll = -(p[0].ln() + p[4].ln() + p[8].ln()) / 3.0;
        assert!((table.nll() - nll).abs() < 1e-12);
        assert!((table.accuracy() - 2.0 / 3.0).abs() < 1e-12);
    }

    #[test]
    fn tables_that_do_not_fit_together_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("predictions.parquet");
        let mut bad = tables();
        bad[1].labels.pop();
        assert!(write_predictions(&path, &bad).is_err());
        assert!(!path.exists());
    }

    #[test]
    fn no_changed_byte_makes_reading_panic() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("predictions.parquet");
        write_predictions(&path, &tables()).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for at in 0..whole.len() {
            for change in [0x01, 0x80] {
                let mut bytes = whole.clone();
                bytes[at] ^= change;
                std::fs::write(&path, &bytes).unwrap();
                if let Err(error) = read_predictions(&path) {
                    let text = error.to_string();
                    assert!(text.contains("predictions.parquet"), "byte {at}: {text}");
                }
            }
        }
    }

    #[test]
    fn a_truncated_file_and_another_file_are_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("predictions.parquet");
        write_predictions(&path, &tables()).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() - 9]).unwrap();
        let text = read_predictions(&path).unwrap_err().to_string();
        assert!(
            text.contains("predictions.parquet") && text.contains("delete it"),
            "{text}"
        );

        // A Parquet file with other columns than a prediction file's.
        let schema = Arc::new(Schema::new(vec![Field::new("x", DataType::UInt32, false)]));
        let batch =
            RecordBatch::try_new(schema.clone(), vec![Arc::new(UInt32Array::from(vec![1]))]);
        let file = File::create(&path).unwrap();
        let mut writer = ArrowWriter::try_new(file, schema, None).unwrap();
        writer.write(&batch.unwrap()).unwrap();
        writer.close().unwrap();
        let text = read_predictions(&path).unwrap_err().to_string();
        assert!(
            text.contains("logit_0") && text.contains("its columns: x"),
            "{text}"
        );
    }
}
