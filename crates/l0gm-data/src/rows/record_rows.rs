//! Collects records into the columns of a table, and checks each record against the header.

use super::missing::Missing;
use super::options::Wanted;
use super::records::Cell;
use super::table::{Cells, RawColumn, Typed, too_long};
use super::{Error, Place, ReadOptions, Result, header, list};

/// The rows read so far.
pub(super) struct Rows<'a> {
    file: &'a str,
    names: &'a [String],
    /// The columns; `None` for one that is ignored.
    pub(super) columns: Vec<Option<RawColumn>>,
    pub(super) lines: Vec<u64>,
    /// Number of header names up to the last one that is not empty.
    named: usize,
    /// Number of rows up to the last one with a cell that is not empty.
    filled: u64,
    /// Number of rows with empty cells beyond the header's columns.
    surplus: u64,
}

impl<'a> Rows<'a> {
    pub(super) fn new(file: &'a str, names: &'a [String], options: &ReadOptions) -> Result<Self> {
        let wanted = Wanted::new(options);
        wanted.check(file, names.iter().map(String::as_str))?;
        let columns = names.iter().map(|name| {
            wanted.has(name).then(|| RawColumn {
                name: name.clone(),
                cells: Cells::default(),
                typed: Typed::Text,
            })
        });
        let named = names.iter().rposition(|name| !name.is_empty());
        Ok(Self {
            file,
            columns: columns.collect(),
            names,
            lines: Vec::new(),
            named: named.map_or(0, |at| at + 1),
            filled: 0,
            surplus: 0,
        })
    }

