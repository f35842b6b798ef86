//! Finds the byte that separates cells, from the first rows.

use super::records::Records;
use super::{Error, ReadOptions, Result};

/// Candidates, the most common first, which wins if they are otherwise equal.
const SEPARATORS: [(u8, &str); 4] = [
    (b',', "commas"),
    (b';', "semicolons"),
    (b'\t', "tabs"),
    (b'|', "pipes"),
];
/// Number of rows to examine.
const ROWS: usize = 50;

/// The separator, a remark about it, and where the rows begin as (byte, line).
pub(super) struct Dialect {
    pub(super) separator: u8,
    pub(super) said: Option<String>,
    pub(super) start: (usize, u64),
}

/// Whether a text begins as a JSON object or a list of objects does: `{"name": ` or `[{"name": `.
fn looks_like_json(text: &str) -> bool {
    let start = text.trim_start();
    let start = start.strip_prefix('[').map_or(start, str::trim_start);
    let Some(object) = start.strip_prefix('{').map(str::trim_start) else {
        return false;
    };
    let name = object
        .strip_prefix('"')
        .and_then(|rest| rest.split_once('"'));
    name.is_some_and(|(_, rest)| rest.trim_start().starts_with(':'))
}

/// Finds the separator, unless it is given. A first line `sep=;`, as Excel writes it, states it too and is not a row.
/// `escapes` says whether backslashes escape quotes.
pub(super) fn find(
    name: &str,
    text: &str,
    prefer_tab: bool,
    options: &ReadOptions,
    escapes: bool,
) -> Result<Dialect> {
    if looks_like_json(text) {
        return Err(Error::file(
            name,
            "looks like JSON, which is not read; convert it to CSV or Parquet first",
        ));
    }
    let first = first_line(text);
    let start = match first {
        Some((_, end)) => (end, 2),
        None => (0, 1),
    };
    if let Some(separator) = options.separator {
        if !separator.is_ascii() || matches!(separator, b'"' | b'\n' | b'\r') {
            return Err(Error::file(
                name,
                "the separator must be one ASCII character and no quote",
            ));
        }
        return Ok(Dialect {
            separator,
            said: None,
            start,
        });
    }
    if let Some((separator, _)) = first {
        let said = Some(format!(
            "its first line says that {} separate the cells",
            called(separator)
        ));
        return Ok(Dialect {
            separator,
            said,
            start,
        });
    }
    let mut best: Option<(Score, u8)> = None;
    for (separator, _) in SEPARATORS {
        let Some(mut score) = score(name, text, separator, options, escapes) else {
            continue;
        };
        score.preferred = prefer_tab && separator == b'\t';
        if best.is_none_or(|(best, _)| score > best) {
            best = Some((score, separator));
        }
    }
    let separator = best.map_or(b',', |(_, separator)| separator);
    let said = (separator != b',').then(|| format!("{} separate the cells", called(separator)));
    Ok(Dialect {
        separator,
        said,
        start,
    })
}

/// The separator that a first line `sep=;` names, and where the next line begins.
fn first_line(text: &str) -> Option<(u8, usize)> {
    let end = text.find('\n').map_or(text.len(), |end| end + 1);
    let named = text[..end].trim_start().strip_prefix("sep=")?;
    // The separator may be a white-space character: a tab.
    let named = named.trim_end_matches(['\n', '\r']);
    let named = match named.len() {
        1 => named,
        _ => named.trim(),
    };
    match named.as_bytes() {
        &[separator] if separator.is_ascii() && separator != b'"' => Some((separator, end)),
        _ => None,
    }
}

fn called(separator: u8) -> String {
    SEPARATORS
        .iter()
        .find(|(byte, _)| *byte == separator)
        .map_or_else(
            || super::shown(&char::from(separator).to_string()),
            |(_, name)| (*name).to_owned(),
        )
}

