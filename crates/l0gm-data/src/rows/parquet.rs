//! Reads Parquet. Every column is converted to text, so that a table means the same as CSV and as Parquet: an integer
//! `1` becomes "1", a boolean "true", a day "2021-08-12"; null and NaN are missing.

use super::guard::{damaged, guarded};
use super::missing::Missing;
use super::options::{BYTES, COLUMNS, Caps, Wanted, allowed};
use super::table::{Cells, RawColumn, RawTable, Typed, too_long};
use super::{Error, Place, ReadOptions, Result, Source, decimal, number, shown};
use ::bytes::Bytes;
use ::parquet::arrow::ProjectionMask;
use ::parquet::arrow::arrow_reader::{
    ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use ::parquet::file::metadata::ParquetMetaData;
use ::parquet::file::reader::ChunkReader;
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Float32Type, Float64Type, Int64Type, TimeUnit, UInt64Type};
use arrow::record_batch::RecordBatch;
use chrono::{DateTime, Timelike};
use std::fmt::Write;
use std::fs::File;

/// Opens a Parquet file; all of the workspace uses this function. Read its batches inside
/// [`guarded`](super::guarded), because a damaged file can make the library panic at any batch.
///
/// # Errors
/// Fails if the file cannot be read, is too large or damaged, or is not a Parquet file.
pub fn open_parquet(
    source: &Source,
    caps: &Caps,
) -> Result<ParquetRecordBatchReaderBuilder<Bytes>> {
    let name = source.name();
    match super::bytes::read(source, caps)? {
        super::bytes::Content::Parquet(bytes) => {
            let length = bytes.len() as u64;
            open(&name, bytes, length)
        }
        super::bytes::Content::Text(_) => Err(Error::file(
            &name,
            "is not readable Parquet: it does not begin with 'PAR1'",
        )),
    }
}

fn open<R: ChunkReader + 'static>(
    file: &str,
    content: R,
    length: u64,
) -> Result<ParquetRecordBatchReaderBuilder<R>> {
    guarded(file, || {
        // Use only the types of the Parquet schema. What Arrow adds (dictionaries, time zones) describes how the
        // writer stored a column, not the meaning of its cells.
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let builder = ParquetRecordBatchReaderBuilder::try_new_with_options(content, options)
            .map_err(|error| unreadable(file, &error))?;
        check(file, builder.metadata(), length)?;
        Ok(builder)
    })
}

/// Checks the sizes in the footer against the file, because the library allocates memory by them.
fn check(file: &str, metadata: &ParquetMetaData, length: u64) -> Result<()> {
    let bad = |what: &str| Err(damaged(file, what));
    let mut rows = 0i64;
    for group in metadata.row_groups() {
        if group.num_rows() < 0 {
            return bad("a row group has a negative number of rows");
        }
        rows = rows.saturating_add(group.num_rows());
        for column in group.columns() {
            let (start, size) = column.byte_range();
            if start.saturating_add(size) > length {
                return bad("a column reaches beyond the file's end");
            }
            if column.num_values() < 0 || column.uncompressed_size() < 0 {
                return bad("a column has a negative size");
            }
        }
    }
    match metadata.file_metadata().num_rows() == rows {
        true => Ok(()),
        false => bad("its number of rows is not that of its row groups"),
    }
}

/// The error about Parquet that the library cannot read.
pub(super) fn unreadable(file: &str, error: &dyn std::fmt::Display) -> Error {
    let message = super::shown(&error.to_string());
    Error::file(
        file,
        format!(
            "is not readable Parquet, or is damaged: {message}; copy, download or write it again"
        ),
    )
}

pub(super) fn read(file: &str, bytes: Bytes, options: &ReadOptions) -> Result<RawTable> {
    guarded(file, || {
        let length = bytes.len() as u64;
        let builder = open(file, bytes, length)?;
        let (columns, mask) = Columns::find(file, &builder, options)?;
        check_size(file, builder.metadata(), columns.read.len(), &options.caps)?;
        let reader = builder
            .with_projection(mask)
            .build()
            .map_err(|error| unreadable(file, &error))?;
        let batches = reader.map(|batch| batch.map_err(|error| unreadable(file, &error)));
        let missing = Missing::new(&options.missing);
        let mut table = columns.table(file, batches, 0, &missing, options.prefix)?;
        decimal::find(&mut table, options, None);
        Ok(table)
    })
}

