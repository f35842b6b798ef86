//! Splits delimited text into chunks of rows. The first chunk decides on separator, header and decimal mark, and
//! whether a backslash escapes a quote. If that only shows further behind, rows are read so from there on.

use super::super::delimited::{further, names, no_rows, nothing};
use super::super::missing::Missing;
use super::super::record_rows::{EMPTY_COLUMNS_NOTE, Rows, empty_rows_note};
use super::super::records::{Cell, Records};
use super::super::{Decimal, Error, Header, RawTable, ReadOptions, Result, decimal, dialect};
use super::Sizes;
use super::text::Text;
use memchr::memmem;

/// Delimited text, read in chunks.
pub(super) struct Delimited {
    name: String,
    text: Text,
    options: ReadOptions,
    prefers_tab: bool,
    sizes: Sizes,
    /// Whether the first chunk was read, which decides on the following fields.
    begun: bool,
    separator: u8,
    escapes: bool,
    names: Vec<String>,
    /// Line of the first record.
    first_line: u64,
    /// Whether rows share cells with the first row, as those of a file without a header do.
    shares_cells: bool,
    /// Number of columns up to the last used one.
    used: usize,
    decimal: Decimal,
    /// Where the next record begins in the window, and its line.
    at: (usize, u64),
    /// Lines of empty rows, which count only if another row follows.
    waiting: Vec<u64>,
    /// Number of rows given out so far.
    rows: u64,
    /// Whether empty columns at the end were said.
    said_columns: bool,
}

/// What ended the reading of records.
#[derive(PartialEq)]
enum End {
    /// The chunk has as many rows as were asked for.
    Chunk,
    /// The window ends inside a record.
    Window,
    File,
}

impl Delimited {
    pub(super) fn new(
        name: &str,
        text: Text,
        prefers_tab: bool,
        options: &ReadOptions,
        sizes: Sizes,
    ) -> Self {
        Self {
            name: name.to_owned(),
            text,
            options: options.clone(),
            prefers_tab,
            sizes,
            begun: false,
            separator: b',',
            escapes: false,
            names: Vec::new(),
            first_line: 1,
            shares_cells: false,
            used: 0,
            decimal: Decimal::Point,
            at: (0, 1),
            waiting: Vec::new(),
            rows: 0,
            said_columns: false,
        }
    }

    pub(super) fn next_chunk(&mut self, said: &mut Vec<String>) -> Result<Option<RawTable>> {
        let table = match self.begun {
            true => self.chunk(said)?,
            false => Some(self.first_chunk(said)?),
        };
        self.begun = true;
        if table.is_none() && self.names.len() > 1 && !self.waiting.is_empty() {
            said.push(empty_rows_note(self.waiting.len()));
            self.waiting.clear();
        }
        Ok(table)
    }

    /// The first chunk, read as the standard has it or, if that fails, with escapes.
    fn first_chunk(&mut self, said: &mut Vec<String>) -> Result<RawTable> {
        let before = said.len();
        let standard = match self.first_chunk_as(false, said) {
            Err(error) if has_escapes(self.text.as_str()) => error,
            found => return found,
        };
        said.truncate(before);
        self.waiting.clear();
        self.said_columns = false;
        self.first_chunk_as(true, said)
            .map_err(|escaped| further(standard, escaped))
    }

    fn first_chunk_as(&mut self, escapes: bool, said: &mut Vec<String>) -> Result<RawTable> {
        self.escapes = escapes;
        while !self.read_header(said)? {
            self.text.next(0)?;
        }
        self.chunk(said)?.ok_or_else(|| no_rows(&self.name))
    }

    /// Finds the dialect and the columns' names. Returns false if the window does not hold the first record.
    fn read_header(&mut self, said: &mut Vec<String>) -> Result<bool> {
        let (name, options, text) = (&self.name, &self.options, self.text.as_str());
        let found = dialect::find(name, text, self.prefers_tab, options, self.escapes)?;
        let (at, line) = found.start;
        let mut records = Records::new(name, text, found.separator, options)
            .escapes(self.escapes)
            .from(at, line);
        let mut cells = Vec::new();
        let record = records.next(&mut cells);
        let blank = matches!(record, Ok(None)) && !self.text.ended();
        if blank || is_cut(&self.text, &records, &record, at, options) {
            return Ok(false);
        }
        self.first_line = record?.ok_or_else(|| nothing(name))?;
        let (names, has_header) = names(&cells, options);
        self.at = match has_header {
            true => records.position(),
            false => found.start,
        };
        self.names = names;
        self.separator = found.separator;
        said.extend(found.said);
        Ok(true)
    }

