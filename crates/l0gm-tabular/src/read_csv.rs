//! Reads delimited text into a [`Table`] of text columns; which of them are numbers is decided
//! afterwards (see [`crate::Schema`]), so that the file is read once whatever it holds.

use crate::table::{Categories, Cells, Column, Table};
use crate::{Error, Result};
use std::path::Path;

/// How a delimited file is laid out.
#[derive(Clone, Debug)]
pub struct CsvFormat {
    /// Between fields.
    pub separator: u8,
    /// Column names, for a file without a header line.
    pub columns: Option<Vec<String>>,
    /// Lines that begin with this byte are skipped.
    pub comment: Option<u8>,
    /// Cells that mean "missing", after trimming; an empty cell always does.
    pub missing: Vec<String>,
}

impl Default for CsvFormat {
    fn default() -> Self {
        Self {
            separator: b',',
            columns: None,
            comment: None,
            missing: vec!["?".into()],
        }
    }
}

/// Reads a delimited file. Cells are trimmed; rows are named by their 1-based line.
///
/// # Errors
/// A file that is empty or cannot be read; a row with too few or too many fields; bytes that are not
/// UTF-8. Each names the line.
pub fn read_csv(path: &Path, format: &CsvFormat) -> Result<Table> {
    let bytes = std::fs::read(path)
        .map_err(|error| Error::file(path, format!("cannot be read: {error}")))?;
    let place = Lines {
        path,
        bytes: &bytes,
        comment: format.comment,
    };
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(format.separator)
        .has_headers(false)
        .flexible(true)
        .comment(format.comment)
        .trim(csv::Trim::All)
        .from_reader(&bytes[..]);
    let mut record = csv::ByteRecord::new();
    let names = match &format.columns {
        Some(names) => names.clone(),
        None => {
            let any = reader
                .read_byte_record(&mut record)
                .map_err(|error| Error::file(path, error.to_string()))?;
            if !any {
                return Err(Error::file(
                    path,
                    "is empty; expected a header line and rows of data",
                ));
            }
            (0..record.len())
                .map(|field| {
                    Ok(place
                        .text(&record, field, "the header")?
                        .trim_start_matches('\u{feff}')
                        .to_owned())
                })
                .collect::<Result<Vec<_>>>()?
        }
    };
    let mut columns = vec![Categories::default(); names.len()];
    let mut lines = Vec::new();
    while reader
        .read_byte_record(&mut record)
        .map_err(|error| Error::file(path, error.to_string()))?
    {
        let line = place.line_of(&record);
        if record.len() != names.len() {
            return Err(Error::Row {
                path: path.to_path_buf(),
                row: line,
                expected: format!(
                    "{} fields ({} to {})",
                    names.len(),
                    names[0],
                    names[names.len() - 1]
                ),
                found: record.len().to_string(),
            });
        }
        for (field, column) in columns.iter_mut().enumerate() {
            let cell = place.text(&record, field, &names[field])?;
            let missing = cell.is_empty() || format.missing.iter().any(|marker| marker == cell);
            column.push((!missing).then_some(cell));
        }
        lines.push(line);
    }
    if lines.is_empty() {
        return Err(Error::file(path, "is empty; expected rows of data"));
    }
    let columns = names
        .into_iter()
        .zip(columns)
        .map(|(name, cells)| Column {
            name,
            cells: Cells::Categorical(cells),
        })
        .collect();
    Table::new(path, columns, lines)
}

/// Where the records of a file stand.
struct Lines<'a> {
    path: &'a Path,
    bytes: &'a [u8],
    comment: Option<u8>,
}

impl Lines<'_> {
    /// The 1-based line a record begins on. The reader's position is where it began to look, before
    /// the empty lines and comments it then skipped.
    fn line_of(&self, record: &csv::ByteRecord) -> u64 {
        let Some(position) = record.position() else {
            return 0;
        };
        let mut line = position.line();
        let mut rest = self.bytes.get(position.byte() as usize..).unwrap_or(&[]);
        while let Some(end) = rest.iter().position(|&byte| byte == b'\n') {
            let content = rest[..end].strip_suffix(b"\r").unwrap_or(&rest[..end]);
            if !content.is_empty() && content.first().copied() != self.comment {
                break;
            }
            line += 1;
            rest = &rest[end + 1..];
        }
        line
    }

    /// A cell as text.
    fn text<'r>(&self, record: &'r csv::ByteRecord, field: usize, column: &str) -> Result<&'r str> {
        std::str::from_utf8(&record[field]).map_err(|error| Error::Cell {
            path: self.path.to_path_buf(),
            row: self.line_of(record),
            column: column.to_owned(),
            expected: "valid UTF-8 (convert the file, for example with iconv)".into(),
            found: format!("a bad byte at position {} of the cell", error.valid_up_to()),
        })
    }
}
