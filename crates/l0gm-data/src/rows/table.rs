//! Rows as they were read: named columns of cells, and the place of each row in the file.

use super::number::Decimal;
use super::{Error, Place, Result, nearest_name, shown};
use std::borrow::Cow;
use std::collections::HashMap;

/// The cells of one column in a single buffer, because a string for each of 100 million cells would not fit in
/// memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cells {
    text: String,
    /// The end of each cell in `text`; the top bit marks a missing cell.
    ends: Vec<u32>,
}

const MISSING: u32 = 1 << 31;

impl Cells {
    /// Appends a cell. Returns false and appends nothing if the column would exceed 2 GiB.
    #[must_use]
    pub fn push(&mut self, cell: &str, missing: bool) -> bool {
        let end = self.text.len() + cell.len();
        if end >= MISSING as usize {
            return false;
        }
        self.text.push_str(cell);
        self.ends
            .push(end as u32 | if missing { MISSING } else { 0 });
        true
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The cell of a row; `None` if it is missing.
    pub fn get(&self, row: usize) -> Option<&str> {
        (self.ends[row] & MISSING == 0).then(|| self.raw(row))
    }

    /// The cell as the file writes it, even if it means "missing".
    pub fn raw(&self, row: usize) -> &str {
        let end = |row: usize| (self.ends[row] & !MISSING) as usize;
        let start = if row == 0 { 0 } else { end(row - 1) };
        &self.text[start..end(row)]
    }

    /// All cells in order; `None` for a missing one.
    pub fn iter(&self) -> impl Iterator<Item = Option<&str>> {
        (0..self.len()).map(|row| self.get(row))
    }

    /// Number of missing cells.
    pub fn missing(&self) -> usize {
        self.ends.iter().filter(|end| **end & MISSING != 0).count()
    }

    pub(super) fn truncate(&mut self, rows: usize) {
        self.ends.truncate(rows);
        let end = self.ends.last().map_or(0, |end| end & !MISSING);
        self.text.truncate(end as usize);
    }
}

/// The type that the file's format gives a column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Typed {
    /// No type: the cells are text that may mean anything.
    #[default]
    Text,
    /// Numbers, written as Rust writes them.
    Number,
    /// `true` and `false`.
    Boolean,
    /// Dates in the form of ISO 8601.
    Date,
    /// One of a declared set of names.
    Category,
}

/// A named column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawColumn {
    /// Name of the column, unique in the table.
    pub name: String,
    /// The cells of the column.
    pub cells: Cells,
    /// The type that the file's format gives.
    pub typed: Typed,
}

impl RawColumn {
    /// The cell of a row; `None` if it is missing.
    pub fn cell(&self, row: usize) -> Option<&str> {
        self.cells.get(row)
    }
}

/// The rows of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Part {
    name: String,
    /// Line of each row, or its number in a Parquet file.
    numbers: Vec<u64>,
    /// Whether the numbers count rows rather than lines.
    counted: bool,
    /// Number of each row in the file, counted from 1; `None` while all rows are there.
    left: Option<Vec<u64>>,
}

/// Rows as they were read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawTable {
    columns: Vec<RawColumn>,
    /// Position of each column by name, because a table may have thousands.
    index: HashMap<String, usize>,
    /// Names of all columns of the file, including ignored ones.
    in_file: Vec<String>,
    parts: Vec<Part>,
    said: Vec<String>,
    pub(super) decimal: Decimal,
    pub(super) prefix: &'static str,
}

impl RawTable {
    /// `lines` holds the line of each row, counted from 1; `None` if rows are counted instead.
    pub(super) fn new(
        name: &str,
        columns: Vec<RawColumn>,
        lines: Option<Vec<u64>>,
        prefix: &'static str,
    ) -> Result<Self> {
        let rows = columns.first().map_or(0, |column| column.cells.len());
        if rows == 0 {
            return Err(Error::file(name, "is empty; expected rows of data"));
        }
        let mut seen = std::collections::HashSet::new();
        if let Some(twice) = columns
            .iter()
            .find(|column| !seen.insert(column.name.as_str()))
        {
            let column = shown(&twice.name);
            return Err(Error::file(
                name,
                format!(
                    "column {column} appears twice; rename one of them, or leave both out with {prefix}ignore"
                ),
            ));
        }
        let mut table = Self {
            columns,
            parts: vec![Part {
                name: name.to_owned(),
                counted: lines.is_none(),
                left: None,
                numbers: lines.unwrap_or_else(|| (1..=rows as u64).collect()),
            }],
            index: HashMap::new(),
            in_file: Vec::new(),
            said: Vec::new(),
            decimal: Decimal::Point,
            prefix,
        };
        table.reindex();
        Ok(table)
    }

