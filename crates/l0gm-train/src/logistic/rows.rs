//! Picks rows of a sparse matrix.

use crate::{Error, Result};
use l0gm_ops::Csr;

/// The given rows of a matrix, in that order.
///
/// # Errors
/// There is no such row, or none is asked for.
pub(super) fn some_rows(matrix: &Csr, rows: &[u32]) -> Result<Csr> {
    if rows.is_empty() {
        return Err(Error::Task("the test split has no row to time".to_owned()));
    }
    let (mut indptr, mut indices, mut values) = (vec![0], Vec::new(), Vec::new());
    for &row in rows {
        let span = matrix.indptr().get(row as usize..row as usize + 2);
        let &[start, end] = span.unwrap_or_default() else {
            return Err(Error::Task(format!(
                "row {row} is not one of the {} test rows",
                matrix.rows()
            )));
        };
        let span = start as usize..end as usize;
        indices.extend_from_slice(&matrix.indices()[span.clone()]);
        values.extend_from_slice(&matrix.values()[span]);
        indptr.push(indices.len() as u32);
    }
    Ok(Csr::new(
        rows.len(),
        matrix.columns(),
        indptr,
        indices,
        values,
    )?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn rows_are_picked_in_the_order_asked_for_and_others_refused() {
        let matrix = Csr::new(3, 4, vec![0, 2, 2, 3], vec![0, 3, 1], vec![1.0, 2.0, 3.0]).unwrap();
        let picked = some_rows(&matrix, &[2, 0, 1]).unwrap();
        assert_eq!(picked.indptr(), [0, 1, 3, 3]);
        assert_eq!(picked.indices(), [1, 0, 3]);
        assert_eq!(picked.values(), [3.0, 1.0, 2.0]);
        for wrong in [&[3][..], &[]] {
            assert!(some_rows(&matrix, wrong).is_err());
        }
    }
}
