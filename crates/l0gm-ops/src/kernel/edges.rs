//! The edges of a graph as entries of a sparse matrix, in ranges of rows. For ops that have one value per entry.

use crate::{Csr, SparseMatrix};
use candle_core::{Result, Tensor, bail};

/// Number of rows that one task handles.
pub(crate) const ROWS: usize = 256;

/// Checks that `x` has one row per entry of the matrix, and returns the number of its columns.
pub(crate) fn check_entries(what: &str, matrix: &SparseMatrix, x: &Tensor) -> Result<usize> {
    let entries = matrix.matrix().indices().len();
    match x.dims() {
        &[rows, heads] if rows == entries && heads > 0 => Ok(heads),
        other => bail!("{what} {other:?} do not fit the matrix, expected ({entries}, heads)"),
    }
}

/// Cuts `out`, with `width` values per entry, into parts that hold the entries of a range of rows. Returns each part
/// with the range's first row.
pub(crate) fn by_rows<'a, T>(
    matrix: &Csr,
    out: &'a mut [T],
    width: usize,
) -> Vec<(usize, &'a mut [T])> {
    let mut parts = Vec::new();
    let mut rest = out;
    for first in (0..matrix.rows).step_by(ROWS) {
        let last = (first + ROWS).min(matrix.rows);
        let entries = (matrix.indptr[last] - matrix.indptr[first]) as usize;
        let (part, after) = rest.split_at_mut(entries * width);
        parts.push((first, part));
        rest = after;
    }
    parts
}

/// The numbers of the entries of row `row`.
#[inline(always)]
pub(crate) fn entries(matrix: &Csr, row: usize) -> std::ops::Range<usize> {
    matrix.indptr[row] as usize..matrix.indptr[row + 1] as usize
}
