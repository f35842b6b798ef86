//! Finds columns that the user should know about before a model is trained on them: an index, an identifier, a copy
//! of the label, a constant, or a column of dates. It reports on each, and on what was done with it.

use super::kind::Kind;
use super::table::{RawColumn, RawTable};
use super::{list, shown};
use std::collections::HashMap;

/// With fewer rows, one cannot tell whether values repeat.
const ROWS: usize = 20;
/// If at least this share of a text column's values is distinct, each row counts as having its own value.
const DISTINCT: f64 = 0.9;
/// The same share for a column whose name says that it is an identifier.
const DISTINCT_ID: f64 = 0.5;
/// Number of columns with the same oddity that get a line each.
const LINES: usize = 8;

/// What is odd about a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Oddity {
    /// The column numbers the rows.
    Index,
    /// (Nearly) every row has its own value.
    OneValueARow,
    /// The column's name says that it is an identifier, and most rows have their own value.
    Identifier,
    /// The column equals the label in every row.
    CopyOfLabel,
    /// Each value belongs to one class.
    NamesTheClass,
    /// All rows have the same value.
    Constant,
    /// All rows lack a value.
    Empty,
    /// The column holds dates.
    Dates,
    /// Days written as one number: 20210812.
    DaysAsNumbers,
    /// Whole numbers so large that neighbours are the same number to a model.
    BeyondExact,
}

impl Oddity {
    /// Whether such a column is left out unless the user asks for it.
    pub fn leaves_out(self) -> bool {
        !matches!(
            self,
            Oddity::Dates | Oddity::NamesTheClass | Oddity::DaysAsNumbers | Oddity::BeyondExact
        )
    }

    /// Describes the oddity, for a line about one or several columns.
    fn says(self) -> &'static str {
        match self {
            Oddity::Index => "counts the rows (an index)",
            Oddity::OneValueARow => "has one value a row (an identifier or free text)",
            Oddity::Identifier => "is named an identifier, and more than half of its values differ",
            Oddity::CopyOfLabel => "is a copy of the label",
            Oddity::NamesTheClass => {
                "tells the class by itself, one value a class: check that it is known beforehand"
            }
            Oddity::Constant => "has the same value in every row",
            Oddity::Empty => "is missing in every row",
            Oddity::Dates => "holds dates",
            Oddity::DaysAsNumbers => "looks like days written as one number, such as 20210812",
            Oddity::BeyondExact => {
                "holds whole numbers beyond 2^53, of which neighbours become equal"
            }
        }
    }
}

/// One odd column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The odd column, as the header names it.
    pub column: String,
    /// What is odd about it.
    pub oddity: Oddity,
    /// Whether it is left out.
    pub left_out: bool,
}

/// Finds the odd columns of a table, given the kinds of its columns. `label` holds the label's column and the class
/// of each row. `keep` names columns that are kept in any case.
pub fn find(
    table: &RawTable,
    kinds: &[Kind],
    label: Option<(&str, &[Option<u32>])>,
    keep: &[String],
) -> Vec<Finding> {
    let label_column = label.and_then(|(name, _)| table.find(name));
    // Compute this once, because there may be thousands of columns.
    let label_kind = match label_column {
        Some(label) if table.rows() >= ROWS => table.kind(label).unwrap_or(Kind::Category),
        _ => Kind::Category,
    };
    let mut found = Vec::new();
    for (column, kind) in table.columns().iter().zip(kinds) {
        if label_column.is_some_and(|label| label.name == column.name) {
            continue;
        }
        let copy =
            || label_column.is_some_and(|label| is_copy(column, *kind, label, label_kind, table));
        let names = || label.is_some_and(|(_, classes)| names_the_class(column, *kind, classes));
        let oddity = match kind {
            Kind::Empty => Some(Oddity::Empty),
            _ if is_constant(column, *kind) => Some(Oddity::Constant),
            _ if copy() => Some(Oddity::CopyOfLabel),
            Kind::Number(_) if is_index(column) => Some(Oddity::Index),
            Kind::Number(_) if is_numbered_id(column) => Some(Oddity::OneValueARow),
            Kind::Number(_) if beyond_exact(column) && all_differ(column) => {
                Some(Oddity::OneValueARow)
            }
            Kind::Category | Kind::Code if one_value_a_row(column) => Some(Oddity::OneValueARow),
            Kind::Number(_) | Kind::Category | Kind::Code if is_identifier(column, *kind) => {
                Some(Oddity::Identifier)
            }
            _ if names() => Some(Oddity::NamesTheClass),
            Kind::Date(_) => Some(Oddity::Dates),
            Kind::Number(_) if days_as_numbers(column) => Some(Oddity::DaysAsNumbers),
            Kind::Number(_) if beyond_exact(column) => Some(Oddity::BeyondExact),
            _ => None,
        };
        if let Some(oddity) = oddity {
            found.push(Finding {
                column: column.name.clone(),
                oddity,
                left_out: oddity.leaves_out() && !keep.contains(&column.name),
            });
        }
    }
    found
}

