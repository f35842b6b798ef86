//! Matrix products on strided views, through the `gemm` crate that candle itself uses.

use super::Real;
use rayon::prelude::*;
use std::ops::Range;

/// A view of a matrix: where it starts, and how far apart rows and columns are.
#[derive(Clone, Copy)]
pub(crate) struct Operand<'a, T> {
    values: &'a [T],
    row_stride: usize,
    column_stride: usize,
}

impl<'a, T> Operand<'a, T> {
    /// A row-major matrix whose rows are `row_stride` apart.
    pub(crate) fn rows(values: &'a [T], row_stride: usize) -> Self {
        Self {
            values,
            row_stride,
            column_stride: 1,
        }
    }

    /// The transpose.
    pub(crate) fn t(self) -> Self {
        Self {
            values: self.values,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
        }
    }

    /// Whether an entry of a (rows, columns) matrix would lie outside the slice.
    fn too_short(&self, rows: usize, columns: usize) -> bool {
        rows > 0
            && columns > 0
            && (rows - 1) * self.row_stride + (columns - 1) * self.column_stride
                >= self.values.len()
    }
}

/// out = scale * a b, added to what `out` holds if `accumulate`.
///
/// a: (m, k); b: (k, n); `out` points at a row-major (m, n) matrix whose rows are `out_stride`
/// apart. The products are the same, bit for bit, for any number of threads.
///
/// # Safety
/// `out` must be valid for writes (and initialised, if `accumulate`) at every entry of the matrix,
/// and nobody else may touch those entries meanwhile.
#[expect(
    clippy::too_many_arguments,
    reason = "a matrix product takes what BLAS's gemm takes"
)]
pub(crate) unsafe fn product_into<T: Real>(
    (m, k, n): (usize, usize, usize),
    out: *mut T,
    out_stride: usize,
    accumulate: bool,
    a: Operand<'_, T>,
    b: Operand<'_, T>,
    scale: T,
    parallel: bool,
) {
    assert!(
        !a.too_short(m, k) && !b.too_short(k, n),
        "a matrix product beyond its operands"
    );
    let task = Task {
        inner: k,
        out,
        out_stride,
        accumulate,
        a,
        b,
        scale,
    };
    let parts = parts(m, k, n);
    // SAFETY: the operands were just checked; the caller vouches for `out`, whose parts are disjoint.
    unsafe {
        if !parallel || parts < 2 {
            task.multiply(0..m, 0..n);
        } else {
            let (row_parts, column_parts) = grid(m, n, parts);
            (0..row_parts * column_parts)
                .into_par_iter()
                .for_each(|number| {
                    let rows = cut(m, row_parts, number / column_parts, TILE.0);
                    let columns = cut(n, column_parts, number % column_parts, TILE.1);
                    task.multiply(rows, columns);
                });
        }
    }
}

/// Into how many ranges of rows and of columns to cut an (m, n) result for so many parts: each part
/// packs its rows of one operand and its columns of the other (which costs a little more), so the parts
/// should be about square.
fn grid(m: usize, n: usize, parts: usize) -> (usize, usize) {
    let cost = |rows: usize| 10 * m / rows + 12 * n / (parts / rows);
    let divisors = (1..=parts).filter(|rows| parts.is_multiple_of(*rows));
    let rows = divisors.min_by_key(|&rows| cost(rows)).unwrap_or(1);
    (rows, parts / rows)
}

/// Range `number` of `parts` about equal ranges of whole tiles.
fn cut(whole: usize, parts: usize, number: usize, tile: usize) -> Range<usize> {
    let part = whole.div_ceil(parts).next_multiple_of(tile);
    (number * part).min(whole)..((number + 1) * part).min(whole)
}

/// How many parts a product is cut into: a number that depends on its shape alone. gemm chooses its
/// kernel and its cuts of the sums over k by m and n, so a part's bits depend on its shape, and the shapes
/// must not depend on the number of threads.
fn parts(m: usize, k: usize, n: usize) -> usize {
    match 2 * m * k * n {
        work if work < WORTH_CUTTING => 1,
        work => (work / PART).clamp(2, PARTS),
    }
}

/// Fewest operations that are worth two threads. One product a thread beats gemm's own division of labour,
/// whose threads wait for each other's packing.
const WORTH_CUTTING: usize = 4_000_000;
/// Operations of a part: enough that packing its operands once more is a few hundredths of its time.
const PART: usize = 300_000_000;
/// Most parts, and so most threads, of one product.
const PARTS: usize = 16;
/// Rows and columns of the AVX-512 kernels' tile of f32: parts are whole tiles, the last one excepted.
const TILE: (usize, usize) = (6, 64);

/// One product, to be cut into parts of its result.
struct Task<'a, T> {
    inner: usize,
    out: *mut T,
    out_stride: usize,
    accumulate: bool,
    a: Operand<'a, T>,
    b: Operand<'a, T>,
    scale: T,
}

// SAFETY: parts of `out` are written by one thread each; see `product_into`.
unsafe impl<T: Sync> Sync for Task<'_, T> {}

impl<T: Real> Task<'_, T> {
    /// The entries in these rows and columns.
    ///
    /// # Safety
    /// As for [`product_into`], for these entries.
    unsafe fn multiply(&self, rows: Range<usize>, columns: Range<usize>) {
        if rows.is_empty() || columns.is_empty() {
            return;
        }
        let a = self
            .a
            .values
            .as_ptr()
            .wrapping_add(rows.start * self.a.row_stride);
        let b = self
            .b
            .values
            .as_ptr()
            .wrapping_add(columns.start * self.b.column_stride);
        let out = self
            .out
            .wrapping_add(rows.start * self.out_stride + columns.start);
        // SAFETY: the rows and columns lie within the operands; the caller vouches for `out`.
        unsafe {
            gemm::gemm(
                rows.len(),
                columns.len(),
                self.inner,
                out,
                1,
                self.out_stride as isize,
                self.accumulate,
                a,
                self.a.column_stride as isize,
                self.a.row_stride as isize,
                b,
                self.b.column_stride as isize,
                self.b.row_stride as isize,
                T::UNIT,
                self.scale,
                false,
                false,
                false,
                gemm::Parallelism::None,
            );
        }
    }
}

/// A new (m x n) matrix: a b. Nothing is cleared first.
pub(crate) fn product_of<T: Real>(
    sizes: (usize, usize, usize),
    a: Operand<'_, T>,
    b: Operand<'_, T>,
) -> Vec<T> {
    let (m, k, n) = sizes;
    if m == 0 || k == 0 || n == 0 {
        return vec![T::NIL; m * n];
    }
    let mut out: Vec<T> = Vec::with_capacity(m * n);
    // SAFETY: `out` has room for the m * n entries, nobody else knows it, and the product writes all
    // of them without reading any.
    unsafe {
        product_into(sizes, out.as_mut_ptr(), n, false, a, b, T::UNIT, true);
        out.set_len(m * n);
    }
    out
}

/// As [`product_into`], for a dense `out` (m x n) and scale 1.
pub(crate) fn product<T: Real>(
    sizes: (usize, usize, usize),
    out: &mut [T],
    accumulate: bool,
    a: Operand<'_, T>,
    b: Operand<'_, T>,
    parallel: bool,
) {
    let (m, _, n) = sizes;
    assert!(out.len() >= m * n, "a matrix product beyond its output");
    // SAFETY: `out` is borrowed mutably, is initialised, and holds the m * n entries.
    unsafe {
        product_into(
            sizes,
            out.as_mut_ptr(),
            n,
            accumulate,
            a,
            b,
            T::UNIT,
            parallel,
        );
    }
}
