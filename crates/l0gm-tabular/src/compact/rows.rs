//! Converts new rows to the spelling of the training data: `TRUE` to `True`, `1.0` to `1`, and a date to its parts.
//! Counts values that did not occur in training.

use crate::encoding::{CategoryField, NumberField};
use crate::settings::DataSettings;
use crate::table::{Categories, Cells, Column, Table};
use crate::typing::ambiguous;
use crate::{Encoding, Result};
use l0gm_data::rows::dates::{self, DateOrder};
use l0gm_data::rows::{
    self, Decimal, RawTable, ReadOptions, Source, Typed, decimal, list, number, number_column,
    shown,
};
use std::collections::{BTreeMap, HashMap, HashSet};

/// Reads the columns of an encoding, and returns remarks on them for the user.
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
    let parts = date_parts(&raw, encoding, &mut said)?;
    let marks = marks(&raw, encoding);
    for field in &encoding.numbers {
        let values = match parts.get(&field.name) {
            Some(values) if raw.find(&field.name).is_none() => values.clone(),
            _ => {
                let column = raw.column(&field.name)?;
                let mark = marks.get(field.name.as_str()).copied();
                number_column::of_column_with(&raw, column, mark.unwrap_or_default())?
            }
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

/// The decimal mark of each column of numbers: the one that its cells show, or else the one it had in training. If
/// all columns that show a mark have changed theirs, the others change too.
fn marks<'a>(raw: &RawTable, encoding: &'a Encoding) -> HashMap<&'a str, Decimal> {
    let (mut marks, mut untold) = (HashMap::new(), Vec::new());
    let (mut told, mut changed) = (0, 0);
    for field in &encoding.numbers {
        let Some(column) = raw.find(&field.name) else {
            continue;
        };
        let trained = encoding.spelling.decimal_of(&field.name);
        match decimal::told(column) {
            // The file's format writes numbers with a point.
            _ if column.typed == Typed::Number => {
                marks.insert(field.name.as_str(), Decimal::Point);
            }
            Some(mark) => {
                told += 1;
                changed += usize::from(mark != trained);
                marks.insert(field.name.as_str(), mark);
            }
            None => untold.push((field.name.as_str(), trained)),
        }
    }
    let all_changed = told > 0 && changed == told;
    marks.extend(untold.into_iter().map(|(name, trained)| match all_changed {
        true => (name, trained.other()),
        false => (name, trained),
    }));
    marks
}

/// The numbers of all dates, by the name of each part.
fn date_parts(
    raw: &RawTable,
    encoding: &Encoding,
    said: &mut Vec<String>,
) -> Result<BTreeMap<String, Vec<Option<f64>>>> {
    let mut parts = BTreeMap::new();
    for date in &encoding.spelling.dates {
        let used = |name: &&str| {
            let name = dates::part_name(&date.name, name);
            encoding.numbers.iter().any(|field| field.name == name)
        };
        if dates::PARTS.iter().any(used) {
            let column = raw.column(&date.name)?;
            // If no date in training showed whether the day or the month comes first, these dates may.
            let order = match date.order {
                DateOrder::YearFirst => {
                    let cells: Vec<&str> = column.cells.iter().flatten().collect();
                    dates::order(cells.iter().copied()).unwrap_or(date.order)
                }
                known => known,
            };
            if order != date.order {
                said.extend(ambiguous(column, order));
            }
            let mut found = dates::expand(raw, column, order)?;
            // If training data had times, days without a time begin at midnight.
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

/// A remark on values outside the range of training, or missing if training had none missing.
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::LoadedTable;
    use crate::tests::write;

    /// The numbers that a model trained on the file `train` reads in a column of the file `new`.
    fn read_after(train: &str, new: &str, column: &str) -> (Vec<Option<f64>>, Vec<String>) {
        let dir = tempfile::tempdir().unwrap();
        let settings = DataSettings {
            label: Some("y".into()),
            ..DataSettings::default()
        };
        let path = write(dir.path(), "train.csv", train);
        let loaded = LoadedTable::load_file(&path, &settings).unwrap();
        let rows: Vec<u32> = (0..loaded.table.rows() as u32).collect();
        let encoding =
            Encoding::fit(&loaded.table, &loaded.schema, &rows, &Default::default()).unwrap();
        // Store and read the encoding, as a compact model does.
        let json = serde_json::to_string(&encoding).unwrap();
        let encoding: Encoding = serde_json::from_str(&json).unwrap();
        let source = Source::path(write(dir.path(), "new.csv", new));
        let (table, said) = read(&source, &encoding, &settings).unwrap();
        match &table.column(column).unwrap().cells {
            Cells::Numeric(values) => (values.clone(), said),
            Cells::Categorical(_) => panic!("{column} is no column of numbers"),
        }
    }

    #[test]
    fn cells_that_read_both_ways_have_the_mark_of_training() {
        let german = "a;b;y\n1.234,5;1;no\n2.500,25;2;yes\n3,5;3;no\n";
        let (values, _) = read_after(german, "a;b\n1.234;2\n2.500;3\n", "a");
        assert_eq!(values, [Some(1234.0), Some(2500.0)]);
        // A file with the other decimal mark shows that in its cells.
        let (values, _) = read_after(german, "a;b\n1.234;2.5\n2.500;3\n", "a");
        assert_eq!(values, [Some(1.234), Some(2.5)]);
    }

    #[test]
    fn each_column_has_the_mark_it_had_in_training() {
        let mixed = "a,b,y\n\"4,5\",1.234,no\n\"3,25\",2.5,yes\n\"1,5\",3.5,no\n";
        let new = "a,b\n1.234,1.234\n2.500,2.500\n";
        assert_eq!(read_after(mixed, new, "a").0, [Some(1234.0), Some(2500.0)]);
        assert_eq!(read_after(mixed, new, "b").0, [Some(1.234), Some(2.5)]);
    }

    #[test]
    fn dates_with_slashes_after_training_on_iso_dates_are_month_first_and_said() {
        let train = "day,y\n2021-08-12,no\n2021-09-13,yes\n2020-01-05,no\n";
        let (values, said) = read_after(train, "day\n08/12/2021\n09/11/2021\n", "day.month");
        assert_eq!(values, [Some(8.0), Some(9.0)]);
        assert!(said.join("\n").contains("month first"), "{said:?}");
        let (values, _) = read_after(train, "day\n08/12/2021\n13/11/2021\n", "day.month");
        assert_eq!(values, [Some(12.0), Some(11.0)]);
    }
}
