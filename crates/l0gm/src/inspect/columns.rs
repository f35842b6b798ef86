//! The columns of a file, before anything is decided about them.

use l0gm_data::rows::RawTable;
use serde::Serialize;
use std::collections::HashMap;
use std::fmt::Write;

/// Number of values shown of a column.
const EXAMPLES: usize = 3;
/// Width of a value that is shown.
const LONGEST: usize = 18;

/// One column of a file.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Column {
    /// Its name.
    pub(super) name: String,
    /// What it is taken for: number, code, boolean, date, category or empty.
    pub(super) kind: String,
    /// Number of missing cells.
    pub(super) missing: usize,
    /// Number of distinct values among the other cells.
    pub(super) distinct: usize,
    /// The most frequent values, or the first ones where all are equally frequent.
    pub(super) examples: Vec<String>,
}

/// The columns of a table, in its order.
pub(super) fn of(table: &RawTable) -> Vec<Column> {
    let columns = table.columns().iter();
    columns
        .map(|column| {
            // A word among numbers makes the column one of categories here; training names the row.
            let kind = table.kind(column);
            let kind = kind.map_or("mixed", |kind| kind.name()).to_owned();
            let mut counts: HashMap<&str, (usize, usize)> = HashMap::new();
            for (row, cell) in column.cells.iter().enumerate() {
                if let Some(cell) = cell {
                    counts.entry(cell).or_insert((0, row)).0 += 1;
                }
            }
            let mut values: Vec<(&str, (usize, usize))> = counts.into_iter().collect();
            values.sort_by_key(|(_, (count, first))| (std::cmp::Reverse(*count), *first));
            Column {
                name: column.name.clone(),
                kind,
                missing: column.cells.missing(),
                distinct: values.len(),
                examples: values
                    .into_iter()
                    .take(EXAMPLES)
                    .map(|(value, _)| value.to_owned())
                    .collect(),
            }
        })
        .collect()
}

/// The columns as a table of text.
pub(super) fn text(columns: &[Column]) -> String {
    let widest = columns.iter().map(|c| c.name.chars().count()).max();
    let width = widest.unwrap_or(0).clamp(6, 28);
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "{:width$}  {:8}  {:>8}  {:>8}  examples",
        "column", "kind", "missing", "distinct"
    );
    for column in columns {
        let examples: Vec<String> = column
            .examples
            .iter()
            .map(|value| cut(value, LONGEST))
            .collect();
        let _ = writeln!(
            text,
            "{:width$}  {:8}  {:>8}  {:>8}  {}",
            cut(&column.name, width),
            column.kind,
            column.missing,
            column.distinct,
            examples.join(", ")
        );
    }
    text
}

/// A value in at most so many characters.
fn cut(value: &str, most: usize) -> String {
    let value = value.replace(['\n', '\r', '\t'], " ");
    match value.chars().count() > most {
        false => value,
        true => {
            let kept: String = value.chars().take(most.saturating_sub(1)).collect();
            format!("{kept}…")
        }
    }
}
