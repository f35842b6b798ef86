//! The kernel of sparse times dense, Y = A X: row by row, with the sums in registers.
//!
//! For a stretch of columns that fits into registers, a row of Y is a sum over A's entries of rows of X. Nothing is
//! loaded or stored except the rows of X and, once, the sums. The speed is limited by where these rows come from: the
//! neighbours in a graph are anywhere, and X rarely fits into a core's cache. So where X is wide, it is cut into
//! stretches of columns, and each is copied into a dense block that does fit. The copies cost one pass over X, while
//! the product reads a row of X once for every entry in its column.

use crate::Csr;
use crate::kernel::{Real, multiversion, rows};
use rayon::prelude::*;
use std::mem::MaybeUninit;
use std::ops::Range;

/// Number of columns in a stretch: few enough for the block of a graph of 16,000 nodes to stay in a cache of 2 MiB,
/// and enough to pay for reading the entries again for each stretch.
const STRETCH: usize = 32;
/// The work of one task, as stored entries times columns.
const TASK: usize = 1 << 17;
/// Largest number of values in a block that is worth copying: most of it must stay in a core's second cache.
const BLOCK: usize = 1 << 19;

/// The product A X, for `x` of (columns of A, width).
pub(crate) fn multiply<T: Real>(matrix: &Csr, x: &[T], width: usize) -> Vec<T> {
    let len = matrix.rows * width;
    let mut out = Vec::with_capacity(len);
    if len == 0 {
        return out;
    }
    let parts = cut(matrix, width);
    let spare = Rows(out.spare_capacity_mut().as_mut_ptr());
    let run = |part: &Range<usize>, x: &[T], first: usize, columns: usize| {
        // No two calls share both a row and a column, and there is room for all rows.
        let out = Stretch {
            out: spare.at(part.start * width + first),
            width,
            columns,
        };
        multiply_rows(matrix, part.clone(), x, out);
    };
    let reused = matrix.indices.len() > 4 * matrix.columns;
    if width > STRETCH && reused && matrix.columns * STRETCH <= BLOCK {
        let stretch = |first: usize| {
            let columns = STRETCH.min(width - first);
            let block = columns_of(x, width, first, columns);
            for_parts(&parts, |part| run(part, &block, first, columns));
        };
        // A thread that handles a whole stretch copies its block into the core's cache and keeps it there.
        let stretches = width.div_ceil(STRETCH);
        (0..stretches)
            .into_par_iter()
            .for_each(|number| stretch(number * STRETCH));
    } else {
        for_parts(&parts, |part| run(part, x, 0, width));
    }
    // SAFETY: all columns of every row were written.
    unsafe { out.set_len(len) };
    out
}

/// Copies `columns` columns of `x`, from `first` on, into a dense matrix.
fn columns_of<T: Real>(x: &[T], width: usize, first: usize, columns: usize) -> Vec<T> {
    let len = x.len() / width * columns;
    let mut block = Vec::with_capacity(len);
    let rows = (rows::CHUNK / columns).max(1);
    block.spare_capacity_mut()[..len]
        .par_chunks_mut(rows * columns)
        .zip(x.par_chunks(rows * width))
        .for_each(|(block, x)| {
            for (block, x) in block.chunks_exact_mut(columns).zip(x.chunks_exact(width)) {
                block.write_copy_of_slice(&x[first..first + columns]);
            }
        });
    // SAFETY: every row of the block was written.
    unsafe { block.set_len(len) };
    block
}

/// The memory of the result. Each task writes its own part of it.
struct Rows<T>(*mut MaybeUninit<T>);

// SAFETY: see `multiply`.
unsafe impl<T: Send> Sync for Rows<T> {}

impl<T> Rows<T> {
    fn at(&self, value: usize) -> *mut MaybeUninit<T> {
        self.0.wrapping_add(value)
    }
}

