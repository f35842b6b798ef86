//! Which byte separates the cells, found from the first rows.

use super::records::Records;
use super::{Error, Result};

/// Candidates, the commonest first: it wins where nothing tells them apart.
const SEPARATORS: [(u8, &str); 4] = [
    (b',', "commas"),
    (b';', "semicolons"),
    (b'\t', "tabs"),
    (b'|', "pipes"),
];
/// Rows that are looked at.
const ROWS: usize = 50;

/// The separator, what is to be said of it, and where the rows begin: (byte, line).
pub(super) struct Dialect {
    pub(super) separator: u8,
    pub(super) said: Option<String>,
    pub(super) start: (usize, u64),
}

/// Finds the separator, unless it is given. A first line `sep=;`, as Excel writes it, says it too.
pub(super) fn find(
    name: &str,
    text: &str,
    given: Option<u8>,
    prefer_tab: bool,
    comment: Option<u8>,
) -> Result<Dialect> {
    if let Some(separator) = given {
        if !separator.is_ascii() || matches!(separator, b'"' | b'\n' | b'\r') {
            return Err(Error::file(
                name,
                "the separator must be one ASCII character and no quote",
            ));
        }
        return Ok(Dialect {
            separator,
            said: None,
            start: (0, 1),
        });
    }
    let first = text.lines().next().unwrap_or_default();
    if let Some(&[separator]) = first.trim().strip_prefix("sep=").map(str::as_bytes)
        && !matches!(separator, b'"' | b'\n' | b'\r')
    {
        let start = text.find('\n').map_or(text.len(), |end| end + 1);
        let said = Some(format!(
            "its first line says that {} separate the cells",
            called(separator)
        ));
        return Ok(Dialect {
            separator,
            said,
            start: (start, 2),
        });
    }
    let mut best: Option<(Score, u8)> = None;
    for (separator, _) in SEPARATORS {
        let Some(mut score) = score(name, text, separator, comment) else {
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
        start: (0, 1),
    })
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

/// How well a separator explains the first rows: the fields in the order they count.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
struct Score {
    /// A `.tsv` whose header has tabs.
    preferred: bool,
    /// Share of rows with as many cells as the first one.
    even: f32,
    cells: usize,
}

/// `None` where it does not even split the first row.
fn score(name: &str, text: &str, separator: u8, comment: Option<u8>) -> Option<Score> {
    let mut records = Records::new(name, text, separator, comment);
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
        // Empty cells at the end may be left out of a row, or stand beyond the header's.
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

    fn separator(text: &str) -> char {
        find("a", text, None, false, None).unwrap().separator.into()
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
        let found = find("a", "sep=|\na|b\n", None, false, None).unwrap();
        assert_eq!((found.separator, found.start), (b'|', (6, 2)));
    }
}
