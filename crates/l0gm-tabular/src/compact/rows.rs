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
use l0gm_train::Unseen;
use std::collections::{BTreeMap, HashMap};

/// Number of unknown values of a column that a remark shows.
const SHOWN: usize = 12;

/// Reads the columns of an encoding, and returns remarks on them for the user.
pub(super) fn read(
    source: &Source,
    encoding: &Encoding,
    reading: &DataSettings,
) -> Result<(Table, Vec<String>)> {
    let raw = rows::read(source, &options(encoding, reading, &[]))?;
    let mut rows = NewRows::default();
    let table = rows.convert(&raw, encoding)?;
    let mut said = raw.said().to_vec();
    said.append(&mut rows.said);
    said.extend(
        rows.unseen(encoding)
            .into_iter()
            .map(|unseen| unseen.remark),
    );
    Ok((table, said))
}

/// How the columns of an encoding, and those to keep, are read from a file.
pub(super) fn options(encoding: &Encoding, reading: &DataSettings, keep: &[String]) -> ReadOptions {
    let spelling = &encoding.spelling;
    let fields = encoding.fields().into_iter().map(|(name, _)| name);
    let dates = spelling.dates.iter().map(|date| date.name.clone());
    let wanted: Vec<String> = fields.chain(dates).chain(keep.iter().cloned()).collect();
    ReadOptions {
        // A model that reads no column still needs the rows.
        only: (!encoding.is_empty()).then_some(wanted),
        usual_decimal: Some(spelling.decimal),
        ..reading.read_options()
    }
}

/// Converts new rows, chunk by chunk, and counts the values that did not occur in training.
#[derive(Debug, Default)]
pub(super) struct NewRows {
    decided: Option<Decided>,
    rows: u64,
    /// By category field.
    unknown: Vec<Unknown>,
    /// By number field: values outside training's range, and missing ones where training had none.
    outside: Vec<(u64, u64)>,
    /// Remarks for the user.
    pub(super) said: Vec<String>,
}

/// What the first chunk decides.
#[derive(Debug, Default)]
struct Decided {
    /// Decimal mark of each column of numbers.
    marks: HashMap<String, Decimal>,
    /// Order of each column of dates.
    orders: BTreeMap<String, DateOrder>,
}

/// The unknown values of a category field.
#[derive(Clone, Debug, Default)]
struct Unknown {
    cells: u64,
    /// The first few distinct ones.
    words: Vec<String>,
    more: bool,
}

impl NewRows {
    /// Converts a chunk of rows.
    pub(super) fn convert(&mut self, raw: &RawTable, encoding: &Encoding) -> Result<Table> {
        let decided = match self.decided.take() {
            Some(decided) => decided,
            None => self.decide(raw, encoding)?,
        };
        let decided = self.decided.insert(decided);
        let mut columns = Vec::new();
        self.unknown
            .resize_with(encoding.categories.len(), Unknown::default);
        for (field, unknown) in encoding.categories.iter().zip(&mut self.unknown) {
            columns.push(category(raw, field, unknown)?);
        }
        let parts = date_parts(raw, encoding, &decided.orders)?;
        self.outside.resize(encoding.numbers.len(), (0, 0));
        for (field, outside) in encoding.numbers.iter().zip(&mut self.outside) {
            let values = match parts.get(&field.name) {
                Some(values) if raw.find(&field.name).is_none() => values.clone(),
                _ => {
                    let column = raw.column(&field.name)?;
                    let mark = decided.marks.get(&field.name).copied();
                    number_column::of_column_with(raw, column, mark.unwrap_or_default())?
                }
            };
            count(field, &values, outside);
            columns.push(Column {
                name: field.name.clone(),
                cells: Cells::Numeric(values),
            });
        }
        self.rows += raw.rows() as u64;
        Table::of_rows(raw, columns)
    }

    /// Decides what all chunks have in common.
    fn decide(&mut self, raw: &RawTable, encoding: &Encoding) -> Result<Decided> {
        let mut decided = Decided {
            marks: marks(raw, encoding),
            orders: BTreeMap::new(),
        };
        for date in &encoding.spelling.dates {
            let Some(column) = raw.find(&date.name) else {
                continue;
            };
            // If no date in training showed whether the day or the month comes first, these dates may.
            let order = match date.order {
                DateOrder::YearFirst => {
                    let cells: Vec<&str> = column.cells.iter().flatten().collect();
                    dates::order(cells.iter().copied()).unwrap_or(date.order)
                }
                known => known,
            };
            if order != date.order {
                self.said.extend(ambiguous(column, order));
            }
            decided.orders.insert(date.name.clone(), order);
        }
        Ok(decided)
    }

