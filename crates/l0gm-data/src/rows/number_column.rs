//! The numbers of a whole column, whose kind tells which decimal mark they have.

use super::kind::{self, Kind};
use super::number::{Decimal, LARGEST, boolean, parse};
use super::{RawColumn, RawTable, Result};

impl RawTable {
    /// The numbers of a column, in any spelling that [`number`](super::number) accepts; `None` if a cell is missing.
    ///
    /// # Errors
    /// Fails if there is no such column, or a cell is not a finite number.
    pub fn numbers(&self, name: &str) -> Result<Vec<Option<f64>>> {
        of_column(self, self.column(name)?)
    }
}

/// The numbers of a column; `None` if a cell is missing. `true` and `false` are 1 and 0.
///
/// # Errors
/// Fails at the first cell that is not a finite number or is larger than [`LARGEST`].
pub fn of_column(table: &RawTable, column: &RawColumn) -> Result<Vec<Option<f64>>> {
    let decimal = match kind::infer(table, column) {
        Ok(Kind::Number(decimal)) => decimal,
        _ => table.decimal(),
    };
    of_column_with(table, column, decimal)
}

/// Like [`of_column`], with a given decimal mark.
///
/// # Errors
/// Fails like [`of_column`].
pub fn of_column_with(
    table: &RawTable,
    column: &RawColumn,
    decimal: Decimal,
) -> Result<Vec<Option<f64>>> {
    (0..column.cells.len())
        .map(|row| {
            let Some(cell) = column.cell(row) else {
                return Ok(None);
            };
            let value = parse(cell, decimal)
                .or_else(|| parse(cell, decimal.other()))
                .or_else(|| boolean(cell).map(f64::from));
            match value {
                Some(value) if value.abs() <= LARGEST => Ok(Some(value)),
                Some(_) => Err(table.cell_error(row, column, "a finite number of at most 1e100")),
                None => {
                    let missing = format!(
                        "a finite number (leave the cell empty where it is missing, or add its word to {}missing)",
                        table.prefix()
                    );
                    Err(table.cell_error(row, column, &missing))
                }
            }
        })
        .collect()
}