/// How well a separator explains the first rows; fields are in order of importance.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
struct Score {
    /// Whether the file is a `.tsv` whose header has tabs.
    preferred: bool,
    /// Share of rows with the same number of cells as the first one.
    even: f32,
    cells: usize,
}

/// Returns `None` if the separator does not even divide the first row.
fn score(
    name: &str,
    text: &str,
    separator: u8,
    options: &ReadOptions,
    escapes: bool,
) -> Option<Score> {
    let mut records = Records::new(name, text, separator, options).escapes(escapes);
    let mut cells = Vec::new();
    records.next(&mut cells).ok()??;
    let count = |cells: &[super::records::Cell<'_>]| {
        let filled = cells.iter().rposition(|cell| !cell.text.is_empty());
        (cells.len(), filled.map_or(0, |at| at + 1))
    };
    let header = count(&cells);
    if header.0 < 2 {
        return None;
    }
    let (mut rows, mut even) = (0, 0);
    while rows < ROWS && matches!(records.next(&mut cells), Ok(Some(_))) {
        rows += 1;
        let found = count(&cells);
        // A row may lack empty cells at its end, or have some beyond the header's.
        even += usize::from(found.0 >= header.1 && found.1 <= header.0);
    }
    Some(Score {
        preferred: false,
        even: even as f32 / rows.max(1) as f32,
        cells: header.1,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn found(text: &str, given: Option<u8>) -> Dialect {
        let options = ReadOptions {
            separator: given,
            ..ReadOptions::default()
        };
        find("a", text, false, &options, false).unwrap()
    }

    #[test]
    fn json_is_refused_by_its_name_and_braces_alone_are_not_json() {
        let look = |text: &str| find("a", text, false, &ReadOptions::default(), false);
        for json in ["{\"a\": 1}\n{\"a\": 2}\n", " [\n {\"a\" : 1}]"] {
            assert!(
                look(json)
                    .err()
                    .unwrap()
                    .to_string()
                    .contains("looks like JSON")
            );
        }
        for rows in ["{a};{b}\n1;2\n", "\"{\",x\n1,2\n", "{\"a\",b}\n1,2\n"] {
            assert!(look(rows).is_ok(), "{rows}");
        }
    }

    fn separator(text: &str) -> char {
        found(text, None).separator.into()
    }

    #[test]
    fn the_separator_is_found_where_cells_hold_other_ones() {
        assert_eq!(separator("a,b\n1,2\n"), ',');
        assert_eq!(separator("a;b;c\n1,5;2,5;3,5\n1,0;2,1;3,2\n"), ';');
        assert_eq!(
            separator("label;text\nx;one, two, three\ny;four, five, six\n"),
            ';'
        );
        assert_eq!(separator("text,label\n\"a;b;c\",1\n\"d;e;f\",0\n"), ',');
        assert_eq!(separator("text,label\na;b;c,1\nd;e,0\n"), ',');
        assert_eq!(separator("a\tb, or c\td\n1\t2\t3\n"), '\t');
        assert_eq!(separator("a|b\n1|2\n"), '|');
        assert_eq!(separator("a\n1\n2\n"), ',');
    }

    #[test]
    fn a_broken_row_does_not_change_the_separator() {
        assert_eq!(separator("a,b,c\n1,2\n3,4,5,6\n"), ',');
        assert_eq!(separator("a;b;c\n1;2\n3;\"x\n"), ';');
    }

    #[test]
    fn excels_first_line_is_believed() {
        let whole = |text: &str, given| {
            let found = found(text, given);
            (found.separator, found.start)
        };
        assert_eq!(whole("sep=|\na|b\n", None), (b'|', (6, 2)));
        assert_eq!(whole("sep=\t\r\na\tb\n", None), (b'\t', (7, 2)));
        // The line is not a header even if the separator is given.
        assert_eq!(whole("sep=;\na;b\n", Some(b';')), (b';', (6, 2)));
    }
}
