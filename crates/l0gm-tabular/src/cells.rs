//! Cells of a row before they are encoded, which the robustness protocol perturbs and boosted trees read.

use crate::Result;
use crate::encoding::Encoding;
use crate::table::{Cells, Table};

/// The cells of one row.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RowCells {
    /// Row of the shared category table for each category field.
    pub(crate) categories: Vec<u32>,
    /// Value of each number field; `None` if it is missing.
    pub(crate) numbers: Vec<Option<f64>>,
}

impl RowCells {
    /// The cells of some rows of a table, in the order of `rows`.
    ///
    /// # Errors
    /// A fitted column is missing.
    pub(crate) fn of(table: &Table, encoding: &Encoding, rows: &[u32]) -> Result<Vec<Self>> {
        let encoded = encoding.encode(table, rows)?;
        let width = encoding.categories.len();
        let mut columns = Vec::with_capacity(encoding.numbers.len());
        for field in &encoding.numbers {
            if let Cells::Numeric(cells) = &table.column(&field.name)?.cells {
                columns.push(cells);
            }
        }
        let cells = rows.iter().enumerate().map(|(at, &row)| Self {
            categories: encoded.categories[at * width..(at + 1) * width].to_vec(),
            numbers: columns.iter().map(|cells| cells[row as usize]).collect(),
        });
        Ok(cells.collect())
    }
}