/// One line for each finding, or a single one for many of the same kind. `prefix` precedes the name of a setting, and
/// `dates` says what was done with dates.
pub fn lines(found: &[Finding], prefix: &str, dates: &str) -> Vec<String> {
    let mut sorts: Vec<(Oddity, bool)> = found.iter().map(|f| (f.oddity, f.left_out)).collect();
    sorts.sort_unstable();
    sorts.dedup();
    let mut lines = Vec::new();
    for (oddity, left_out) in sorts {
        let done = match (oddity, left_out) {
            (Oddity::Dates, _) => dates.to_owned(),
            (_, true) => format!("left out (list it under {prefix}keep to use it)"),
            (Oddity::NamesTheClass, false) => {
                format!("used (list it under {prefix}ignore to leave it out)")
            }
            (Oddity::DaysAsNumbers, false) => {
                "used as a number (written as 2021-08-12 it would be read as a date)".to_owned()
            }
            (Oddity::BeyondExact, false) => {
                format!("used as a number (list it under {prefix}categorical if these are names)")
            }
            (_, false) => "used, as asked for".to_owned(),
        };
        let names: Vec<&str> = found
            .iter()
            .filter(|f| (f.oddity, f.left_out) == (oddity, left_out))
            .map(|f| f.column.as_str())
            .collect();
        match names.len() > LINES {
            true => lines.push(format!(
                "{} columns, each {}: {done}: {}",
                names.len(),
                oddity.says(),
                list(names)
            )),
            false => {
                lines.extend(
                    names
                        .iter()
                        .map(|name| format!("column {} {}: {done}", shown(name), oddity.says())),
                );
            }
        }
    }
    lines
}

fn is_constant(column: &RawColumn, kind: Kind) -> bool {
    let mut cells = column.cells.iter();
    let Some(Some(first)) = cells.next() else {
        return false;
    };
    let one = kind.canonical(first);
    column.cells.len() > 1
        && cells.all(|cell| cell.is_some_and(|cell| cell == first || kind.canonical(cell) == one))
}

fn is_copy(
    column: &RawColumn,
    kind: Kind,
    label: &RawColumn,
    label_kind: Kind,
    table: &RawTable,
) -> bool {
    if column.cells.get(0).is_none() || table.rows() < ROWS {
        return false;
    }
    (0..table.rows()).all(|row| match (column.cell(row), label.cell(row)) {
        (Some(a), Some(b)) => a == b || kind.canonical(a) == label_kind.canonical(b),
        (_, None) => true,
        (None, Some(_)) => false,
    })
}

/// Whether values and classes correspond one to one.
fn names_the_class(column: &RawColumn, kind: Kind, classes: &[Option<u32>]) -> bool {
    if column.cells.len() < ROWS {
        return false;
    }
    let mut class_of: HashMap<String, u32> = HashMap::new();
    let mut value_of: HashMap<u32, String> = HashMap::new();
    for (cell, class) in column.cells.iter().zip(classes) {
        let (Some(cell), Some(class)) = (cell, class) else {
            return false;
        };
        let value = kind.canonical(cell);
        if class_of
            .get(value.as_ref())
            .is_some_and(|known| known != class)
            || value_of.get(class).is_some_and(|known| *known != value)
        {
            return false;
        }
        if !value_of.contains_key(class) {
            class_of.insert(value.clone().into_owned(), *class);
            value_of.insert(*class, value.into_owned());
        }
    }
    value_of.len() > 1
}

/// Whether whole numbers increase by one from row to row, beginning with 0 or 1, or with any number if the column's
/// name suggests an index.
fn is_index(column: &RawColumn) -> bool {
    if column.cells.len() < ROWS {
        return false;
    }
    let mut before: Option<i64> = None;
    for cell in column.cells.iter() {
        let Some(number) = cell.and_then(whole) else {
            return false;
        };
        let fits = match before {
            Some(before) => Some(number) == before.checked_add(1),
            None => (0..=1).contains(&number) || is_id_name(&column.name),
        };
        if !fits {
            return false;
        }
        before = Some(number);
    }
    true
}

/// Whether whole numbers are all distinct and the column's name suggests an identifier.
fn is_numbered_id(column: &RawColumn) -> bool {
    is_id_name(&column.name) && all_differ(column)
}

