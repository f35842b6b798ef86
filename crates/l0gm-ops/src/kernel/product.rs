//! Matrix products on strided views, through the `gemm` crate that candle itself uses.

use super::Real;

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
    let threads = rayon::current_num_threads();
    let parallelism = if parallel && threads > 1 {
        gemm::Parallelism::Rayon(threads)
    } else {
        gemm::Parallelism::None
    };
    // SAFETY: the operands were just checked; the caller vouches for `out`.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out,
            1,
            out_stride as isize,
            accumulate,
            a.values.as_ptr(),
            a.column_stride as isize,
            a.row_stride as isize,
            b.values.as_ptr(),
            b.column_stride as isize,
            b.row_stride as isize,
            T::UNIT,
            scale,
            false,
            false,
            false,
            parallelism,
        );
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
