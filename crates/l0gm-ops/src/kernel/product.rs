//! Matrix products on strided views, computed by the `gemm` crate, which candle itself uses.

use super::Real;
use rayon::prelude::*;
use std::ops::Range;

/// A view of a matrix: where it starts, and the distances between its rows and between its columns.
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

    /// The transposed view.
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

/// Computes out = scale * a b, and adds it to the content of `out` if `accumulate`.
///
/// a: (m, k); b: (k, n). `out` points at a row-major (m, n) matrix whose rows are `out_stride` apart. The products
/// are the same, bit for bit, for any number of threads.
///
/// # Safety
/// `out` must be valid for writes (and initialised, if `accumulate`) at every entry of the matrix, and nobody else
/// may access those entries meanwhile.
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

/// The number of ranges of rows and of columns into which an (m, n) result is cut for `parts` parts. Each part packs
/// its rows of one operand and its columns of the other (which costs a little more), so the parts should be roughly
/// square.
fn grid(m: usize, n: usize, parts: usize) -> (usize, usize) {
    let cost = |rows: usize| 10 * m / rows + 12 * n / (parts / rows);
    let divisors = (1..=parts).filter(|rows| parts.is_multiple_of(*rows));
    let rows = divisors.min_by_key(|&rows| cost(rows)).unwrap_or(1);
    (rows, parts / rows)
}

/// Range `number` out of `parts` ranges of nearly equal size, each of whole tiles.
fn cut(whole: usize, parts: usize, number: usize, tile: usize) -> Range<usize> {
    let part = whole.div_ceil(parts).next_multiple_of(tile);
    (number * part).min(whole)..((number + 1) * part).min(whole)
}

/// The number of parts into which a product is cut. It depends only on the shape: gemm chooses its kernel and its
/// cuts of the sums over k by m and n, so the bits of a part depend on the part's shape, and the shapes must not
/// depend on the number of threads.
fn parts(m: usize, k: usize, n: usize) -> usize {
    match 2 * m * k * n {
        work if work < WORTH_CUTTING => 1,
        work => (work / PART).clamp(2, PARTS),
    }
}

/// Smallest number of operations that are worth two threads. One product per thread is faster than gemm's own
/// division of work, whose threads wait for each other's packing.
const WORTH_CUTTING: usize = 4_000_000;
/// Number of operations in a part. It is so large that packing the operands again takes only a few hundredths of the
/// time.
const PART: usize = 300_000_000;
/// Largest number of parts, and so of threads, for one product.
const PARTS: usize = 16;
/// Rows and columns of a tile of the AVX-512 kernels for f32. Parts consist of whole tiles, except the last one.
const TILE: (usize, usize) = (6, 64);

/// One product whose result is computed in parts.
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
    /// Computes the entries in these rows and columns.
    ///
    /// # Safety
    /// As for [`product_into`], but for these entries only.
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

/// The product a b as a new (m x n) matrix. Its memory is not cleared first.
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

/// Like [`product_into`], for a dense `out` (m x n) and scale 1.
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
