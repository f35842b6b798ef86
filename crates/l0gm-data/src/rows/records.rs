//! Splits delimited text into records. The `csv` crate reads an unclosed quote up to the end of the
//! file without a word, takes blanks before a quote for part of the cell, and does not say on which
//! line a quote opened; those three are what goes wrong in people's files, so the splitter is our own.
//!
//! A cell that begins with a quote (after blanks) ends at the closing quote; `""` and `\"` inside it are
//! quotes. Anything but blanks behind the closing quote is an error: nearly always an earlier quote was
//! never closed, and what follows would be read inside out. Records end at `\n`, `\r\n` or `\r`.

use super::{Error, Place, Result};
use memchr::{memchr2, memchr3};
use std::borrow::Cow;

/// The records of a text, one after the other.
pub(super) struct Records<'a> {
    name: &'a str,
    text: &'a str,
    at: usize,
    line: u64,
    separator: u8,
    comment: Option<u8>,
    longest: u64,
    longest_allowed: String,
}

/// One cell of a record, trimmed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cell<'a> {
    pub(super) text: Cow<'a, str>,
}

impl<'a> Records<'a> {
    pub(super) fn new(name: &'a str, text: &'a str, separator: u8, comment: Option<u8>) -> Self {
        Self {
            name,
            text,
            at: 0,
            line: 1,
            separator,
            comment,
            longest: u64::MAX,
            longest_allowed: String::new(),
        }
    }

    /// Refuses records of more bytes.
    pub(super) fn capped(self, longest: u64, allowed: String) -> Self {
        Self {
            longest,
            longest_allowed: allowed,
            ..self
        }
    }

    /// Begins at this byte, which is on this line.
    pub(super) fn from(self, at: usize, line: u64) -> Self {
        Self { at, line, ..self }
    }

    /// The cells of the next record that is not blank, and its line; `None` at the end.
    pub(super) fn next(&mut self, cells: &mut Vec<Cell<'a>>) -> Result<Option<u64>> {
        loop {
            cells.clear();
            self.skip_comments();
            if self.at >= self.text.len() {
                return Ok(None);
            }
            let (start, line) = (self.at, self.line);
            while self.cell(cells)? {}
            if (self.at - start) as u64 > self.longest {
                return Err(self.too_long(line));
            }
            let blank = cells.len() == 1 && self.text[start..self.at].trim().is_empty();
            if !blank {
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

    /// Reads one cell and what ends it; false where that ends the record.
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

    /// The cell whose opening quote stands before `start`; leaves `at` behind the closing quote and the
    /// blanks that follow it.
    fn quoted(&mut self, start: usize) -> Result<Cow<'a, str>> {
        let bytes = self.text.as_bytes();
        let opened = self.line;
        // What has been copied of the cell, where a doubled quote made a copy necessary.
        let mut copied: Option<String> = None;
        let (mut from, mut at) = (start, start);
        loop {
            let Some(found) = memchr3(b'"', b'\n', b'\r', &bytes[at..]) else {
                return Err(self.unclosed(opened));
            };
            at += found;
            if (at - start) as u64 > self.longest {
                return Err(self.unclosed(opened));
            }
            if bytes[at] != b'"' {
                // "\r\n" is one line's end.
                if bytes[at] == b'\n' || bytes.get(at + 1) != Some(&b'\n') {
                    self.line += 1;
                }
                at += 1;
                continue;
            }
            let escaped = at > from && bytes[at - 1] == b'\\' && !self.ends_cell(at + 1);
            if bytes.get(at + 1) == Some(&b'"') || escaped {
                let copy = copied.get_or_insert_default();
                copy.push_str(&self.text[from..at - usize::from(escaped)]);
                // The quote that counts is the next byte of "" and this one of \".
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

    /// Whether a cell ends at this byte, blanks aside.
    fn ends_cell(&self, at: usize) -> bool {
        let rest = &self.text.as_bytes()[at.min(self.text.len())..];
        let blank = |byte: &&u8| matches!(byte, b' ' | b'\t') && **byte != self.separator;
        match rest.iter().find(|byte| !blank(byte)) {
            None => true,
            Some(byte) => *byte == self.separator || matches!(byte, b'\n' | b'\r'),
        }
    }

    /// Steps over the end of a line, if one stands here.
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
        // The cap is worth a word only where the text is longer than it.
        let within = match (self.text.len() as u64) > self.longest {
            true => format!(" within {}", self.longest_allowed),
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

    fn too_long(&self, line: u64) -> Error {
        Error::row(
            self.name,
            Place::Line(line),
            format!("the row has more than {}", self.longest_allowed),
        )
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn split(text: &str, separator: u8) -> Result<Vec<(u64, Vec<String>)>> {
        let mut records = Records::new("a.csv", text, separator, None);
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
        let rows = split(text, b',').unwrap();
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
    fn an_unclosed_quote_names_the_line_where_it_opened() {
        let error = split("a,b\n1,2\n3,\"x\n4,5\n", b',').unwrap_err();
        assert_eq!(error.place(), Some(Place::Line(3)), "{error}");
        // A later quote seems to close it.
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
                // A backslash before a quote reads as an escape in one dialect and not in the other.
                let clean = |cell: &String| cell.replace("\\\"", "").trim_end_matches('\\').to_owned();
                let rows: Vec<Vec<String>> = rows.iter().map(|r| r.iter().map(clean).collect()).collect();
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
            let _ = split(&text, b',');
        }
    }
}
