//! Reading that only Parquet needs: its header without its rows, and columns of lists that hold all classes of a row
//! in one cell. A damaged file gives an error even if the library panics.

use super::cells::{Column, Kind};
use anyhow::{anyhow, bail};
use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type};
use l0gm_data::rows::{self, ReadOptions, Source};
use parquet::arrow::ProjectionMask;

/// The columns of a Parquet file.
pub(super) fn header(source: &Source, options: &ReadOptions) -> anyhow::Result<Vec<Column>> {
    let builder = rows::open_parquet(source, &options.caps)?;
    let fields = builder.schema().fields().iter();
    let ignored = |name: &str| options.ignore.iter().any(|ignored| ignored == name);
    let column = |field: &arrow::datatypes::FieldRef| Column {
        name: field.name().clone(),
        kind: match field.data_type() {
            list if is_list(list) => Kind::List,
            other if other.is_numeric() => Kind::Number,
            _ => Kind::Text,
        },
    };
    Ok(fields
        .filter(|field| !ignored(field.name()))
        .map(column)
        .collect())
}

/// Reads a column of lists of numbers, one list for each row.
pub(super) fn read(
    source: &Source,
    name: &str,
    options: &ReadOptions,
) -> anyhow::Result<Vec<Vec<f64>>> {
    let file = source.name();
    let builder = rows::open_parquet(source, &options.caps)?;
    // The library may panic on a damaged file.
    let read = rows::guarded(&file, || {
        let unreadable = |error: &dyn std::fmt::Display| {
            let message = rows::shown(&error.to_string());
            rows::Error::file(
                &file,
                format!("is not readable Parquet, or is damaged: {message}"),
            )
        };
        let fields = builder.schema().fields();
        let root = fields.iter().position(|field| field.name() == name);
        let mask = ProjectionMask::roots(builder.parquet_schema(), root);
        let reader = builder
            .with_projection(mask)
            .build()
            .map_err(|error| unreadable(&error))?;
        let batches: Result<Vec<_>, _> = reader.collect();
        batches.map_err(|error| unreadable(&error))
    })?;
    let mut lists = Vec::new();
    for batch in &read {
        let array = batch.column(0);
        for row in 0..array.len() {
            let place = format!("{file}: row {}, column `{name}`", lists.len() + 1);
            lists.push(numbers(array, row).map_err(|what| anyhow!("{place}: {what}"))?);
        }
    }
    Ok(lists)
}

/// The list of one row.
fn numbers(array: &ArrayRef, row: usize) -> anyhow::Result<Vec<f64>> {
    if array.is_null(row) {
        bail!("the list is missing; expected a number a class");
    }
    let list = match array.data_type() {
        DataType::List(_) => array.as_list::<i32>().value(row),
        DataType::LargeList(_) => array.as_list::<i64>().value(row),
        DataType::FixedSizeList(..) => array.as_fixed_size_list().value(row),
        other => bail!("the column has the type {other}; expected lists of numbers"),
    };
    if !list.data_type().is_numeric() {
        bail!("the lists hold {}; expected numbers", list.data_type());
    }
    let list = cast(&list, &DataType::Float64)?;
    if list.null_count() > 0 {
        bail!("the list has a missing entry; expected a number a class");
    }
    Ok(list.as_primitive::<Float64Type>().values().to_vec())
}

fn is_list(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..)
    )
}
