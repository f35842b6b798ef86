//! Test rows as CSV files of raw cells, as a user would have them.

use anyhow::Context;
use l0gm_train::{ExternalCells, ExternalPart, ExternalRows, Split};
use std::io::{BufWriter, Write};
use std::path::Path;

/// Writes the test rows from the first on, as many as `count`, which repeat where the split is shorter.
///
/// # Errors
/// The file cannot be written.
pub(super) fn write(path: &Path, rows: &dyn ExternalRows, count: usize) -> anyhow::Result<()> {
    let failed = || format!("{}: cannot be written", path.display());
    let cells = rows.cells(ExternalPart::Split(Split::Test))?;
    let there = rows.labels(Split::Test).len();
    let file = std::fs::File::create(path).with_context(failed)?;
    let mut out = BufWriter::new(file);
    let names: Vec<String> = rows.columns().iter().map(|c| quoted(&c.name)).collect();
    writeln!(out, "{}", names.join(",")).with_context(failed)?;
    for row in (0..count).map(|row| row % there.max(1)) {
        let line: Vec<String> = cells.iter().map(|cells| cell(cells, row)).collect();
        writeln!(out, "{}", line.join(",")).with_context(failed)?;
    }
    out.flush().with_context(failed)
}

/// A cell as text; a missing one is empty.
fn cell(cells: &ExternalCells<'_>, row: usize) -> String {
    match cells {
        ExternalCells::Numbers(cells) => cells[row].map(|x| x.to_string()).unwrap_or_default(),
        ExternalCells::Words(cells) => cells[row].map(quoted).unwrap_or_default(),
    }
}

fn quoted(text: &str) -> String {
    match text.contains([',', '"', '\n', '\r']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text.to_owned(),
    }
}
