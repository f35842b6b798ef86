//! Finds the kind of a column from all of its cells.

use super::Result;
use super::dates::{self, DateOrder};
use super::number::{self, Decimal, boolean, is_code, parse};
use super::table::{RawColumn, RawTable, Typed};
use std::borrow::Cow;
use std::collections::HashMap;

/// The kind of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Numbers, with this decimal mark.
    Number(Decimal),
    /// Whole numbers of which some begin with a zero, such as `00501`, and which are names, not quantities.
    Code,
    /// `true` and `false`, possibly together with 1 and 0 for them.
    Boolean,
    /// Dates in this order of day, month and year.
    Date(DateOrder),
    /// Any other text.
    Category,
    /// No cells, or only missing ones.
    Empty,
}

/// If at least this share of a column's cells can be read as numbers (or as dates), it is a column of numbers (or
/// dates) with a mistake in it.
const NEARLY_ALL: f64 = 0.9;
/// This many distinct values are needed to conclude that; with fewer, the share of cells must be larger.
const DISTINCT: usize = 20;
const NEARLY_ALL_CELLS: f64 = 0.97;

impl Kind {
    /// The kind in one word, for messages and summaries.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Number(_) => "number",
            Kind::Code => "code",
            Kind::Boolean => "boolean",
            Kind::Date(_) => "date",
            Kind::Category => "category",
            Kind::Empty => "empty",
        }
    }

    /// The single spelling of a cell of this kind: `1.0` becomes `1` in a column of numbers, and `TRUE` becomes
    /// `true` in one of truth values.
    pub fn canonical(self, cell: &str) -> Cow<'_, str> {
        match self {
            Kind::Number(decimal) => number::canonical(cell, decimal)
                .or_else(|| boolean(cell).map(|is| Cow::Borrowed(if is { "1" } else { "0" }))),
            Kind::Boolean => match truth(cell) {
                Some(true) => Some(Cow::Borrowed("true")),
                Some(false) => Some(Cow::Borrowed("false")),
                None => None,
            },
            _ => None,
        }
        .unwrap_or(Cow::Borrowed(cell))
    }
}

impl RawTable {
    /// The kind of a column, found from all of its cells.
    ///
    /// # Errors
    /// Fails if nearly all cells, but not all, are numbers or dates; the error names the first other one.
    pub fn kind(&self, column: &RawColumn) -> Result<Kind> {
        infer(self, column)
    }
}

/// Number of occurrences and first row of every distinct cell.
type Words<'a> = HashMap<&'a str, (usize, usize)>;

/// The distinct cells in the order in which they first stand there.
fn in_order<'a>(words: &Words<'a>) -> Vec<&'a str> {
    let mut cells: Vec<(usize, &str)> =
        words.iter().map(|(cell, (_, row))| (*row, *cell)).collect();
    cells.sort_unstable();
    cells.into_iter().map(|(_, cell)| cell).collect()
}

/// Infers the kind of a column.
///
/// # Errors
/// Fails if nearly all cells, but not all, are numbers or dates; the error names the first other one.
pub fn infer(table: &RawTable, column: &RawColumn) -> Result<Kind> {
    match column.typed {
        _ if column.cells.missing() == column.cells.len() => return Ok(Kind::Empty),
        Typed::Number => return Ok(Kind::Number(Decimal::Point)),
        Typed::Boolean => return Ok(Kind::Boolean),
        Typed::Date => return Ok(Kind::Date(DateOrder::YearFirst)),
        Typed::Text | Typed::Category => {}
    }
    let declared = column.typed == Typed::Category;
    let decimal = table.decimal();
    // This decides for most columns, without finding out which cells repeat.
    let plain = |cell: &str| parse(cell, decimal).is_some() && !is_code(cell);
    if !declared && column.cells.iter().flatten().all(plain) {
        return Ok(Kind::Number(decimal));
    }
    let mut words = Words::new();
    for (row, cell) in column.cells.iter().enumerate() {
        if let Some(cell) = cell {
            words.entry(cell).or_insert((0, row)).0 += 1;
        }
    }
    if words.keys().all(|cell| truth(cell).is_some()) && words.keys().any(|w| boolean(w).is_some())
    {
        return Ok(Kind::Boolean);
    }
    if declared {
        return Ok(Kind::Category);
    }
    // A sample decides whether these are dates: it must be the same in every run.
    if let Some(order) = dates::order(in_order(&words).into_iter()) {
        let bad = first(&words, |cell| dates::parse(cell, order).is_none());
        match bad {
            None => return Ok(Kind::Date(order)),
            Some(row) if nearly_all(&words, |cell| dates::parse(cell, order).is_some()) => {
                return Err(table.cell_error(row, column, &expected("a date", table)));
            }
            Some(_) => {}
        }
    }
    let numbers = |decimal| {
        words
            .keys()
            .filter(|cell| parse(cell, decimal).is_some())
            .count()
    };
    let decimal = match numbers(decimal.other()) > numbers(decimal) {
        true => decimal.other(),
        false => decimal,
    };
    let is_number = |cell: &str| parse(cell, decimal).is_some();
    match first(&words, |cell| !is_number(cell)) {
        None if has_codes(&words, decimal) => Ok(Kind::Code),
        None => Ok(Kind::Number(decimal)),
        Some(row) if nearly_all(&words, is_number) => {
            Err(table.cell_error(row, column, &expected("a number", table)))
        }
        Some(_) => Ok(Kind::Category),
    }
}

/// The truth value of a cell, including 1 and 0.
pub(super) fn truth(cell: &str) -> Option<bool> {
    boolean(cell).or_else(|| match number::canonical(cell, Decimal::Point)?.as_ref() {
        "1" => Some(true),
        "0" => Some(false),
        _ => None,
    })
}

/// Whether some cell has leading zeros that are part of its name. If the same number also occurs without them (`01`
/// beside `1`), they are only another spelling.
fn has_codes(words: &Words<'_>, decimal: Decimal) -> bool {
    let mut any = false;
    for word in words.keys().filter(|word| is_code(word)) {
        any = true;
        if let Some(plain) = number::canonical(word, decimal)
            && (words.contains_key(plain.as_ref())
                || words.contains_key(format!("{plain}{}0", decimal.mark()).as_str()))
        {
            return false;
        }
    }
    any
}

/// The row of the first cell that satisfies a condition.
fn first(words: &Words<'_>, holds: impl Fn(&str) -> bool) -> Option<usize> {
    let rows = words
        .iter()
        .filter(|(cell, _)| holds(cell))
        .map(|(_, (_, row))| *row);
    rows.min()
}

fn nearly_all(words: &Words<'_>, holds: impl Fn(&str) -> bool) -> bool {
    let holding: Vec<usize> = words
        .iter()
        .filter(|(cell, _)| holds(cell))
        .map(|(_, (count, _))| *count)
        .collect();
    let cells: usize = words.values().map(|(count, _)| count).sum();
    let share = |part: usize, whole: usize| part as f64 / whole.max(1) as f64;
    words.len() >= DISTINCT && share(holding.len(), words.len()) >= NEARLY_ALL
        || cells >= DISTINCT && share(holding.iter().sum(), cells) >= NEARLY_ALL_CELLS
}

fn expected(what: &str, table: &RawTable) -> String {
    let prefix = table.prefix();
    format!(
        "{what}, as in nearly all other rows (add this word to {prefix}missing if it means that there is none, or \
         list the column under {prefix}categorical)"
    )
}
