//! Splits delimited text into records. The `csv` crate silently reads an unclosed quote up to the end of the file,
//! treats spaces before a quote as part of the cell, and does not report the line on which a quote opened. These are
//! common mistakes in users' files, so the project has its own splitter.
//!
//! A cell that begins with a quote (after spaces) ends at the closing quote; `""` inside it is a quote, and so is
//! `\"` if the caller says that backslashes escape. Text other than spaces after the closing quote is an error,
//! because usually an earlier quote was not closed and the following text would be misread. Records end at `\n`,
//! `\r\n` or `\r`.

use super::options::{COLUMNS, Caps, LINE, allowed};
use super::{Error, Place, ReadOptions, Result};
use memchr::{memchr2, memchr3};
use std::borrow::Cow;

/// The records of a text, in order.
pub(super) struct Records<'a> {
    name: &'a str,
    text: &'a str,
    at: usize,
    line: u64,
    separator: u8,
    comment: Option<u8>,
    caps: Caps,
    escapes: bool,
    keep_blank: bool,
    blank: bool,
    ran_out: bool,
}

/// One trimmed cell of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cell<'a> {
    pub(super) text: Cow<'a, str>,
}

impl<'a> Records<'a> {
    pub(super) fn new(name: &'a str, text: &'a str, separator: u8, options: &ReadOptions) -> Self {
        Self {
            name,
            text,
            at: 0,
            line: 1,
            separator,
            comment: options.comment,
            caps: options.caps,
            escapes: false,
            keep_blank: false,
            blank: false,
            ran_out: false,
        }
    }

    /// Sets whether a backslash before a quote inside a quoted cell makes the quote a part of the cell.
    pub(super) fn escapes(self, escapes: bool) -> Self {
        Self { escapes, ..self }
    }

    /// From here on, a blank line is a record with one empty cell, which is a row of a file with one column.
    pub(super) fn keep_blank_lines(&mut self) {
        self.keep_blank = true;
    }

    /// Whether the last record was a blank line.
    pub(super) fn was_blank(&self) -> bool {
        self.blank
    }

    /// The byte at which the next record begins, and its line.
    pub(super) fn position(&self) -> (usize, u64) {
        (self.at, self.line)
    }

    /// Whether an error was found because the text ended inside a quoted cell.
    pub(super) fn ran_out(&self) -> bool {
        self.ran_out
    }

    /// Begins at this byte, which is on this line.
    pub(super) fn from(self, at: usize, line: u64) -> Self {
        Self {
            at,
            line,
            ran_out: false,
            ..self
        }
    }

    /// The cells and the line of the next record; `None` at the end. Blank lines are skipped unless they are kept.
    pub(super) fn next(&mut self, cells: &mut Vec<Cell<'a>>) -> Result<Option<u64>> {
        loop {
            cells.clear();
            self.skip_comments();
            if self.at >= self.text.len() {
                return Ok(None);
            }
            let (start, line) = (self.at, self.line);
            // Check the limits at every cell, because the cells of a line with gigabytes of separators would not fit
            // in memory.
            loop {
                let more = self.cell(cells)?;
                if (self.at - start) as u64 > self.caps.line_bytes {
                    return Err(self.too_large(line, self.longest_allowed()));
                }
                if cells.len() as u64 > self.caps.columns {
                    let most = allowed(self.caps.columns, "columns", COLUMNS);
                    return Err(self.too_large(line, most));
                }
                if !more {
                    break;
                }
            }
            self.blank = cells.len() == 1 && self.text[start..self.at].trim().is_empty();
            if !self.blank || self.keep_blank {
                return Ok(Some(line));
            }
        }
    }

    fn skip_comments(&mut self) {
        let bytes = self.text.as_bytes();
        while let Some(comment) = self.comment
            && bytes.get(self.at) == Some(&comment)
        {
            self.at =
                memchr2(b'\n', b'\r', &bytes[self.at..]).map_or(bytes.len(), |end| self.at + end);
            self.end_line();
        }
    }

