//! Predictions from CSV: a header row, then a row a prediction; commas, semicolons or tabs.

use super::cells::{Cells, Column, Kind, Wanted, bad_cell, place};
use anyhow::{Context, anyhow};
use std::path::Path;

/// What may part the cells, in the order of trying.
const DELIMITERS: [u8; 3] = [b',', b'\t', b';'];

/// The delimiter and the columns.
pub(super) fn header(path: &Path) -> anyhow::Result<(u8, Vec<Column>)> {
    let first = first_line(path)?;
    let count = |delimiter: &u8| first.bytes().filter(|byte| byte == delimiter).count();
    // The most frequent; of several the first.
    let mut delimiter = DELIMITERS[0];
    for candidate in &DELIMITERS[1..] {
        if count(candidate) > count(&delimiter) {
            delimiter = *candidate;
        }
    }
    let mut reader = reader(path, delimiter)?;
    let names: Vec<String> = reader
        .headers()
        .map_err(|error| broken(path, &error))?
        .iter()
        // Spreadsheets put a byte order mark before the first name.
        .map(|name| name.trim_start_matches('\u{feff}').trim().to_owned())
        .collect();
    let mut row = csv::StringRecord::new();
    let any = reader
        .read_record(&mut row)
        .map_err(|error| broken(path, &error))?;
    let header = names
        .into_iter()
        .enumerate()
        .map(|(at, name)| Column {
            name,
            kind: match row.get(at).map(str::trim) {
                // An empty cell may be a number's: the reading of it says so.
                Some(cell) if any && (cell.is_empty() || cell.parse::<f64>().is_ok()) => {
                    Kind::Number
                }
                None => Kind::Number,
                Some(_) => Kind::Text,
            },
        })
        .collect();
    Ok((delimiter, header))
}

/// The wanted columns.
pub(super) fn read(
    path: &Path,
    delimiter: u8,
    header: &[Column],
    wanted: &Wanted,
) -> anyhow::Result<Cells> {
    let mut cells = Cells {
        texts: vec![Vec::new(); wanted.texts.len()],
        width: wanted.numbers.len(),
        ..Cells::default()
    };
    let mut reader = reader(path, delimiter)?;
    let mut record = csv::StringRecord::new();
    while reader
        .read_record(&mut record)
        .map_err(|error| broken(path, &error))?
    {
        let line = record.position().map_or(0, csv::Position::line);
        let bad = |column: usize, what: String, expected: &str| {
            let name = &header[column].name;
            bad_cell(path, &place(cells.rows, Some(line)), name, &what, expected)
        };
        for (texts, &column) in cells.texts.iter_mut().zip(&wanted.texts) {
            let text = record.get(column).unwrap_or_default().trim();
            if text.is_empty() {
                return Err(bad(column, "the cell is empty".to_owned(), "a value"));
            }
            texts.push(text.to_owned());
        }
        for &column in &wanted.numbers {
            let text = record.get(column).unwrap_or_default().trim();
            let number = text.parse().map_err(|_| {
                let what = if text.is_empty() {
                    "the cell is empty".to_owned()
                } else {
                    format!("`{text}` is not a number")
                };
                bad(column, what, "a number")
            })?;
            cells.numbers.push(number);
        }
        cells.rows += 1;
        cells.lines.push(line);
    }
    Ok(cells)
}

fn first_line(path: &Path) -> anyhow::Result<String> {
    use std::io::BufRead;
    let file =
        std::fs::File::open(path).with_context(|| format!("{}: cannot be read", path.display()))?;
    let mut line = String::new();
    std::io::BufReader::new(file)
        .read_line(&mut line)
        .map_err(|error| {
            anyhow!(
                "{}: not readable as text ({error}); expected CSV in UTF-8, or Parquet",
                path.display()
            )
        })?;
    Ok(line)
}

fn reader(path: &Path, delimiter: u8) -> anyhow::Result<csv::Reader<std::fs::File>> {
    csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .from_path(path)
        .map_err(|error| broken(path, &error))
}

/// The line, and what is wrong there.
fn broken(path: &Path, error: &csv::Error) -> anyhow::Error {
    let shown = path.display();
    match error.kind() {
        csv::ErrorKind::UnequalLengths {
            pos,
            expected_len,
            len,
        } => anyhow!(
            "{shown}: line {}: {len} cells, expected {expected_len} as in the header",
            pos.as_ref().map_or(0, csv::Position::line)
        ),
        csv::ErrorKind::Utf8 { pos, err } => anyhow!(
            "{shown}: line {}: not readable as text ({err}); expected CSV in UTF-8, or Parquet",
            pos.as_ref().map_or(0, csv::Position::line)
        ),
        _ => anyhow!("{shown}: not readable as CSV: {error}"),
    }
}