    fn reindex(&mut self) {
        let names = self.columns.iter().map(|column| column.name.clone());
        self.index = names.zip(0..).collect();
    }

    /// Counts rows from the one behind `before` rows of the same file.
    pub(super) fn after(mut self, before: u64) -> Self {
        for part in &mut self.parts {
            let rows = part.numbers.len() as u64;
            if part.counted {
                part.numbers = (before + 1..=before + rows).collect();
            }
            part.left = (before > 0).then(|| (before + 1..=before + rows).collect());
        }
        self
    }

    /// Takes the remarks on the file.
    pub(super) fn take_said(&mut self) -> Vec<String> {
        std::mem::take(&mut self.said)
    }

    /// Sets the names of all columns of the file, for messages.
    pub(super) fn in_file(self, in_file: Vec<String>) -> Self {
        Self { in_file, ..self }
    }

    /// Number of columns in the file, including ignored ones.
    pub fn columns_in_file(&self) -> usize {
        self.in_file.len().max(self.columns.len())
    }

    pub(super) fn say(&mut self, said: impl Into<String>) {
        self.said.push(said.into());
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.parts.iter().map(|part| part.numbers.len()).sum()
    }

    /// The columns, in the file's order.
    pub fn columns(&self) -> &[RawColumn] {
        &self.columns
    }

    /// Names of the columns.
    pub fn names(&self) -> impl Iterator<Item = &str> + Clone {
        self.columns.iter().map(|column| column.name.as_str())
    }

    /// The column with this name; an error suggests the nearest one.
    pub fn column(&self, name: &str) -> Result<&RawColumn> {
        self.find(name).ok_or_else(|| self.no_column(name))
    }

    /// The column with this name, if there is one.
    pub fn find(&self, name: &str) -> Option<&RawColumn> {
        self.index.get(name).map(|at| &self.columns[*at])
    }

    /// The cells of a column as the file writes them; `None` if a cell is empty.
    ///
    /// # Errors
    /// Fails if there is no such column.
    pub fn as_written(&self, name: &str) -> Result<Vec<Option<String>>> {
        let cells = &self.column(name)?.cells;
        let raw = (0..cells.len()).map(|row| cells.raw(row));
        Ok(raw
            .map(|cell| (!cell.is_empty()).then(|| cell.to_owned()))
            .collect())
    }

    /// Position of the column with this name; an error suggests the nearest one.
    pub fn position(&self, name: &str) -> Result<usize> {
        let found = self.index.get(name).copied();
        found.ok_or_else(|| self.no_column(name))
    }

    fn no_column(&self, name: &str) -> Error {
        match self.in_file.iter().any(|known| known == name) {
            // The file has the column, but it was ignored.
            true => no_column(self.name(), name, self.names()),
            false => no_column(self.name(), name, self.in_file.iter().map(String::as_str)),
        }
    }

    /// Name of the (first) file.
    pub fn name(&self) -> &str {
        &self.parts[0].name
    }

    /// Place of a row in its file.
    pub fn place(&self, row: usize) -> Place {
        self.part_of(row).1
    }

    /// Number of a row in its file, counted from 1. Rows that were left out since keep their numbers; the header,
    /// comments and blank lines have none.
    pub fn number(&self, mut row: usize) -> u64 {
        for part in &self.parts {
            if row < part.numbers.len() {
                let left = part.left.as_ref();
                return left.map_or(row as u64 + 1, |left| left[row]);
            }
            row -= part.numbers.len();
        }
        0
    }

    fn part_of(&self, mut row: usize) -> (&str, Place) {
        for part in &self.parts {
            if let Some(&number) = part.numbers.get(row) {
                let place = match part.counted {
                    false => Place::Line(number),
                    true => Place::Row(number),
                };
                return (&part.name, place);
            }
            row -= part.numbers.len();
        }
        (self.name(), Place::Row(0))
    }

    /// Name of the file that holds a row.
    pub fn file_of(&self, row: usize) -> &str {
        self.part_of(row).0
    }

