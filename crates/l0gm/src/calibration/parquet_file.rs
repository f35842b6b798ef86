//! Predictions from Parquet: any number type, text or truth values as labels, all classes in one list
//! column if that is how they were written.

use super::cells::{Cells, Column, Kind, Wanted, bad_cell, place};
use anyhow::{Context, anyhow, bail};
use arrow::array::{Array, ArrayRef, AsArray, Float64Array, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

/// The columns.
pub(super) fn header(path: &Path) -> anyhow::Result<Vec<Column>> {
    let builder = open(path)?;
    let column = |field: &arrow::datatypes::FieldRef| Column {
        name: field.name().clone(),
        kind: kind(field.data_type()),
    };
    Ok(builder.schema().fields().iter().map(column).collect())
}

/// The wanted columns.
pub(super) fn read(path: &Path, header: &[Column], wanted: &Wanted) -> anyhow::Result<Cells> {
    let builder = open(path)?;
    let all: Vec<usize> = wanted
        .texts
        .iter()
        .chain(&wanted.numbers)
        .copied()
        .collect();
    let mask = ProjectionMask::roots(builder.parquet_schema(), all);
    let reader = builder
        .with_projection(mask)
        .build()
        .with_context(|| format!("{}: cannot be read", path.display()))?;
    let mut cells = Cells {
        texts: vec![Vec::new(); wanted.texts.len()],
        ..Cells::default()
    };
    // The reader keeps the file's order, whatever the order of asking.
    let mut order: Vec<usize> = wanted
        .texts
        .iter()
        .chain(&wanted.numbers)
        .copied()
        .collect();
    order.sort_unstable();
    order.dedup();
    let places: BTreeMap<usize, usize> = order.iter().enumerate().map(|(at, &c)| (c, at)).collect();
    for batch in reader {
        let batch =
            batch.map_err(|error| anyhow!("{}: cannot be read: {error}", path.display()))?;
        append(&mut cells, &batch, path, header, wanted, &places)?;
    }
    Ok(cells)
}

fn append(
    cells: &mut Cells,
    batch: &RecordBatch,
    path: &Path,
    header: &[Column],
    wanted: &Wanted,
    places: &BTreeMap<usize, usize>,
) -> anyhow::Result<()> {
    let before = cells.rows;
    let array = |column: usize| batch.column(places[&column]);
    let check = |column: usize| check_present(path, header, column, array(column), before);
    for (texts, &column) in cells.texts.iter_mut().zip(&wanted.texts) {
        check(column)?;
        let name = &header[column].name;
        let strings = cast(array(column), &DataType::Utf8).map_err(|_| {
            anyhow!(
                "{}: column `{name}` has the type {}; expected whole numbers, text or truth values",
                path.display(),
                array(column).data_type()
            )
        })?;
        let strings = strings.as_string::<i32>();
        texts.extend((0..strings.len()).map(|row| strings.value(row).to_owned()));
    }
    let mut columns: Vec<Numbers> = Vec::new();
    for &column in &wanted.numbers {
        check(column)?;
        columns.push(Numbers::new(path, &header[column].name, array(column))?);
    }
    for row in 0..batch.num_rows() {
        let start = cells.numbers.len();
        for (numbers, &column) in columns.iter().zip(&wanted.numbers) {
            numbers.push(row, &mut cells.numbers).map_err(|what| {
                let place = place(before + row, None);
                bad_cell(path, &place, &header[column].name, what, "a number")
            })?;
        }
        let width = cells.numbers.len() - start;
        if before + row == 0 {
            cells.width = width;
        } else if width != cells.width {
            bail!(
                "{}: {}: {width} numbers, expected {} as in the first row",
                path.display(),
                place(before + row, None),
                cells.width
            );
        }
    }
    cells.rows += batch.num_rows();
    Ok(())
}

/// A number column, or a column of lists of them.
enum Numbers {
    Plain(Float64Array),
    /// One array a row.
    Lists(Vec<Float64Array>),
}

impl Numbers {
    fn new(path: &Path, name: &str, array: &ArrayRef) -> anyhow::Result<Self> {
        let plain = |array: &ArrayRef| -> anyhow::Result<Float64Array> {
            let wrong = || {
                anyhow!(
                    "{}: column `{name}` has the type {}; expected numbers",
                    path.display(),
                    array.data_type()
                )
            };
            // Text that reads as a number is still text: it is not what was meant.
            if !is_number(array.data_type()) {
                return Err(wrong());
            }
            let numbers = cast(array, &DataType::Float64).map_err(|_| wrong())?;
            Ok(numbers.as_primitive::<Float64Type>().clone())
        };
        let row_of = |row: usize| -> Option<ArrayRef> {
            match array.data_type() {
                DataType::List(_) => Some(array.as_list::<i32>().value(row)),
                DataType::LargeList(_) => Some(array.as_list::<i64>().value(row)),
                DataType::FixedSizeList(..) => Some(array.as_fixed_size_list().value(row)),
                _ => None,
            }
        };
        if kind(array.data_type()) != Kind::List {
            return Ok(Self::Plain(plain(array)?));
        }
        let rows = (0..array.len()).filter_map(row_of);
        Ok(Self::Lists(
            rows.map(|row| plain(&row)).collect::<anyhow::Result<_>>()?,
        ))
    }

    /// The row's number or numbers, at the end of `into`; what is wrong where one is absent.
    fn push(&self, row: usize, into: &mut Vec<f64>) -> Result<(), &'static str> {
        match self {
            Self::Plain(numbers) => into.push(numbers.value(row)),
            Self::Lists(rows) => {
                if rows[row].null_count() > 0 {
                    return Err("the list has a missing entry");
                }
                into.extend(rows[row].values());
            }
        }
        Ok(())
    }
}

fn check_present(
    path: &Path,
    header: &[Column],
    column: usize,
    array: &ArrayRef,
    before: usize,
) -> anyhow::Result<()> {
    match (0..array.len()).find(|&row| array.is_null(row)) {
        None => Ok(()),
        Some(row) => Err(bad_cell(
            path,
            &place(before + row, None),
            &header[column].name,
            "the value is missing",
            "a value",
        )),
    }
}

fn kind(data_type: &DataType) -> Kind {
    match data_type {
        DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..) => Kind::List,
        other if is_number(other) => Kind::Number,
        _ => Kind::Text,
    }
}

fn is_number(data_type: &DataType) -> bool {
    data_type.is_numeric()
}

fn open(path: &Path) -> anyhow::Result<ParquetRecordBatchReaderBuilder<File>> {
    let shown = path.display();
    let file = File::open(path).with_context(|| format!("{shown}: cannot be read"))?;
    ParquetRecordBatchReaderBuilder::try_new(file)
        .map_err(|error| anyhow!("{shown}: not readable as Parquet ({error}); was it cut off?"))
}
