//! Checks that a file's first row is a header. If a row of data were used as names, it would be lost, and columns
//! would be called `39` and `Private`. So a first row that looks like data is refused.

use super::dates::{self, DateOrder};
use super::number::{Decimal, parse};
use super::table::RawColumn;
use super::{Error, Place, Result, list};

/// Number of rows in which a name is looked for among the cells below it.
const ROWS: usize = 1000;

/// Refuses names that look like cells. `columns` holds the columns that were read, which have equal lengths.
pub(super) fn check(
    file: &str,
    line: u64,
    names: &[String],
    columns: &[&RawColumn],
    prefix: &str,
) -> Result<()> {
    if !looks_like_data(names, columns) {
        return Ok(());
    }
    Err(Error::row(
        file,
        Place::Line(line),
        format!(
            "the first row looks like data, not like a header: {}; write a first line with the columns' names, or \
             set {prefix}header to first-row if these are the names",
            list(names.iter().map(String::as_str))
        ),
    ))
}

fn looks_like_data(names: &[String], columns: &[&RawColumn]) -> bool {
    let filled = || names.iter().filter(|name| !name.is_empty());
    if filled().any(|name| matches!(name.as_str(), "?" | "\\N") || is_cell(name)) {
        return true;
    }
    let whole: Vec<u64> = filled().filter_map(|name| whole(name)).collect();
    if !whole.is_empty() && !could_be_names(&whole, filled().count(), columns) {
        return true;
    }
    let texts: Vec<&&RawColumn> = columns
        .iter()
        .filter(|column| !column.name.is_empty() && self::whole(&column.name).is_none())
        .collect();
    let again = texts.iter().filter(|column| stands_below(column)).count();
    again > 0 && again * 2 >= texts.len()
}

/// Whether a name is a fraction, a negative number, an amount of money or a date.
fn is_cell(name: &str) -> bool {
    let number = parse(name, Decimal::Point).or_else(|| parse(name, Decimal::Comma));
    let words = name
        .trim_start_matches(['-', '+'])
        .starts_with(|c: char| c.is_ascii_alphabetic() || c == '∞');
    number.is_some() && whole(name).is_none() && !words
        || name.len() >= 8
            && dates::parse(name, DateOrder::DayFirst).is_some()
            && parse(name, Decimal::Point).is_none()
            && !name.contains(|c: char| c.is_ascii_alphabetic())
}

fn whole(name: &str) -> Option<u64> {
    let plain = name.bytes().all(|byte| byte.is_ascii_digit());
    if plain { name.parse().ok() } else { None }
}

/// Whether these whole numbers are common names: numbered from 0 or 1, or years.
fn could_be_names(whole: &[u64], filled: usize, columns: &[&RawColumn]) -> bool {
    let rising = whole.windows(2).all(|pair| pair[0] < pair[1]);
    let counted = whole[0] <= 1 && whole.windows(2).all(|pair| pair[0] + 1 == pair[1]);
    // Two numbers alone may be an edge or a point; a single "0" is pandas' name for a column without one.
    let enough = whole.len() >= 3 || filled > whole.len() || filled == 1 && whole[0] == 0;
    let year = |number: &u64| (1900..=2100).contains(number);
    let below_are_years = || {
        columns.iter().any(|column| {
            self::whole(&column.name).is_some()
                && column
                    .cells
                    .iter()
                    .take(ROWS)
                    .flatten()
                    .all(|cell| self::whole(cell).is_some_and(|n| year(&n)))
        })
    };
    counted && enough || rising && whole.iter().all(year) && !below_are_years()
}

fn stands_below(column: &RawColumn) -> bool {
    column
        .cells
        .iter()
        .take(ROWS)
        .flatten()
        .any(|cell| cell == column.name)
}