    /// Reads one cell and the separator after it; returns false if that ends the record.
    fn cell(&mut self, cells: &mut Vec<Cell<'a>>) -> Result<bool> {
        let bytes = self.text.as_bytes();
        let mut start = self.at;
        while matches!(bytes.get(start), Some(b' ' | b'\t')) && bytes[start] != self.separator {
            start += 1;
        }
        let text = match bytes.get(start) {
            Some(b'"') => self.quoted(start + 1)?,
            _ => {
                let end = memchr3(self.separator, b'\n', b'\r', &bytes[self.at..])
                    .map_or(bytes.len(), |end| self.at + end);
                let text = &self.text[self.at..end];
                self.at = end;
                Cow::Borrowed(text.trim())
            }
        };
        cells.push(Cell { text });
        match bytes.get(self.at) {
            Some(byte) if *byte == self.separator => {
                self.at += 1;
                Ok(true)
            }
            _ => {
                self.end_line();
                Ok(false)
            }
        }
    }

    /// Reads the cell whose opening quote precedes `start`. Leaves `at` after the closing quote and the spaces that
    /// follow it.
    fn quoted(&mut self, start: usize) -> Result<Cow<'a, str>> {
        let bytes = self.text.as_bytes();
        let opened = self.line;
        // The text copied so far, if a doubled quote made a copy necessary.
        let mut copied: Option<String> = None;
        let (mut from, mut at) = (start, start);
        loop {
            let Some(found) = memchr3(b'"', b'\n', b'\r', &bytes[at..]) else {
                self.ran_out = true;
                return Err(self.unclosed(opened));
            };
            at += found;
            if (at - start) as u64 > self.caps.line_bytes {
                return Err(self.unclosed(opened));
            }
            if bytes[at] != b'"' {
                // "\r\n" is a single end of line.
                if bytes[at] == b'\n' || bytes.get(at + 1) != Some(&b'\n') {
                    self.line += 1;
                }
                at += 1;
                continue;
            }
            let doubled = bytes.get(at + 1) == Some(&b'"');
            // In `\""` the second quote closes the cell if the cell ends there, and doubles the first if not.
            let escaped = self.escapes
                && at > from
                && bytes[at - 1] == b'\\'
                && !self.ends_cell(at + 1)
                && (!doubled || self.ends_cell(at + 2));
            if doubled || escaped {
                let copy = copied.get_or_insert_default();
                copy.push_str(&self.text[from..at - usize::from(escaped)]);
                // Of "" the second byte is kept, and of \" the quote at this position.
                from = if escaped { at } else { at + 1 };
                at = from + 1;
                if escaped {
                    copy.push('"');
                    from = at;
                }
                continue;
            }
            let last = &self.text[from..at];
            self.at = at + 1;
            while matches!(bytes.get(self.at), Some(b' ' | b'\t'))
                && bytes[self.at] != self.separator
            {
                self.at += 1;
            }
            if !self.ends_cell(self.at) {
                return Err(self.stray(opened));
            }
            return Ok(match copied {
                None => Cow::Borrowed(last.trim()),
                Some(mut copy) => {
                    copy.push_str(last);
                    Cow::Owned(copy.trim().to_owned())
                }
            });
        }
    }

    /// Whether a cell ends at this byte, ignoring spaces.
    fn ends_cell(&self, at: usize) -> bool {
        let rest = &self.text.as_bytes()[at.min(self.text.len())..];
        let blank = |byte: &&u8| matches!(byte, b' ' | b'\t') && **byte != self.separator;
        match rest.iter().find(|byte| !blank(byte)) {
            None => true,
            Some(byte) => *byte == self.separator || matches!(byte, b'\n' | b'\r'),
        }
    }

    /// Moves past the end of a line, if there is one here.
    fn end_line(&mut self) {
        let bytes = self.text.as_bytes();
        if bytes.get(self.at) == Some(&b'\r') {
            self.at += 1;
            if bytes.get(self.at) != Some(&b'\n') {
                self.line += 1;
                return;
            }
        }
        if bytes.get(self.at) == Some(&b'\n') {
            self.at += 1;
            self.line += 1;
        }
    }

    fn unclosed(&self, opened: u64) -> Error {
        // Mention the limit only if the text is longer than it.
        let within = match (self.text.len() as u64) > self.caps.line_bytes {
            true => format!(" within {}", self.longest_allowed()),
            false => String::new(),
        };
        Error::row(
            self.name,
            Place::Line(opened),
            format!(
                "a quote opens here and never closes{within}; close it, or double it where it belongs to the cell"
            ),
        )
    }

    fn stray(&self, opened: u64) -> Error {
        let closes = match self.line == opened {
            true => "closes in the middle of a cell".to_owned(),
            false => format!("closes in line {}, in the middle of a cell", self.line),
        };
        Error::row(
            self.name,
            Place::Line(opened),
            format!(
                "a quote opens here and {closes}; close the quote that was left open, or double a quote that \
                 belongs to the cell"
            ),
        )
    }

    fn longest_allowed(&self) -> String {
        allowed(self.caps.line_bytes, "bytes", LINE)
    }

    fn too_large(&self, line: u64, allowed: String) -> Error {
        Error::row(
            self.name,
            Place::Line(line),
            format!("the row has more than {allowed}"),
        )
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn split(text: &str, separator: u8) -> Result<Vec<(u64, Vec<String>)>> {
        split_with(text, separator, false)
    }

    fn split_with(text: &str, separator: u8, escapes: bool) -> Result<Vec<(u64, Vec<String>)>> {
        let options = ReadOptions::default();
        let mut records = Records::new("a.csv", text, separator, &options).escapes(escapes);
        let (mut cells, mut out) = (Vec::new(), Vec::new());
        while let Some(line) = records.next(&mut cells)? {
            out.push((
                line,
                cells.iter().map(|cell| cell.text.to_string()).collect(),
            ));
        }
        Ok(out)
    }

    #[test]
    fn quotes_blanks_escapes_and_line_ends_are_read() {
        let text =
            "a, \"b, c\" ,\"d\"\"e\"\r\n\r\"f\ng\", \"h \\\"i\\\" j\",\"c:\\\"\n  \nlast,,5\" pipe";
        let rows = split_with(text, b',', true).unwrap();
        let expected: Vec<(u64, Vec<&str>)> = vec![
            (1, vec!["a", "b, c", "d\"e"]),
            (3, vec!["f\ng", "h \"i\" j", "c:\\"]),
            (6, vec!["last", "", "5\" pipe"]),
        ];
        let found: Vec<(u64, Vec<&str>)> = rows
            .iter()
            .map(|(line, cells)| (*line, cells.iter().map(String::as_str).collect()))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn an_escaped_quote_may_stand_before_the_closing_one() {
        let rows = split_with("\"say \\\"hi\\\"\",1\n", b',', true).unwrap();
        assert_eq!(rows, [(1, vec!["say \"hi\"".to_owned(), "1".to_owned()])]);
    }

    #[test]
    fn an_unclosed_quote_names_the_line_where_it_opened() {
        let error = split("a,b\n1,2\n3,\"x\n4,5\n", b',').unwrap_err();
        assert_eq!(error.place(), Some(Place::Line(3)), "{error}");
        // A later quote appears to close the cell.
        let error = split("a,b\n1,2\n3,\"x\n4,\"y\"\n5,6\n", b',').unwrap_err();
        assert_eq!(error.place(), Some(Place::Line(3)), "{error}");
        assert!(error.to_string().contains("closes in line 4"), "{error}");
    }

    proptest! {
        #[test]
        fn what_the_csv_crate_writes_is_read_back(
            rows in proptest::collection::vec(
                proptest::collection::vec("[a-z ,;\"'\n\r\\\\é|\t]{0,8}", 3), 1..12),
        ) {
            for separator in [b',', b';', b'\t', b'|'] {
                let mut writer = csv::WriterBuilder::new()
                    .delimiter(separator).quote_style(csv::QuoteStyle::Always).from_writer(Vec::new());
                for row in &rows {
                    writer.write_record(row).unwrap();
                }
                let text = String::from_utf8(writer.into_inner().unwrap()).unwrap();
                let found: Vec<Vec<String>> = split(&text, separator).unwrap().into_iter().map(|r| r.1).collect();
                let expected: Vec<Vec<String>> =
                    rows.iter().map(|r| r.iter().map(|c| c.trim().to_owned()).collect()).collect();
                prop_assert_eq!(found, expected);
            }
        }

        #[test]
        fn no_text_makes_it_panic_or_lose_a_line(text in "[a\",\n\r\\\\ ]{0,40}") {
            let _ = (split(&text, b','), split_with(&text, b',', true));
        }
    }
}
