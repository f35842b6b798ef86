//! Appends the rows of one file to those of another. Their numbers may have different decimal marks.

use super::kind::{self, Kind};
use super::number::{self, Decimal};
use super::table::no_column;
use super::{RawColumn, RawTable, Result};
use std::borrow::Cow;

impl RawTable {
    /// Appends the rows of another file, whose columns are found by name. If its numbers have another decimal mark
    /// than this file's, they are rewritten with this one's.
    ///
    /// # Errors
    /// Fails if one of the files lacks a column, or a column would exceed 2 GiB.
    pub fn append(&mut self, other: RawTable) -> Result<()> {
        if let Some(more) = other.names().find(|name| self.find(name).is_none()) {
            return Err(no_column(self.name(), more, self.names()));
        }
        let marks: Vec<Option<(Decimal, Decimal)>> = self
            .columns()
            .iter()
            .map(|column| {
                Ok(other_mark(
                    self,
                    column,
                    &other,
                    other.column(&column.name)?,
                ))
            })
            .collect::<Result<_>>()?;
        self.append_cells(other, |column, cell| match marks[column] {
            Some((from, to)) => with_mark(cell, from, to),
            None => Cow::Borrowed(cell),
        })
    }
}

/// The decimal marks of a column of numbers in another file and in this one, if they differ and the difference
/// matters.
fn other_mark(
    table: &RawTable,
    column: &RawColumn,
    other: &RawTable,
    theirs: &RawColumn,
) -> Option<(Decimal, Decimal)> {
    let has_mark = |cell: &str| cell.contains(['.', ',']);
    if !theirs.cells.iter().flatten().any(has_mark) {
        return None;
    }
    match (kind::infer(other, theirs), kind::infer(table, column)) {
        (Ok(Kind::Number(from)), Ok(Kind::Number(to))) if from != to => Some((from, to)),
        _ => None,
    }
}

/// Rewrites a number with another decimal mark.
fn with_mark(cell: &str, from: Decimal, to: Decimal) -> Cow<'_, str> {
    match number::canonical(cell, from) {
        Some(number) if to == Decimal::Comma => Cow::Owned(number.replace('.', ",")),
        Some(number) => Cow::Owned(number.into_owned()),
        None => Cow::Borrowed(cell),
    }
}
