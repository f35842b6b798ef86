//! Writes predictions as CSV, Parquet or JSON lines. Probabilities are written in full, so that they read back to the
//! same bits.

use super::flags::PredictionFormat;
use crate::usage::usage;
use anyhow::Context;
use arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch, StringArray};
use l0gm_train::{CompactHeader, PredictedRows, RowKeys};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use std::collections::HashSet;
use std::io::Write;
use std::sync::Arc;

/// The first column, and the one behind the kept ones.
const SOURCE: &str = "source_row";
const CLASS: &str = "predicted_class";
/// Number of rows of a Parquet row group, which are held in memory.
const GROUP: usize = 1 << 18;

/// Checks that kept columns have other names than those of the predictions, and each its own.
pub(super) fn check_columns(keep: &[String]) -> anyhow::Result<()> {
    let mut seen = HashSet::new();
    for name in keep {
        if name == SOURCE || name == CLASS || name.starts_with("p_") {
            return Err(usage(format!(
                "--keep {name}: the predictions have a column of this name; rename yours first"
            )));
        }
        if !seen.insert(name) {
            return Err(usage(format!("--keep {name}: named twice")));
        }
    }
    Ok(())
}

/// Predictions in the making.
pub(crate) struct Output<W: Write + Send> {
    header: CompactHeader,
    keep: Vec<String>,
    to: To<W>,
    line: Vec<u8>,
}

enum To<W: Write + Send> {
    Csv(W, bool),
    Jsonl(W),
    /// The writer is made when the first rows come, of which it knows the types.
    Parquet(Option<W>, Option<Box<ArrowWriter<W>>>),
}

impl<W: Write + Send> Output<W> {
    pub(crate) fn new(
        out: W,
        format: PredictionFormat,
        header: CompactHeader,
        keep: &[String],
    ) -> Self {
        Self {
            header,
            keep: keep.to_vec(),
            to: match format {
                PredictionFormat::Csv => To::Csv(out, false),
                PredictionFormat::Jsonl => To::Jsonl(out),
                PredictionFormat::Parquet => To::Parquet(Some(out), None),
            },
            line: Vec::new(),
        }
    }

    /// Writes some rows.
    pub(crate) fn write(&mut self, rows: &PredictedRows) -> anyhow::Result<()> {
        match &mut self.to {
            To::Csv(out, begun) => {
                let line = &mut self.line;
                if !*begun {
                    *begun = true;
                    line.clear();
                    csv_cell(line, SOURCE);
                    for name in self.keep.iter().map(String::as_str).chain([CLASS]) {
                        line.push(b',');
                        csv_cell(line, name);
                    }
                    for class in &self.header.classes {
                        line.push(b',');
                        csv_cell(line, &format!("p_{class}"));
                    }
                    line.push(b'\n');
                    out.write_all(line)?;
                }
                let classes: Vec<Vec<u8>> = quoted(&self.header.classes, csv_cell);
                for row in 0..rows.probabilities.rows() {
                    line.clear();
                    match &rows.keys {
                        RowKeys::Numbers(numbers) => write!(line, "{}", numbers[row])?,
                        RowKeys::Names(names) => csv_cell(line, &names[row]),
                    }
                    for cells in &rows.kept {
                        line.push(b',');
                        csv_cell(line, cells[row].as_deref().unwrap_or_default());
                    }
                    let p = rows.probabilities.row(row);
                    line.push(b',');
                    line.extend(&classes[self.header.decide(p)]);
                    for p in p {
                        write!(line, ",{p}")?;
                    }
                    line.push(b'\n');
                    out.write_all(line)?;
                }
            }
            To::Jsonl(out) => {
                let keys = |names: Vec<String>| quoted(&names, json_text);
                let kept = keys(self.keep.clone());
                let classes = keys(self.header.classes.clone());
                let shares = self.header.classes.iter().map(|c| format!("p_{c}"));
                let shares = keys(shares.collect());
                let line = &mut self.line;
                for row in 0..rows.probabilities.rows() {
                    line.clear();
                    write!(line, "{{\"{SOURCE}\":")?;
                    match &rows.keys {
                        RowKeys::Numbers(numbers) => write!(line, "{}", numbers[row])?,
                        RowKeys::Names(names) => json_text(line, &names[row]),
                    }
                    for (name, cells) in kept.iter().zip(&rows.kept) {
                        line.push(b',');
                        line.extend(name);
                        line.push(b':');
                        match &cells[row] {
                            Some(cell) => json_text(line, cell),
                            None => line.extend(b"null"),
                        }
                    }
                    let p = rows.probabilities.row(row);
                    write!(line, ",\"{CLASS}\":")?;
                    line.extend(&classes[self.header.decide(p)]);
                    for (name, p) in shares.iter().zip(p) {
                        line.push(b',');
                        line.extend(name);
                        // With a point or an exponent, so that 1 is read as a fraction too.
                        write!(line, ":{p:?}")?;
                    }
                    line.extend(b"}\n");
                    out.write_all(line)?;
                }
            }
            To::Parquet(out, writer) => {
                let batch = batch(rows, &self.header, &self.keep)?;
                if let Some(out) = out.take() {
                    let properties = WriterProperties::builder()
                        .set_compression(Compression::SNAPPY)
                        .set_max_row_group_row_count(Some(GROUP))
                        .build();
                    let made = ArrowWriter::try_new(out, batch.schema(), Some(properties));
                    *writer = Some(Box::new(made.context("Parquet cannot be written")?));
                }
                if let Some(writer) = writer {
                    writer.write(&batch).context("Parquet cannot be written")?;
                }
            }
        }
        Ok(())
    }

