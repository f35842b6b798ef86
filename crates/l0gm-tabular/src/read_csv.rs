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
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(format.separator)
        .has_headers(false)
        .flexible(true)
        .comment(format.comment)
        .trim(csv::Trim::All)
        .from_path(path)
        .map_err(|error| Error::file(path, format!("cannot be read: {error}")))?;
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
                    Ok(text(path, &record, field, "the header")?
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
        let line = line_of(&record);
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
            let cell = text(path, &record, field, &names[field])?;
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

fn line_of(record: &csv::ByteRecord) -> u64 {
    record.position().map_or(0, csv::Position::line)
}

fn text<'a>(
    path: &Path,
    record: &'a csv::ByteRecord,
    field: usize,
    column: &str,
) -> Result<&'a str> {
    std::str::from_utf8(&record[field]).map_err(|error| Error::Cell {
        path: path.to_path_buf(),
        row: line_of(record),
        column: column.to_owned(),
        expected: "valid UTF-8 (convert the file, for example with iconv)".into(),
        found: format!("a bad byte at position {} of the cell", error.valid_up_to()),
    })
}