/// Opens a file for reading in batches of `rows` rows. Returns the columns and the number of all rows too.
pub(super) fn open_batches(
    file: &str,
    content: File,
    length: u64,
    options: &ReadOptions,
    rows: usize,
) -> Result<(ParquetRecordBatchReader, Columns, i64)> {
    let builder = open(file, content, length)?;
    let (columns, mask) = Columns::find(file, &builder, options)?;
    let all = builder.metadata().file_metadata().num_rows();
    let reader = builder
        .with_projection(mask)
        .with_batch_size(rows)
        .build()
        .map_err(|error| unreadable(file, &error))?;
    Ok((reader, columns, all))
}

/// The error that a file has no rows.
pub(super) fn no_rows(file: &str) -> Error {
    Error::file(file, "is empty; expected rows of data")
}

/// The columns that are read.
pub(super) struct Columns {
    read: Vec<(String, Typed)>,
    in_file: Vec<String>,
}

impl Columns {
    /// The columns of a file that are asked for, and their selection for the library.
    fn find<R: ChunkReader + 'static>(
        file: &str,
        builder: &ParquetRecordBatchReaderBuilder<R>,
        options: &ReadOptions,
    ) -> Result<(Self, ProjectionMask)> {
        let wanted = Wanted::new(options);
        let fields = builder.schema().fields();
        wanted.check(file, fields.iter().map(|field| field.name().as_str()))?;
        let roots: Vec<usize> = (0..fields.len())
            .filter(|i| wanted.has(fields[*i].name()))
            .collect();
        let most = options.caps.columns;
        if roots.len() as u64 > most {
            let allowed = allowed(most, "columns", COLUMNS);
            let columns = roots.len();
            let message = format!("has {columns} columns, more than {allowed}");
            return Err(Error::file(file, message));
        }
        let mut read = Vec::with_capacity(roots.len());
        for root in &roots {
            let (name, kind) = (fields[*root].name(), fields[*root].data_type());
            read.push((name.clone(), typed(file, name, kind, options.prefix)?));
        }
        let in_file = fields.iter().map(|field| field.name().clone()).collect();
        let mask = ProjectionMask::roots(builder.parquet_schema(), roots);
        Ok((Self { read, in_file }, mask))
    }

    /// The rows of some batches, behind `before` rows of the same file.
    pub(super) fn table(
        &self,
        file: &str,
        batches: impl IntoIterator<Item = Result<RecordBatch>>,
        before: u64,
        missing: &Missing<'_>,
        prefix: &'static str,
    ) -> Result<RawTable> {
        let empty = self.read.iter().map(|(name, typed)| RawColumn {
            name: name.clone(),
            cells: Cells::default(),
            typed: *typed,
        });
        let mut columns: Vec<RawColumn> = empty.collect();
        let mut rows = before;
        for batch in batches {
            let batch = batch?;
            for (column, array) in columns.iter_mut().zip(batch.columns()) {
                append(file, rows, column, array, missing)?;
            }
            rows += batch.num_rows() as u64;
        }
        let table = RawTable::new(file, columns, None, prefix)?;
        Ok(table.in_file(self.in_file.clone()).after(before))
    }
}

/// Checks the number of rows, because a few bytes can encode a billion equal rows.
fn check_size(file: &str, metadata: &ParquetMetaData, columns: usize, caps: &Caps) -> Result<()> {
    let rows = metadata.file_metadata().num_rows() as u64;
    // Memory for the bookkeeping of cells alone.
    let bytes = rows
        .saturating_mul(columns as u64)
        .saturating_mul(size_of::<u32>() as u64);
    if bytes > caps.bytes {
        let allowed = allowed(caps.bytes, "bytes", BYTES);
        return Err(Error::file(file, format!("unpacks to more than {allowed}")));
    }
    Ok(())
}

fn typed(file: &str, name: &str, kind: &DataType, prefix: &str) -> Result<Typed> {
    Ok(match kind {
        DataType::Dictionary(_, value) => return typed(file, name, value, prefix),
        DataType::Boolean => Typed::Boolean,
        kind if kind.is_numeric() => Typed::Number,
        DataType::Date32 | DataType::Date64 | DataType::Timestamp(..) => Typed::Date,
        DataType::Null
        | DataType::Utf8
        | DataType::LargeUtf8
        | DataType::Utf8View
        | DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView
        | DataType::Time32(_)
        | DataType::Time64(_) => Typed::Text,
        other => {
            return Err(Error::file(
                file,
                format!(
                    "column {} is of type {}; expected a number, a boolean, a date or a string (convert the column, \
                     or leave it out with {prefix}ignore)",
                    shown(name),
                    shown(&other.to_string())
                ),
            ));
        }
    })
}

