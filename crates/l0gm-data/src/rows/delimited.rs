//! Reads delimited text (CSV and its dialects) into a table.

use super::missing::Missing;
use super::options::{Header, Wanted};
use super::records::{Cell, Records};
use super::table::{Cells, RawColumn, RawTable, Typed, too_long};
use super::{Error, Place, ReadOptions, Result, decimal, dialect, header, list};
use memchr::memmem;

/// Reads it as the standard has it, where a backslash is a character like any other; where that fails,
/// with `\"` for a quote inside a quoted cell.
pub(super) fn read(
    file: &str,
    text: &str,
    prefer_tab: bool,
    options: &ReadOptions,
) -> Result<RawTable> {
    let standard = match read_as(file, text, prefer_tab, options, false) {
        Err(error) if memmem::find(text.as_bytes(), b"\\\"").is_some() => error,
        found => return found,
    };
    // Of two errors, the one that came further says more.
    read_as(file, text, prefer_tab, options, true).map_err(|escaped| {
        let line = |error: &Error| match error.place() {
            Some(Place::Line(line) | Place::Row(line)) => line,
            None => u64::MAX,
        };
        match line(&escaped) > line(&standard) {
            true => escaped,
            false => standard,
        }
    })
}

fn read_as(
    file: &str,
    text: &str,
    prefer_tab: bool,
    options: &ReadOptions,
    escapes: bool,
) -> Result<RawTable> {
    let found = dialect::find(file, text, prefer_tab, options, escapes)?;
    let (at, line) = found.start;
    let mut records = Records::new(file, text, found.separator, options)
        .escapes(escapes)
        .from(at, line);
    let mut cells = Vec::new();
    let empty = || Error::file(file, "is empty; expected a header line and rows of data");
    let first = records.next(&mut cells)?.ok_or_else(empty)?;
    let (names, has_header) = match &options.header {
        Header::Names(names) => (names.clone(), false),
        Header::Absent => (
            (1..=cells.len()).map(|i| format!("column {i}")).collect(),
            false,
        ),
        Header::Find | Header::FirstRow => (
            cells
                .iter()
                .map(|cell| cell.text.to_string())
                .collect::<Vec<_>>(),
            true,
        ),
    };
    let missing = Missing::new(&options.missing);
    let mut rows = Rows::new(file, &names, options)?;
    if !has_header {
        rows.push(first, &cells, &missing)?;
    }
    // Of one column, a blank line is a row whose cell is missing, unless only blank lines follow it.
    if names.len() == 1 {
        records.keep_blank_lines();
    }
    let mut blank = Vec::new();
    while let Some(line) = records.next(&mut cells)? {
        if records.was_blank() {
            blank.push(line);
            continue;
        }
        for line in blank.drain(..) {
            rows.push(line, &[], &missing)?;
        }
        rows.push(line, &cells, &missing)?;
    }
    if rows.lines.is_empty() {
        return Err(Error::file(
            file,
            "is empty: it has a header line and no rows of data",
        ));
    }
    let mut said: Vec<String> = found.said.into_iter().collect();
    if options.header == Header::Find {
        rows.refuse_second_header(&names, first)?;
        let columns: Vec<&RawColumn> = rows.columns.iter().flatten().collect();
        header::check(file, first, &names, &columns, options.prefix)?;
    }
    let (columns, lines) = rows.finish(&mut said);
    let mut table = RawTable::new(file, columns, Some(lines), options.prefix)?.in_file(names);
    for line in said {
        table.say(line);
    }
    decimal::find(&mut table, options, Some(found.separator));
    Ok(table)
}

/// The rows read so far.
struct Rows<'a> {
    file: &'a str,
    names: &'a [String],
    /// The columns; `None` for one that is ignored.
    columns: Vec<Option<RawColumn>>,
    lines: Vec<u64>,
    /// Number of header names up to the last one that is not empty.
    named: usize,
    /// Number of rows up to the last one with a cell that is not empty.
    filled: u64,
    /// Number of rows with empty cells beyond the header's columns.
    surplus: u64,
}

impl<'a> Rows<'a> {
    fn new(file: &'a str, names: &'a [String], options: &ReadOptions) -> Result<Self> {
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

    fn push(&mut self, line: u64, cells: &[Cell<'_>], missing: &Missing<'_>) -> Result<()> {
        let (found, expected) = (cells.len(), self.names.len());
        let surplus_filled = cells
            .iter()
            .skip(expected)
            .any(|cell| !cell.text.is_empty());
        if found < self.named && !(expected == 1 && found == 0) || surplus_filled {
            return Err(self.wrong_count(line, found));
        }
        self.surplus += u64::from(found > expected);
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

    fn wrong_count(&self, line: u64, found: usize) -> Error {
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

    /// Fails if the header occurs again, which happens if files were concatenated.
    fn refuse_second_header(&self, names: &[String], first: u64) -> Result<()> {
        let columns: Vec<&RawColumn> = self.columns.iter().flatten().collect();
        let same = |row: usize, column: &RawColumn| column.cells.raw(row) == column.name;
        let Some(probe) = columns.first() else {
            return Ok(());
        };
        let again = (0..self.lines.len())
            .find(|&row| same(row, probe) && columns.iter().all(|c| same(row, c)));
        let Some(row) = again else {
            return Ok(());
        };
        // Without a header, other rows may share cells with the first one too.
        let elsewhere = |column: &&RawColumn| {
            (0..self.lines.len().min(1000))
                .any(|r| same(r, column) && !columns.iter().all(|c| same(r, c)))
        };
        if columns.len() > 1 && columns.iter().any(elsewhere) {
            return Ok(());
        }
        Err(Error::row(
            self.file,
            Place::Line(self.lines[row]),
            format!(
                "repeats the header of line {first} ({}); delete the line, and check how the file was put together",
                list(names.iter().map(String::as_str))
            ),
        ))
    }

    /// Removes empty columns and rows at the end, names columns without a name, and reports both.
    fn finish(mut self, said: &mut Vec<String>) -> (Vec<RawColumn>, Vec<u64>) {
        let rows = self.filled.max(1) as usize;
        if self.names.len() > 1 && rows < self.lines.len() {
            said.push(format!(
                "{} empty rows at the end are left out",
                self.lines.len() - rows
            ));
            self.lines.truncate(rows);
            for column in self.columns.iter_mut().flatten() {
                column.cells.truncate(rows);
            }
        }
        let empty = |column: &Option<RawColumn>| match column {
            Some(column) => {
                column.name.is_empty()
                    && (0..column.cells.len()).all(|row| column.cells.raw(row).is_empty())
            }
            None => false,
        };
        let mut dropped = 0;
        while self.columns.len() > 1 && self.columns.last().is_some_and(empty) {
            self.columns.pop();
            dropped += 1;
        }
        if dropped > 0 || self.surplus > 0 {
            said.push("empty columns at the end are left out".to_owned());
        }
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
