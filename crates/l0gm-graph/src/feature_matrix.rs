//! Turns the cells of a table of nodes into the matrix of features, following a schema. It makes one pass over the
//! cells, a few columns at a time, so that a table of thousands of columns needs little more memory than its result.
use crate::feature_schema::{FeatureColumn, FeatureSchema, Reading};
use crate::{Error, Features, Result};
use l0gm_data::rows::kind::Kind;
use l0gm_data::rows::{RawColumn, RawTable, dates, list, number_column};
use rayon::prelude::*;
use std::collections::HashMap;

/// Number of columns read at a time; this many floats fill a cache line.
const AT_A_TIME: usize = 16;
/// Larger numbers are refused, because their products overflow single precision and make the loss NaN.
const LARGEST: f64 = 1e15;

/// Unusual cells found while a column was read.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Met {
    /// Number of missing cells, if the column had none in training.
    pub(crate) missing: usize,
    /// Number of cells with a word that did not occur in training.
    pub(crate) unknown: usize,
    /// Largest absolute value of a number.
    pub(crate) largest: f32,
}

/// The features of all nodes, and what was found in each column of the schema. With `learn`, determines the values
/// that replace missing cells and writes them into the schema.
pub(crate) fn read_features(
    table: &RawTable,
    schema: &mut FeatureSchema,
    learn: bool,
) -> Result<(Features, Vec<Met>)> {
    let (rows, width) = (table.rows(), schema.width());
    let mut values: Vec<f32> = Vec::new();
    let size = rows.checked_mul(width);
    if size.is_none_or(|size| values.try_reserve_exact(size).is_err()) {
        return Err(Error::file(
            table.name().as_ref(),
            format!(
                "{rows} nodes with {width} features each do not fit in memory; leave columns out with table.ignore"
            ),
        ));
    }
    values.resize(rows * width, 0.0);
    let mut met = Vec::with_capacity(schema.columns.len());
    let mut at = 0;
    for some in schema.columns.chunks_mut(AT_A_TIME) {
        let read: Vec<Result<(Vec<f32>, Met)>> = some
            .par_iter_mut()
            .map(|column| read_column(table, column, learn))
            .collect();
        // Blocks are stored by node, so that the features of one node are contiguous.
        let mut blocks = Vec::with_capacity(some.len());
        for (column, read) in some.iter().zip(read) {
            let (block, of_column) = read?;
            blocks.push((column.width(), block));
            met.push(of_column);
        }
        for row in 0..rows {
            let mut to = row * width + at;
            for (wide, block) in &blocks {
                values[to..to + wide].copy_from_slice(&block[row * wide..(row + 1) * wide]);
                to += wide;
            }
        }
        at += blocks.iter().map(|(wide, _)| wide).sum::<usize>();
    }
    Ok((Features::new(width, values)?, met))
}

/// The features of one column: rows x its width.
fn read_column(table: &RawTable, spec: &mut FeatureColumn, learn: bool) -> Result<(Vec<f32>, Met)> {
    let column = table.column(&spec.name)?;
    let mut out = Block {
        width: spec.width(),
        values: vec![0.0; table.rows() * spec.width()],
        met: Met::default(),
    };
    match &mut spec.reading {
        Reading::Number { fill, decimal } => {
            let numbers = match decimal {
                Some(decimal) if learn => number_column::of_column_with(table, column, *decimal)?,
                _ => number_column::of_column(table, column)?,
            };
            out.numbers(table, column, &numbers, (0, fill), learn)?;
        }
        Reading::Date { order, parts } => {
            let read = match dates::expand(table, column, *order) {
                Ok(read) => read,
                // Another file may write its dates in a different order.
                Err(error) => match table.kind(column) {
                    Ok(Kind::Date(other)) => dates::expand(table, column, other)?,
                    _ => return Err(error.into()),
                },
            };
            let unknown = vec![None; table.rows()];
            for (at, (name, fill)) in parts.iter_mut().enumerate() {
                let part = read.iter().find(|(found, _)| found == name);
                let numbers = part.map_or(&unknown, |(_, numbers)| numbers);
                out.numbers(table, column, numbers, (at, fill), learn)?;
            }
        }
        Reading::Words { words, spelling } => {
            let kind = spelling.kind(table.decimal());
            let known: HashMap<&str, usize> = words.iter().map(String::as_str).zip(0..).collect();
            for (row, cell) in column.cells.iter().enumerate() {
                let Some(cell) = cell else { continue };
                match known.get(kind.canonical(cell).as_ref()) {
                    Some(at) => out.values[row * out.width + at] = 1.0,
                    None => out.met.unknown += 1,
                }
            }
        }
    }
    if spec.missing {
        for (row, cell) in column.cells.iter().enumerate() {
            let last = (row + 1) * out.width - 1;
            out.values[last] = f32::from(cell.is_none());
        }
    } else {
        out.met.missing = column.cells.missing();
    }
    Ok((out.values, out.met))
}

/// The features of one column.
struct Block {
    width: usize,
    values: Vec<f32>,
    met: Met,
}

impl Block {
    /// Writes numbers as feature `at`. A missing number becomes `fill`; with `learn`, `fill` is first set to their
    /// mean.
    fn numbers(
        &mut self,
        table: &RawTable,
        column: &RawColumn,
        numbers: &[Option<f64>],
        (at, fill): (usize, &mut f32),
        learn: bool,
    ) -> Result<()> {
        if let Some(row) = numbers.iter().position(|v| v.is_some_and(too_large)) {
            let expected = "a number of at most 1e15, because larger ones overflow in training (write it in another unit, or leave \
                 the column out with table.ignore)";
            return Err(table.cell_error(row, column, expected).into());
        }
        if learn {
            let known = numbers.iter().flatten();
            let (sum, count) = known.fold((0.0, 0usize), |(sum, count), v| (sum + v, count + 1));
            *fill = (sum / count.max(1) as f64) as f32;
        }
        for (row, number) in numbers.iter().enumerate() {
            let value = number.map_or(*fill, |number| number as f32);
            self.met.largest = self.met.largest.max(value.abs());
            self.values[row * self.width + at] = value;
        }
        Ok(())
    }
}

fn too_large(number: f64) -> bool {
    number.abs() > LARGEST
}

/// Remarks on new rows for the user, one on each line.
pub(crate) fn said(schema: &FeatureSchema, met: &[Met]) -> Vec<String> {
    let names = |has: fn(&Met) -> usize| {
        let columns = schema.columns.iter().zip(met);
        let some: Vec<&str> = columns
            .filter(|(_, met)| has(met) > 0)
            .map(|(column, _)| column.name.as_str())
            .collect();
        (met.iter().map(has).sum::<usize>(), some)
    };
    let mut lines = Vec::new();
    let (unknown, columns) = names(|met| met.unknown);
    if unknown > 0 {
        lines.push(format!(
            "{unknown} cells hold a word that training never met, and count as none of the known ones (in {})",
            list(columns)
        ));
    }
    let (missing, columns) = names(|met| met.missing);
    if missing > 0 {
        lines.push(format!(
            "{missing} cells are missing in columns where training met no missing cell; numbers are filled with the mean \
             of training (in {})",
            list(columns)
        ));
    }
    lines
}