/// Appends an array's values as text. `before` is the number of rows before the first.
fn append(
    file: &str,
    before: u64,
    column: &mut RawColumn,
    array: &ArrayRef,
    missing: &Missing<'_>,
) -> Result<()> {
    let name = column.name.clone();
    // What cannot be converted is an error rather than a missing cell.
    let strict = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    let place = |row: usize| Place::Row(before + row as u64 + 1);
    let converted = |kind: &DataType| {
        cast_with_options(array, kind, &strict).map_err(|error| {
            let row = (0..array.len())
                .find(|row| cast_with_options(&array.slice(*row, 1), kind, &strict).is_err());
            let message = format!(
                "column {} cannot be read: {}",
                shown(&name),
                shown(&error.to_string())
            );
            match row {
                Some(row) => Error::row(file, place(row), message),
                None => Error::file(file, message),
            }
        })
    };
    let mut scratch = String::new();
    let cells = &mut column.cells;
    // Appends a value; "NaN" or no text marks it as missing.
    let mut push = |cell: Option<&str>| match cell {
        Some(cell) => cells.push(
            cell,
            missing.is(cell) || cell == "NaN" && column.typed == Typed::Number,
        ),
        None => cells.push("", true),
    };
    let mut fits = true;
    macro_rules! numbers {
        ($array:expr, $type:ty, $write:expr) => {
            for value in $array.as_primitive::<$type>().iter() {
                fits &= match value {
                    Some(value) => {
                        scratch.clear();
                        $write(&mut scratch, value);
                        push(Some(&scratch))
                    }
                    None => push(None),
                };
            }
        };
    }
    match array.data_type() {
        DataType::Null => (0..array.len()).for_each(|_| fits &= push(None)),
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => {
            let array = converted(&DataType::Int64)?;
            numbers!(array, Int64Type, |out: &mut String, value: i64| {
                let _ = write!(out, "{value}");
            });
        }
        DataType::UInt8 | DataType::UInt16 | DataType::UInt32 | DataType::UInt64 => {
            let array = converted(&DataType::UInt64)?;
            numbers!(array, UInt64Type, |out: &mut String, value: u64| {
                let _ = write!(out, "{value}");
            });
        }
        DataType::Float16 | DataType::Float32 => {
            let array = converted(&DataType::Float32)?;
            numbers!(array, Float32Type, |out: &mut String, value: f32| {
                number::write_f32(out, value);
            });
        }
        DataType::Float64 => {
            numbers!(array, Float64Type, |out: &mut String, value: f64| {
                number::write_f64(out, value)
            });
        }
        DataType::Timestamp(unit, _) => {
            let per_second = match unit {
                TimeUnit::Second => 1,
                TimeUnit::Millisecond => 1_000,
                TimeUnit::Microsecond => 1_000_000,
                TimeUnit::Nanosecond => 1_000_000_000,
            };
            let array = converted(&DataType::Int64)?;
            for (row, value) in array.as_primitive::<Int64Type>().iter().enumerate() {
                let Some(value) = value else {
                    fits &= push(None);
                    continue;
                };
                let nanos = value.rem_euclid(per_second) * (1_000_000_000 / per_second);
                let Some(moment) =
                    DateTime::from_timestamp(value.div_euclid(per_second), nanos as u32)
                else {
                    let (at, found) = (place(row), value.to_string());
                    return Err(Error::cell(
                        file,
                        at,
                        &name,
                        "a date within 260,000 years",
                        &found,
                    ));
                };
                let midnight = moment.num_seconds_from_midnight() == 0 && moment.nanosecond() == 0;
                let format = if midnight {
                    "%Y-%m-%d"
                } else {
                    "%Y-%m-%dT%H:%M:%S%.f"
                };
                fits &= push(Some(&moment.format(format).to_string()));
            }
        }
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => {
            let array = converted(&DataType::LargeBinary)?;
            for (row, cell) in array.as_binary::<i64>().iter().enumerate() {
                let text = cell.map(std::str::from_utf8).transpose().map_err(|_| {
                    let found = String::from_utf8_lossy(cell.unwrap_or_default());
                    Error::cell(file, place(row), &name, "text in UTF-8", &found)
                })?;
                fits &= push(text.map(str::trim));
            }
        }
        _ => {
            let array = converted(&DataType::LargeUtf8)?;
            for cell in array.as_string::<i64>().iter() {
                fits &= push(cell.map(str::trim));
            }
        }
    }
    match fits {
        true => Ok(()),
        false => Err(too_long(file, &column.name)),
    }
}
