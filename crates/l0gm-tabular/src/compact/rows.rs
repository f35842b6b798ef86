//! New rows in the spelling that a model was trained on: `TRUE` for `True`, `1.0` for `1`, a date as the
//! numbers it was taken apart into. What training never met is counted.

use crate::encoding::{CategoryField, NumberField};
use crate::settings::DataSettings;
use crate::table::{Categories, Cells, Column, Table};
use crate::{Encoding, Result};
use l0gm_data::rows::{self, RawTable, ReadOptions, Source, dates, list, number, shown};
use std::collections::{BTreeMap, HashSet};

/// Reads the columns of an encoding; also says what a person would like to know of them.
pub(super) fn read(
    source: &Source,
    encoding: &Encoding,
    reading: &DataSettings,
) -> Result<(Table, Vec<String>)> {
    let spelling = &encoding.spelling;
    let mut wanted: Vec<String> = encoding
        .fields()
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    wanted.extend(spelling.dates.iter().map(|date| date.name.clone()));
    let options = ReadOptions {
        only: Some(wanted),
        usual_decimal: Some(spelling.decimal),
        ..reading.read_options()
    };
    let raw = rows::read(source, &options)?;
    let mut said = raw.said().to_vec();
    let mut columns = Vec::new();
    for field in &encoding.categories {
        columns.push(category(&raw, field, &mut said)?);
    }
    let parts = date_parts(&raw, encoding)?;
    for field in &encoding.numbers {
        let values = match parts.get(&field.name) {
            Some(values) if raw.find(&field.name).is_none() => values.clone(),
            _ => number::of_column(&raw, raw.column(&field.name)?)?,
        };
        said.extend(number_note(field, &values));
        columns.push(Column {
            name: field.name.clone(),
            cells: Cells::Numeric(values),
        });
    }
    Ok((Table::of_rows(&raw, columns)?, said))
}

fn category(raw: &RawTable, field: &CategoryField, said: &mut Vec<String>) -> Result<Column> {
    let column = raw.column(&field.name)?;
    let mut cells = Categories::default();
    let (mut unmet, mut words) = (0, Vec::new());
    let mut seen = HashSet::new();
    for cell in column.cells.iter() {
        let known = cell.map(|cell| (cell, field.known_spelling(cell)));
        if let Some((cell, None)) = known {
            unmet += 1;
            if seen.insert(cell) {
                words.push(cell);
            }
        }
        cells.push(known.map(|(cell, known)| known.unwrap_or(cell)));
    }
    if unmet > 0 {
        said.push(format!(
            "column {}: {unmet} of {} cells hold values that training did not meet, or too seldom: {}",
            shown(&field.name),
            raw.rows(),
            list(words)
        ));
    }
    Ok(Column {
        name: field.name.clone(),
        cells: Cells::Categorical(cells),
    })
}

/// The numbers of all dates, by the name of their part.
fn date_parts(raw: &RawTable, encoding: &Encoding) -> Result<BTreeMap<String, Vec<Option<f64>>>> {
    let mut parts = BTreeMap::new();
    for date in &encoding.spelling.dates {
        let used = |name: &&str| {
            let name = dates::part_name(&date.name, name);
            encoding.numbers.iter().any(|field| field.name == name)
        };
        if dates::PARTS.iter().any(|part| used(&part)) {
            let column = raw.column(&date.name)?;
            let mut found = dates::expand(raw, column, date.order)?;
            // Days without a time, where training saw times, begin at midnight.
            let hour = dates::part_name(&date.name, "hour");
            if !found.iter().any(|(name, _)| *name == hour) {
                let midnight = column.cells.iter().map(|cell| cell.map(|_| 0.0)).collect();
                found.push((hour, midnight));
            }
            parts.extend(found);
        }
    }
    Ok(parts)
}

/// A line where values lie outside what training saw, or are missing where it had none missing.
fn number_note(field: &NumberField, values: &[Option<f64>]) -> Option<String> {
    let (low, high) = (field.edges.first()?, field.edges.last()?);
    let outside = values
        .iter()
        .flatten()
        .filter(|value| *value < low || *value > high)
        .count();
    let gaps = match field.fill {
        Some(_) => values.iter().filter(|value| value.is_none()).count(),
        None => 0,
    };
    let mut found = Vec::new();
    if outside > 0 {
        let (low, high) = (number::written(*low), number::written(*high));
        found.push(format!("{outside} lie outside training's {low} to {high}"));
    }
    if gaps > 0 {
        found.push(format!("{gaps} are missing, which training never met"));
    }
    match found.is_empty() {
        true => None,
        false => Some(format!(
            "column {}: of {} cells {}",
            shown(&field.name),
            values.len(),
            found.join(", ")
        )),
    }
}