    /// The cells so far with something that did not occur in training, by column.
    pub(super) fn unseen(&self, encoding: &Encoding) -> Vec<Unseen> {
        let categories = encoding.categories.iter().zip(&self.unknown);
        let met = categories.filter(|(_, unknown)| unknown.cells > 0);
        let categories = met.map(|(field, unknown)| Unseen {
            column: field.name.clone(),
            cells: unknown.cells,
            remark: format!(
                "column {}: {} of {} cells hold values that training did not meet, or too seldom: {}{}",
                shown(&field.name),
                unknown.cells,
                self.rows,
                list(unknown.words.iter().map(String::as_str)),
                if unknown.more { " and more" } else { "" }
            ),
        });
        let numbers = encoding.numbers.iter().zip(&self.outside);
        let numbers = numbers.filter_map(|(field, &counts)| self.number_note(field, counts));
        categories.chain(numbers).collect()
    }

    /// A remark on values outside the range of training, or missing if training had none missing.
    fn number_note(&self, field: &NumberField, (outside, gaps): (u64, u64)) -> Option<Unseen> {
        let (low, high) = (field.edges.first()?, field.edges.last()?);
        let mut found = Vec::new();
        if outside > 0 {
            let (low, high) = (number::written(*low), number::written(*high));
            found.push(format!("{outside} lie outside training's {low} to {high}"));
        }
        if gaps > 0 {
            found.push(format!("{gaps} are missing, which training never met"));
        }
        (!found.is_empty()).then(|| Unseen {
            column: field.name.clone(),
            cells: outside + gaps,
            remark: format!(
                "column {}: of {} cells {}",
                shown(&field.name),
                self.rows,
                found.join(", ")
            ),
        })
    }
}

fn category(raw: &RawTable, field: &CategoryField, unknown: &mut Unknown) -> Result<Column> {
    let column = raw.column(&field.name)?;
    let mut cells = Categories::default();
    for cell in column.cells.iter() {
        let known = cell.map(|cell| (cell, field.known_spelling(cell)));
        if let Some((cell, None)) = known {
            unknown.add(cell);
        }
        cells.push(known.map(|(cell, known)| known.unwrap_or(cell)));
    }
    Ok(Column {
        name: field.name.clone(),
        cells: Cells::Categorical(cells),
    })
}

impl Unknown {
    fn add(&mut self, cell: &str) {
        self.cells += 1;
        if self.more || self.words.iter().any(|word| word == cell) {
            return;
        }
        match self.words.len() < SHOWN {
            true => self.words.push(cell.to_owned()),
            false => self.more = true,
        }
    }
}

/// Counts values outside the range of training, and missing ones if training had none missing.
fn count(field: &NumberField, values: &[Option<f64>], (outside, gaps): &mut (u64, u64)) {
    let (Some(low), Some(high)) = (field.edges.first(), field.edges.last()) else {
        return;
    };
    let far = values
        .iter()
        .flatten()
        .filter(|value| *value < low || *value > high);
    *outside += far.count() as u64;
    if field.fill.is_some() {
        *gaps += values.iter().filter(|value| value.is_none()).count() as u64;
    }
}

/// The decimal mark of each column of numbers: the one that its cells show, or else the one it had in training. If
/// all columns that show a mark have changed theirs, the others change too.
fn marks(raw: &RawTable, encoding: &Encoding) -> HashMap<String, Decimal> {
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
                marks.insert(field.name.clone(), Decimal::Point);
            }
            Some(mark) => {
                told += 1;
                changed += usize::from(mark != trained);
                marks.insert(field.name.clone(), mark);
            }
            None => untold.push((field.name.clone(), trained)),
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
    orders: &BTreeMap<String, DateOrder>,
) -> Result<BTreeMap<String, Vec<Option<f64>>>> {
    let mut parts = BTreeMap::new();
    for date in &encoding.spelling.dates {
        let used = |name: &&str| {
            let name = dates::part_name(&date.name, name);
            encoding.numbers.iter().any(|field| field.name == name)
        };
        if dates::PARTS.iter().any(used) {
            let column = raw.column(&date.name)?;
            let order = orders.get(&date.name).copied().unwrap_or(date.order);
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