    /// Writes what is still held.
    pub(crate) fn finish(self) -> anyhow::Result<()> {
        match self.to {
            To::Csv(mut out, _) | To::Jsonl(mut out) => out.flush()?,
            To::Parquet(_, Some(writer)) => {
                let mut out = writer.into_inner().context("Parquet cannot be written")?;
                out.flush()?;
            }
            To::Parquet(_, None) => {}
        }
        Ok(())
    }
}

/// The texts as they are written by `write`.
fn quoted(texts: &[String], write: impl Fn(&mut Vec<u8>, &str)) -> Vec<Vec<u8>> {
    let one = |text: &String| {
        let mut line = Vec::new();
        write(&mut line, text);
        line
    };
    texts.iter().map(one).collect()
}

/// Appends a cell, in quotes if it needs them. A cell that is empty in a file of one column would be a blank line, but
/// there are always several.
fn csv_cell(line: &mut Vec<u8>, cell: &str) {
    let special = |byte: u8| matches!(byte, b',' | b'"' | b'\n' | b'\r');
    let blank = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_whitespace);
    let bytes = cell.as_bytes();
    if !bytes.iter().copied().any(special) && !blank(bytes.first()) && !blank(bytes.last()) {
        line.extend(bytes);
        return;
    }
    line.push(b'"');
    for &byte in bytes {
        if byte == b'"' {
            line.push(b'"');
        }
        line.push(byte);
    }
    line.push(b'"');
}

/// Appends a text as JSON.
fn json_text(line: &mut Vec<u8>, text: &str) {
    // Writing a text to memory cannot fail.
    let _ = serde_json::to_writer(line, text);
}

/// The rows as Arrow arrays.
fn batch(
    rows: &PredictedRows,
    header: &CompactHeader,
    keep: &[String],
) -> anyhow::Result<RecordBatch> {
    let p = &rows.probabilities;
    let keys: ArrayRef = match &rows.keys {
        RowKeys::Numbers(numbers) => Arc::new(Int64Array::from_iter_values(
            numbers.iter().map(|&n| n as i64),
        )),
        RowKeys::Names(names) => Arc::new(StringArray::from_iter_values(names)),
    };
    let mut columns = vec![(SOURCE.to_owned(), keys, false)];
    for (name, cells) in keep.iter().zip(&rows.kept) {
        let cells: ArrayRef = Arc::new(StringArray::from_iter(cells.iter().map(Option::as_deref)));
        columns.push((name.clone(), cells, true));
    }
    let classes = (0..p.rows()).map(|row| header.classes[header.decide(p.row(row))].as_str());
    let classes: ArrayRef = Arc::new(StringArray::from_iter_values(classes));
    columns.push((CLASS.to_owned(), classes, false));
    for (class, name) in header.classes.iter().enumerate() {
        let values = (0..p.rows()).map(|row| p.row(row)[class]);
        let values: ArrayRef = Arc::new(Float64Array::from_iter_values(values));
        columns.push((format!("p_{name}"), values, false));
    }
    Ok(RecordBatch::try_from_iter_with_nullable(columns)?)
}
