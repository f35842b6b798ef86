//! Sparse matrices in an .npz, stored as scipy's CSR parts `NAME_{data,indices,indptr,shape}`. Everything is checked
//! before it is used, and an error names file and array.

use crate::Result;
use crate::npz::Npz;

/// A sparse matrix stored by row.
pub(super) struct Csr {
    pub(super) rows: usize,
    pub(super) columns: usize,
    /// Beginning of each row in `columns_of` and `values`; one entry more than there are rows.
    starts: Vec<usize>,
    columns_of: Vec<usize>,
    values: Vec<f32>,
}

impl Csr {
    /// Reads the sparse matrix in four arrays.
    ///
    /// # Errors
    /// Fails if an array is missing, damaged or of the wrong type, if the arrays do not match, if a column does not
    /// exist, or if a value is not finite.
    pub(super) fn read(npz: &Npz, name: &str) -> Result<Csr> {
        let array = |part: &str| format!("{name}_{part}");
        let shape = npz.whole_numbers(&array("shape"))?;
        let &[rows, columns] = shape.as_slice() else {
            let what = format!("{} numbers; a matrix has rows and columns", shape.len());
            return Err(npz.fault(&array("shape"), what));
        };
        let starts = npz.whole_numbers(&array("indptr"))?;
        let columns_of = npz.whole_numbers(&array("indices"))?;
        let values = npz.numbers(&array("data"))?;
        let stored = columns_of.len();
        if values.len() != stored {
            let what = format!(
                "{} values for {stored} indices; there must be one each",
                values.len()
            );
            return Err(npz.fault(&array("data"), what));
        }
        if Some(starts.len()) != rows.checked_add(1) {
            let what = format!(
                "{} entries for {rows} rows; there must be one more than rows",
                starts.len()
            );
            return Err(npz.fault(&array("indptr"), what));
        }
        if let Some(at) = starts.windows(2).position(|w| w[0] > w[1]) {
            let what = format!(
                "falls from {} to {} after row {at}",
                starts[at],
                starts[at + 1]
            );
            return Err(npz.fault(&array("indptr"), what));
        }
        if starts[0] != 0 || starts[rows] != stored {
            let what = format!(
                "runs from {} to {}; expected 0 to {stored}, the number of indices",
                starts[0], starts[rows]
            );
            return Err(npz.fault(&array("indptr"), what));
        }
        if let Some(at) = columns_of.iter().position(|&c| c >= columns) {
            let what = format!(
                "entry {at} is {}, but the matrix has {columns} columns (0 to {})",
                columns_of[at],
                columns.saturating_sub(1)
            );
            return Err(npz.fault(&array("indices"), what));
        }
        if let Some(at) = values.iter().position(|v| !v.is_finite()) {
            let what = format!("entry {at} is {}; it must be a finite number", values[at]);
            return Err(npz.fault(&array("data"), what));
        }
        Ok(Csr {
            rows,
            columns,
            starts,
            columns_of,
            values,
        })
    }

    /// The stored entries of a row as (column, value), in the file's order.
    pub(super) fn row(&self, row: usize) -> impl Iterator<Item = (usize, f32)> {
        let range = self.starts[row]..self.starts[row + 1];
        let columns = &self.columns_of[range.clone()];
        columns
            .iter()
            .copied()
            .zip(self.values[range].iter().copied())
    }
}