/// Whole numbers, no two of them the same.
fn all_differ(column: &RawColumn) -> bool {
    if column.cells.len() < ROWS {
        return false;
    }
    let mut seen = std::collections::HashSet::new();
    column
        .cells
        .iter()
        .flatten()
        .all(|cell| whole(cell).is_some_and(|number| seen.insert(number)))
}

fn one_value_a_row(column: &RawColumn) -> bool {
    let cells: Vec<&str> = column.cells.iter().flatten().collect();
    let distinct: std::collections::HashSet<&str> = cells.iter().copied().collect();
    cells.len() >= ROWS && distinct.len() as f64 >= DISTINCT * cells.len() as f64
}

/// Whether a column's name says that it is an identifier and more than half of its values differ. Numbers must be whole.
fn is_identifier(column: &RawColumn, kind: Kind) -> bool {
    let cells = column.cells.len() - column.cells.missing();
    cells >= ROWS
        && ends_in_id(&column.name)
        && distinct(column, kind).is_some_and(|count| count as f64 > DISTINCT_ID * cells as f64)
}

/// Whether whole numbers under a name such as `user_id` are names: their values repeat, so that each of them can be
/// learnt about, while their size says nothing. With this a column is read as categories.
pub fn is_numbered_name(column: &RawColumn, kind: Kind) -> bool {
    let cells = column.cells.len() - column.cells.missing();
    matches!(kind, Kind::Number(_))
        && cells >= ROWS
        && ends_in_id(&column.name)
        && distinct(column, kind).is_some_and(|count| count as f64 <= DISTINCT_ID * cells as f64)
}

/// Number of different values; `None` if a number is not whole.
fn distinct(column: &RawColumn, kind: Kind) -> Option<usize> {
    let numbers = matches!(kind, Kind::Number(_));
    let mut seen = std::collections::HashSet::new();
    for cell in column.cells.iter().flatten() {
        let value = kind.canonical(cell);
        if numbers && whole(&value).is_none() {
            return None;
        }
        seen.insert(value);
    }
    Some(seen.len())
}

fn whole(cell: &str) -> Option<i64> {
    super::number::canonical(cell, super::Decimal::Point)?
        .parse()
        .ok()
}

/// Whole numbers of which one is beyond 2^53: a double no longer tells it from its neighbours.
fn beyond_exact(column: &RawColumn) -> bool {
    let mut beyond = false;
    column.cells.iter().flatten().all(|cell| {
        let number = whole(cell);
        beyond |= number.is_some_and(|number| number.unsigned_abs() > 1 << 53);
        number.is_some()
    }) && beyond
}

/// Whole numbers of eight digits, all of them days of the calendar.
fn days_as_numbers(column: &RawColumn) -> bool {
    let is_day = |cell: &str| {
        let Some(number) = whole(cell) else {
            return false;
        };
        let (year, month, day) = (number / 10_000, number / 100 % 100, number % 100);
        (1900..=2100).contains(&year)
            && chrono::NaiveDate::from_ymd_opt(year as i32, month as u32, day as u32).is_some()
    };
    column.cells.len() >= ROWS && column.cells.iter().flatten().all(is_day)
}

/// Whether a name says that its values are names: `id`, `user_id`, `customerID`, `order-uuid`. Unlike
/// [`is_id_name`], `number` and `index` do not, because they may also count something.
fn ends_in_id(name: &str) -> bool {
    let lower = name.to_lowercase();
    let last = lower.rsplit(|c: char| !c.is_alphanumeric()).next();
    last.is_some_and(|last| ["id", "ids", "uuid", "guid"].contains(&last))
        || name.ends_with("ID")
        || name.ends_with("Id")
}

/// Whether a name suggests an identifier: `id`, `user_id`, `customerID`, `index`, `row number`, `Unnamed: 0` and
/// similar names.
fn is_id_name(name: &str) -> bool {
    let lower = name.to_lowercase();
    let last = lower
        .rsplit(|c: char| !c.is_alphanumeric())
        .find(|word| !word.is_empty())
        .unwrap_or("");
    let words = [
        "id", "ids", "index", "idx", "key", "uuid", "guid", "no", "nr", "number", "rowid",
        "rownum", "serial",
    ];
    words.contains(&last)
        || name.ends_with("ID")
        || name.ends_with("Id")
        || lower.starts_with("unnamed")
        // What pandas calls an index when it writes Parquet.
        || lower.starts_with("__index_level_")
        || lower.starts_with("column ") && last.parse::<u32>().is_ok()
        || lower == "#"
}