    /// Reads rows until the chunk is full or the file ends; `None` if there are no more. While the first chunk is
    /// read, the window keeps all of its text, because the chunk may have to be read again.
    fn chunk(&mut self, said: &mut Vec<String>) -> Result<Option<RawTable>> {
        let (name, names, options) = (&self.name, &self.names, &self.options);
        let missing = Missing::new(&options.missing);
        let mut rows = Rows::new(name, names, options)?;
        let mut bytes = 0;
        // The error of a record that is being read once more with escapes.
        let mut standard = None;
        loop {
            let mut records = Records::new(name, self.text.as_str(), self.separator, options)
                .escapes(self.escapes)
                .from(self.at.0, self.at.1);
            // Of one column, a blank line is a row whose cell is missing, unless only blank lines follow it.
            if names.len() == 1 {
                records.keep_blank_lines();
            }
            let mut cells = Vec::new();
            let end = loop {
                if rows.lines.len() >= self.sizes.rows || bytes > self.sizes.most {
                    break End::Chunk;
                }
                let start = records.position().0;
                let record = records.next(&mut cells);
                if is_cut(&self.text, &records, &record, start, options) {
                    break End::Window;
                }
                let error = match record {
                    Ok(None) if self.text.ended() => break End::File,
                    Ok(None) => {
                        // Blank lines and comments that are whole need not be read again.
                        if self.text.as_str().ends_with('\n') {
                            self.at = records.position();
                        }
                        break End::Window;
                    }
                    Ok(Some(line)) if records.was_blank() => {
                        // Blank lines before the first record are no rows.
                        if line > self.first_line {
                            self.waiting.push(line);
                        }
                        None
                    }
                    Ok(Some(line)) => {
                        take(&mut rows, line, &cells, &mut self.waiting, &missing).err()
                    }
                    Err(error) => Some(error),
                };
                let Some(error) = error else {
                    self.at = records.position();
                    bytes += self.at.0 - start;
                    standard = None;
                    continue;
                };
                if let Some(standard) = standard {
                    return Err(further(standard, error));
                }
                if !self.begun || self.escapes || !has_escapes(&self.text.as_str()[start..]) {
                    return Err(error);
                }
                // Read this record again, and the following ones, with escapes.
                standard = Some(error);
                self.escapes = true;
                records = records.escapes(true).from(self.at.0, self.at.1);
            };
            match end {
                End::Chunk | End::File => break,
                End::Window if !self.begun => self.text.next(0)?,
                End::Window => {
                    self.text.next(self.at.0)?;
                    self.at.0 = 0;
                }
            }
        }
        let only_empty = rows.lines.is_empty() && self.rows == 0 && names.len() > 1;
        if only_empty && !self.waiting.is_empty() {
            // A file of nothing but empty rows has one of them.
            rows.append(self.waiting.remove(0), &[], &missing)?;
        }
        if rows.lines.is_empty() {
            return Ok(None);
        }
        if options.header == Header::Find {
            match self.begun {
                false => {
                    rows.check_header(self.first_line, options)?;
                    self.shares_cells = rows.shares_cells_with_header();
                }
                true => {
                    if let (Some(row), false) = (rows.second_header(), self.shares_cells) {
                        return Err(rows.repeated_header(row, self.first_line));
                    }
                }
            }
        }
        let used = rows.used_columns();
        if self.begun && used > self.used {
            return Err(rows.beyond(self.used));
        }
        if !self.begun {
            self.used = used;
        }
        let dropped = self.used < names.len() || rows.has_surplus();
        if dropped && !self.said_columns {
            self.said_columns = true;
            said.push(EMPTY_COLUMNS_NOTE.to_owned());
        }
        let mut called = Vec::new();
        let (columns, lines) = rows.finish(self.used, &mut called);
        let table = RawTable::new(name, columns, Some(lines), options.prefix)?;
        let mut table = table.in_file(names.clone()).after(self.rows);
        if self.begun {
            table.decimal = self.decimal;
        } else {
            said.extend(called);
            decimal::find(&mut table, options, Some(self.separator));
            self.decimal = table.decimal;
        }
        self.rows += table.rows() as u64;
        Ok(Some(table))
    }
}

/// Whether a record may go on behind the window, or an error about it may only come from the window's end.
fn is_cut(
    text: &Text,
    records: &Records<'_>,
    record: &Result<Option<u64>>,
    start: usize,
    options: &ReadOptions,
) -> bool {
    let window = text.as_str();
    !text.ended()
        && match record {
            Ok(Some(_)) => records.position().0 == window.len() && !window.ends_with('\n'),
            Ok(None) => false,
            Err(_) => {
                let length = (window.len() - start) as u64;
                records.ran_out() && length <= options.caps.line_bytes
            }
        }
}

/// Whether a text has a quote behind a backslash.
fn has_escapes(text: &str) -> bool {
    memmem::find(text.as_bytes(), b"\\\"").is_some()
}

/// Appends a record to the rows, or lets it wait if it is empty.
fn take(
    rows: &mut Rows<'_>,
    line: u64,
    cells: &[Cell<'_>],
    waiting: &mut Vec<u64>,
    missing: &Missing<'_>,
) -> Result<(), Error> {
    rows.check(line, cells)?;
    if rows.is_empty_row(cells) {
        waiting.push(line);
        return Ok(());
    }
    for line in waiting.drain(..) {
        rows.append(line, &[], missing)?;
    }
    rows.append(line, cells, missing)
}
