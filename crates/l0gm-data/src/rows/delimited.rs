//! Reads delimited text (CSV and its dialects) into a table.

use super::missing::Missing;
use super::options::Header;
use super::record_rows::{EMPTY_COLUMNS_NOTE, Rows, empty_rows_note};
use super::records::{Cell, Records};
use super::table::RawTable;
use super::{Error, Place, ReadOptions, Result, decimal, dialect};
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
    read_as(file, text, prefer_tab, options, true).map_err(|escaped| further(standard, escaped))
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
    let first = records.next(&mut cells)?.ok_or_else(|| nothing(file))?;
    let (names, has_header) = names(&cells, options);
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
        return Err(no_rows(file));
    }
    if options.header == Header::Find {
        rows.check_header(first, options)?;
    }
    let mut said: Vec<String> = found.said.into_iter().collect();
    let dropped = rows.drop_empty_rows();
    if dropped > 0 {
        said.push(empty_rows_note(dropped));
    }
    let used = rows.used_columns();
    if used < names.len() || rows.has_surplus() {
        said.push(EMPTY_COLUMNS_NOTE.to_owned());
    }
    let (columns, lines) = rows.finish(used, &mut said);
    let mut table = RawTable::new(file, columns, Some(lines), options.prefix)?.in_file(names);
    for line in said {
        table.say(line);
    }
    decimal::find(&mut table, options, Some(found.separator));
    Ok(table)
}

/// The columns' names, given the cells of the first record; and whether that record is a header.
pub(super) fn names(cells: &[Cell<'_>], options: &ReadOptions) -> (Vec<String>, bool) {
    match &options.header {
        Header::Names(names) => (names.clone(), false),
        Header::Absent => (
            (1..=cells.len()).map(|i| format!("column {i}")).collect(),
            false,
        ),
        Header::Find | Header::FirstRow => (
            cells.iter().map(|cell| cell.text.to_string()).collect(),
            true,
        ),
    }
}

/// The error that a file is empty.
pub(super) fn nothing(file: &str) -> Error {
    Error::file(file, "is empty; expected a header line and rows of data")
}

/// The error that a file has no rows behind its header.
pub(super) fn no_rows(file: &str) -> Error {
    Error::file(file, "is empty: it has a header line and no rows of data")
}

/// The one of two errors that came further in the file, which says more; `standard` if they came equally far.
pub(super) fn further(standard: Error, escaped: Error) -> Error {
    let line = |error: &Error| match error.place() {
        Some(Place::Line(line) | Place::Row(line)) => line,
        None => u64::MAX,
    };
    match line(&escaped) > line(&standard) {
        true => escaped,
        false => standard,
    }
}
