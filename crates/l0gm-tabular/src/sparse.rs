//! Encoded rows as sparse features for a linear model: a 1 for each category, and each number's place on the line
//! between two bin edges.
//!
//! A value in bin b at position t becomes 1 - t at the bin's lower edge and t at its upper edge, so a weight an edge is
//! a piecewise-linear function of the number: what [`bins::piecewise_linear`](crate::bins::piecewise_linear) spans
//! together with an intercept, in two entries instead of one a bin. A missing number has a feature of its own.

use crate::encoding::{EncodedRows, Encoding};
use crate::{NumberEncoding, Result};
use l0gm_ops::Csr;

impl Encoding {
    /// Number of features that [`sparse`](Self::sparse) gives a row.
    pub fn sparse_columns(&self) -> usize {
        self.category_rows() + self.numbers.len() * self.rows_per_number()
    }

    /// rows x features: the category fields' rows, then each number field's missing row and edges.
    ///
    /// Numbers that are not encoded piecewise-linearly have one scaled value instead of edges.
    ///
    /// # Errors
    /// Where `rows` were encoded by another encoding.
    pub fn sparse(&self, rows: &EncodedRows) -> Result<Csr> {
        let (categories, numbers) = (self.categories.len(), self.numbers.len());
        let first_number = self.category_rows() as u32;
        let per_number = self.rows_per_number() as u32;
        let linear = self.kind == NumberEncoding::PiecewiseLinear;
        let (mut indptr, mut indices, mut values) = (vec![0], Vec::new(), Vec::new());
        for row in 0..rows.rows {
            for &id in &rows.categories[row * categories..(row + 1) * categories] {
                indices.push(id);
                values.push(1.0);
            }
            for at in row * numbers..(row + 1) * numbers {
                let (knot, position) = (rows.knots[at], rows.positions[at]);
                let missing = knot % per_number == 0;
                let entries = match (missing, linear) {
                    (true, _) => [(knot, 1.0), (knot, 0.0)],
                    (false, true) => [(knot, 1.0 - position), (knot + 1, position)],
                    (false, false) => [(knot, position), (knot, 0.0)],
                };
                for (column, value) in entries.into_iter().filter(|(_, value)| *value != 0.0) {
                    indices.push(first_number + column);
                    values.push(value);
                }
            }
            indptr.push(indices.len() as u32);
        }
        let columns = self.sparse_columns();
        Ok(Csr::new(rows.rows, columns, indptr, indices, values)?)
    }
}