    /// Appends a row, which must have a cell for every column of the header.
    pub(super) fn push(
        &mut self,
        line: u64,
        cells: &[Cell<'_>],
        missing: &Missing<'_>,
    ) -> Result<()> {
        self.check(line, cells)?;
        self.append(line, cells, missing)
    }

    /// Checks the number of cells of a row.
    pub(super) fn check(&mut self, line: u64, cells: &[Cell<'_>]) -> Result<()> {
        let (found, expected) = (cells.len(), self.names.len());
        let surplus_filled = cells
            .iter()
            .skip(expected)
            .any(|cell| !cell.text.is_empty());
        if found < self.named && !(expected == 1 && found == 0) || surplus_filled {
            return Err(self.wrong_count(line, found));
        }
        self.surplus += u64::from(found > expected);
        Ok(())
    }

    /// Appends a row that was checked. Cells that it lacks are empty.
    pub(super) fn append(
        &mut self,
        line: u64,
        cells: &[Cell<'_>],
        missing: &Missing<'_>,
    ) -> Result<()> {
        let mut any = false;
        for (i, column) in self.columns.iter_mut().enumerate() {
            let cell = cells.get(i).map_or("", |cell| cell.text.as_ref());
            any |= !cell.is_empty();
            if let Some(column) = column
                && !column.cells.push(cell, missing.is(cell))
            {
                return Err(too_long(self.file, &column.name));
            }
        }
        self.lines.push(line);
        if any {
            self.filled = self.lines.len() as u64;
        }
        Ok(())
    }

    /// The error that a row has too many or too few cells.
    pub(super) fn wrong_count(&self, line: u64, found: usize) -> Error {
        let expected = self.names.len();
        let names = match self.names {
            [first, .., last] => format!(" ({} to {})", super::shown(first), super::shown(last)),
            _ => String::new(),
        };
        let hint = match found > expected {
            true => "; a cell that holds the separator must stand in double quotes",
            false => "",
        };
        Error::row(
            self.file,
            Place::Line(line),
            format!("expected {expected} cells{names}, found {found}{hint}"),
        )
    }

    /// The columns that are read.
    pub(super) fn read(&self) -> impl Iterator<Item = &RawColumn> {
        self.columns.iter().flatten()
    }

    /// Whether a cell is its column's name.
    fn is_name(column: &RawColumn, row: usize) -> bool {
        column.cells.raw(row) == column.name
    }

    /// The first row that repeats the header, which happens if files were concatenated.
    pub(super) fn second_header(&self) -> Option<usize> {
        let probe = self.read().next()?;
        (0..self.lines.len()).find(|&row| {
            Self::is_name(probe, row) && self.read().all(|column| Self::is_name(column, row))
        })
    }

    /// Whether rows share a cell with the first row without repeating it as a whole, as rows of a file without a
    /// header do.
    pub(super) fn shares_cells_with_header(&self) -> bool {
        let elsewhere = |column: &RawColumn| {
            (0..self.lines.len().min(1000)).any(|row| {
                Self::is_name(column, row) && !self.read().all(|c| Self::is_name(c, row))
            })
        };
        self.read().count() > 1 && self.read().any(elsewhere)
    }

    /// The error that a row repeats the header, which stands on the line `first`.
    pub(super) fn repeated_header(&self, row: usize, first: u64) -> Error {
        Error::row(
            self.file,
            Place::Line(self.lines[row]),
            format!(
                "repeats the header of line {first} ({}); delete the line, and check how the file was put together",
                list(self.names.iter().map(String::as_str))
            ),
        )
    }

    /// Fails if the first row does not look like a header, or occurs again. It stands on the line `first`.
    pub(super) fn check_header(&self, first: u64, options: &ReadOptions) -> Result<()> {
        if let Some(row) = self.second_header()
            && !self.shares_cells_with_header()
        {
            return Err(self.repeated_header(row, first));
        }
        let columns: Vec<&RawColumn> = self.read().collect();
        header::check(self.file, first, self.names, &columns, options.prefix)
    }

    /// Removes empty rows at the end of a table of several columns. Returns their number.
    pub(super) fn drop_empty_rows(&mut self) -> usize {
        let rows = self.filled.max(1) as usize;
        if self.names.len() < 2 || rows >= self.lines.len() {
            return 0;
        }
        let dropped = self.lines.len() - rows;
        self.lines.truncate(rows);
        for column in self.columns.iter_mut().flatten() {
            column.cells.truncate(rows);
        }
        dropped
    }

    /// Number of columns up to the last one that has a name, a cell, or is ignored.
    pub(super) fn used_columns(&self) -> usize {
        let empty = |column: &Option<RawColumn>| match column {
            Some(column) => {
                column.name.is_empty()
                    && (0..column.cells.len()).all(|row| column.cells.raw(row).is_empty())
            }
            None => false,
        };
        let used = self.columns.iter().rposition(|column| !empty(column));
        used.map_or(1, |at| at + 1).min(self.columns.len())
    }

    /// The error about the first row with a cell in a column behind the first `used` ones.
    pub(super) fn beyond(&self, used: usize) -> Error {
        let filled = |row: &usize| {
            let mut behind = self.columns.iter().skip(used).flatten();
            behind.any(|column| !column.cells.raw(*row).is_empty())
        };
        let row = (0..self.lines.len()).find(filled).unwrap_or(0);
        self.wrong_count(self.lines[row], self.names.len())
    }

    /// Whether a row of several columns has no cell that is not empty.
    pub(super) fn is_empty_row(&self, cells: &[Cell<'_>]) -> bool {
        let mut of_names = cells.iter().take(self.names.len());
        self.names.len() > 1 && of_names.all(|cell| cell.text.is_empty())
    }

    /// Whether rows had empty cells beyond the header's columns.
    pub(super) fn has_surplus(&self) -> bool {
        self.surplus > 0
    }

    /// The first `used` columns and the lines of the rows. Columns without a name are called by their place, which is
    /// said.
    pub(super) fn finish(
        mut self,
        used: usize,
        said: &mut Vec<String>,
    ) -> (Vec<RawColumn>, Vec<u64>) {
        self.columns.truncate(used);
        for (at, column) in self.columns.iter_mut().enumerate() {
            if let Some(column) = column.as_mut().filter(|column| column.name.is_empty()) {
                column.name = format!("column {}", at + 1);
                said.push(format!(
                    "the column without a name is called '{}'",
                    column.name
                ));
            }
        }
        (self.columns.into_iter().flatten().collect(), self.lines)
    }
}

/// What is said of empty rows at the end.
pub(super) fn empty_rows_note(rows: usize) -> String {
    format!("{rows} empty rows at the end are left out")
}

/// What is said of empty columns at the end.
pub(super) const EMPTY_COLUMNS_NOTE: &str = "empty columns at the end are left out";