fn for_parts(parts: &[Range<usize>], task: impl Fn(&Range<usize>) + Send + Sync) {
    match parts {
        [part] => task(part),
        parts => parts.par_iter().for_each(task),
    }
}

/// Cuts the rows into ranges with nearly the same number of entries.
fn cut(matrix: &Csr, width: usize) -> Vec<Range<usize>> {
    let per_task = (TASK / width).max(1);
    // A row counts as one more entry, for the sums that it writes.
    let cost = |row: usize| matrix.indptr[row] as usize + row;
    let mut parts = Vec::new();
    let mut first = 0;
    while first < matrix.rows {
        let limit = cost(first) + per_task;
        let (mut low, mut high) = (1, matrix.rows - first);
        while low < high {
            let middle = low + (high - low).div_ceil(2);
            if cost(first + middle) <= limit {
                low = middle;
            } else {
                high = middle - 1;
            }
        }
        parts.push(first..first + low);
        first += low;
    }
    parts
}

/// The memory for one task: `columns` columns of the result's rows `first..`, each `width` wide.
struct Stretch<T> {
    out: *mut MaybeUninit<T>,
    width: usize,
    columns: usize,
}

impl<T> Stretch<T> {
    /// The memory of the task's row `number`.
    ///
    /// # Safety
    /// There must be room for the row, and nobody else may use these columns of it meanwhile.
    #[inline(always)]
    unsafe fn row(&mut self, number: usize) -> &mut [MaybeUninit<T>] {
        // SAFETY: the caller vouches for the memory, which may be uninitialised.
        unsafe { std::slice::from_raw_parts_mut(self.out.add(number * self.width), self.columns) }
    }
}

multiversion! {
    /// Writes the columns and rows of `out`. `x` holds only these columns.
    fn multiply_rows<T: Real>(matrix: &Csr, rows: Range<usize>, x: &[T], out: Stretch<T>) {
        let columns = out.columns;
        let mut out = out;
        for (number, row) in rows.enumerate() {
            // SAFETY: `multiply` hands out each task's rows and columns once.
            let out = unsafe { out.row(number) };
            let entries = matrix.indptr[row] as usize..matrix.indptr[row + 1] as usize;
            let (indices, values) = (&matrix.indices[entries.clone()], &matrix.values[entries]);
            let mut done = 0;
            while columns - done >= 64 {
                sum_entries::<T, 64, FMA>(indices, values, x, columns, done, 64, &mut out[done..]);
                done += 64;
            }
            if columns - done >= 32 {
                sum_entries::<T, 32, FMA>(indices, values, x, columns, done, 32, &mut out[done..]);
                done += 32;
            }
            if columns - done >= 16 {
                sum_entries::<T, 16, FMA>(indices, values, x, columns, done, 16, &mut out[done..]);
                done += 16;
            }
            if columns > done {
                let left = columns - done;
                sum_entries::<T, 16, FMA>(indices, values, x, columns, done, left, &mut out[done..]);
            }
        }
    }
}

/// Computes `count` (at most `W`) columns of one row of the result, from x's column `first` on.
#[inline(always)]
fn sum_entries<T: Real, const W: usize, const FMA: bool>(
    indices: &[u32],
    values: &[f32],
    x: &[T],
    width: usize,
    first: usize,
    count: usize,
    out: &mut [MaybeUninit<T>],
) {
    let mut sums = [T::NIL; W];
    for (&column, &value) in indices.iter().zip(values) {
        let x = &x[column as usize * width + first..][..count];
        let value = T::of_f32(value);
        if count == W {
            for lane in 0..W {
                sums[lane] = x[lane].fma::<FMA>(value, sums[lane]);
            }
        } else {
            for (sum, &x) in sums.iter_mut().zip(x) {
                *sum = x.fma::<FMA>(value, *sum);
            }
        }
    }
    for (out, &sum) in out[..count].iter_mut().zip(&sums) {
        out.write(sum);
    }
}