    /// Remarks on the file for the user.
    pub fn said(&self) -> &[String] {
        &self.said
    }

    /// The decimal mark of this file, for cells that do not show it.
    pub fn decimal(&self) -> Decimal {
        self.decimal
    }

    /// Prefix of a setting's name in messages.
    pub fn prefix(&self) -> &'static str {
        self.prefix
    }

    /// Makes an error about a cell, which it quotes as the file writes it.
    pub fn cell_error(&self, row: usize, column: &RawColumn, expected: &str) -> Error {
        let (file, place) = self.part_of(row);
        Error::cell(file, place, &column.name, expected, column.cells.raw(row))
    }

    /// Makes an error about a row.
    pub fn row_error(&self, row: usize, message: impl Into<String>) -> Error {
        let (file, place) = self.part_of(row);
        Error::row(file, place, message)
    }

    /// Removes the columns for which `keep` is false.
    pub fn retain_columns(&mut self, keep: impl Fn(&RawColumn) -> bool) {
        self.columns.retain(keep);
        self.reindex();
    }

    /// Replaces each cell of a column by a part of it, except missing cells.
    pub fn rewrite(&mut self, name: &str, part: impl Fn(&str) -> &str) {
        if let Some(at) = self.index.get(name) {
            let column = &mut self.columns[*at];
            let mut cells = Cells::default();
            for row in 0..column.cells.len() {
                let cell = column.cells.get(row);
                // This cannot fail, because a part is not longer than the whole.
                let _ = cells.push(
                    cell.map_or_else(|| column.cells.raw(row), &part),
                    cell.is_none(),
                );
            }
            column.cells = cells;
        }
    }

    /// Keeps only the rows for which `keep` is true.
    pub fn retain(&mut self, keep: &[bool]) {
        for column in &mut self.columns {
            let mut kept = Cells::default();
            for row in (0..column.cells.len()).filter(|row| keep[*row]) {
                // This cannot fail, because the result is not larger than the column was.
                let _ = kept.push(column.cells.raw(row), column.cells.get(row).is_none());
            }
            column.cells = kept;
        }
        let mut keep = keep.iter().copied();
        for part in &mut self.parts {
            let all = part.numbers.len();
            let kept: Vec<usize> = (0..all).filter(|_| keep.next().unwrap_or(true)).collect();
            let left = part.left.as_ref();
            let number = |&row: &usize| left.map_or(row as u64 + 1, |left| left[row]);
            part.left = Some(kept.iter().map(number).collect());
            part.numbers = kept.iter().map(|&row| part.numbers[row]).collect();
        }
    }

    /// Appends the rows of another file, which has the same columns in any order. `rewrite` gives a cell's text in
    /// this table from its column's position here and its text there; missing cells stay as they are.
    pub(super) fn append_cells(
        &mut self,
        other: RawTable,
        rewrite: impl Fn(usize, &str) -> Cow<'_, str>,
    ) -> Result<()> {
        for (at, column) in self.columns.iter_mut().enumerate() {
            let theirs = other.column(&column.name)?;
            for row in 0..theirs.cells.len() {
                let cell = theirs.cells.get(row);
                let text = match cell {
                    Some(cell) => rewrite(at, cell),
                    None => Cow::Borrowed(theirs.cells.raw(row)),
                };
                if !column.cells.push(&text, cell.is_none()) {
                    return Err(too_long(other.name(), &column.name));
                }
            }
            if column.typed != theirs.typed {
                column.typed = Typed::Text;
            }
        }
        for said in other.said {
            let said = format!("{}: {said}", other.parts[0].name);
            self.said.push(said);
        }
        self.parts.extend(other.parts);
        Ok(())
    }
}

pub(super) fn too_long(file: &str, column: &str) -> Error {
    Error::file(
        file,
        format!(
            "column {} holds 2 GiB or more; split the file, or leave the column out",
            shown(column)
        ),
    )
}

/// The error that a file lacks a column, with the nearest name and the existing ones.
pub(super) fn no_column<'a>(
    file: &str,
    wanted: &str,
    names: impl Iterator<Item = &'a str> + Clone,
) -> Error {
    let near = nearest_name(wanted, names.clone());
    let near = near.map_or(String::new(), |name| {
        format!("; did you mean {}?", shown(name))
    });
    Error::file(
        file,
        format!(
            "has no column {}{near} (columns: {})",
            shown(wanted),
            super::list(names)
        ),
    )
}
