//! Loops over the rows of a matrix, cut into chunks that depend only on the shape.

use super::{Real, multiversion};
use rayon::prelude::*;
use std::mem::MaybeUninit;
use std::ops::Range;

/// Number of values that one task handles: enough to pay for starting it, and few enough for the cache.
pub(crate) const CHUNK: usize = 1 << 14;
/// Smallest number of rows of one partial sum, so that there are few partial sums.
const SUM_ROWS: usize = 64;

/// Builds a vector of `len` values, which `task(first_row, rows)` writes for consecutive groups of rows.
///
/// Each task receives zeros. It clears its own part just before, while the part is in the cache, and not in a
/// separate pass through memory.
pub(crate) fn build<T: Real>(
    len: usize,
    width: usize,
    task: impl Fn(usize, &mut [T]) + Sync,
) -> Vec<T> {
    // SAFETY: every part is cleared.
    unsafe { write(len, width, |first, part| task(first, cleared(part))) }
}

/// Like [`build`], but `task` receives uninitialised memory and writes all of it. For loops so short that clearing
/// would matter.
///
/// # Safety
/// `task` must write every value of the part that it receives.
pub(crate) unsafe fn write<T: Real>(
    len: usize,
    width: usize,
    task: impl Fn(usize, &mut [MaybeUninit<T>]) + Sync,
) -> Vec<T> {
    let mut values = Vec::with_capacity(len);
    if len == 0 {
        return values;
    }
    let rows = (CHUNK / width).max(1);
    let run = |(chunk, part): (usize, &mut [MaybeUninit<T>])| task(chunk * rows, part);
    let spare = &mut values.spare_capacity_mut()[..len];
    if len <= rows * width {
        run((0, spare));
    } else {
        spare.par_chunks_mut(rows * width).enumerate().for_each(run);
    }
    // SAFETY: every one of the `len` values was written, as the caller vouches.
    unsafe { values.set_len(len) };
    values
}

/// Sets uninitialised values to 0.
pub(crate) fn cleared<T: Real>(part: &mut [MaybeUninit<T>]) -> &mut [T] {
    for value in part.iter_mut() {
        value.write(T::NIL);
    }
    // SAFETY: every value was just written; the layouts are the same.
    unsafe { &mut *(std::ptr::from_mut(part) as *mut [T]) }
}

/// Calls `task(first, values)` for consecutive groups with one value per row. Each value costs as much work as
/// `width` values.
pub(crate) fn for_rows_of<T: Send>(
    out: &mut [T],
    width: usize,
    task: impl Fn(usize, &mut [T]) + Sync,
) {
    let rows = (CHUNK / width.max(1)).max(1);
    if out.len() <= rows {
        return task(0, out);
    }
    out.par_chunks_mut(rows)
        .enumerate()
        .for_each(|(chunk, out)| task(chunk * rows, out));
}

/// Like [`build`], but each task also adds to its own running sums in `sums`. Returns the values and the total of the
/// sums, added in the order of the rows.
pub(crate) fn build_sum<T: Real>(
    len: usize,
    width: usize,
    sums: usize,
    task: impl Fn(usize, &mut [T], &mut [T]) + Sync,
) -> (Vec<T>, Vec<T>) {
    let mut values = Vec::with_capacity(len);
    let mut total = vec![T::NIL; sums];
    if len == 0 {
        return (values, total);
    }
    let rows = (CHUNK / width).max(SUM_ROWS);
    let spare = &mut values.spare_capacity_mut()[..len];
    if len <= rows * width {
        task(0, cleared(spare), &mut total);
    } else {
        let partial: Vec<Vec<T>> = spare
            .par_chunks_mut(rows * width)
            .enumerate()
            .map(|(chunk, part)| {
                let mut partial = vec![T::NIL; sums];
                task(chunk * rows, cleared(part), &mut partial);
                partial
            })
            .collect();
        for partial in &partial {
            add(&mut total, partial);
        }
    }
    // SAFETY: every one of the `len` values was cleared above.
    unsafe { values.set_len(len) };
    (values, total)
}

/// The total of `width` sums over `rows` rows. `task(rows, sums)` adds a range of rows to sums that start at 0. The
/// sums of the ranges are added in the order of the rows.
pub(crate) fn sum_rows<T: Real>(
    rows: usize,
    width: usize,
    task: impl Fn(Range<usize>, &mut [T]) + Sync,
) -> Vec<T> {
    let mut total = vec![T::NIL; width];
    let step = (CHUNK / width.max(1)).max(SUM_ROWS);
    if rows <= step {
        task(0..rows, &mut total);
        return total;
    }
    let partial: Vec<Vec<T>> = (0..rows.div_ceil(step))
        .into_par_iter()
        .map(|chunk| {
            let mut partial = vec![T::NIL; width];
            task(chunk * step..((chunk + 1) * step).min(rows), &mut partial);
            partial
        })
        .collect();
    for partial in &partial {
        add(&mut total, partial);
    }
    total
}

/// Sums the rows of `x` (rows x width). This is the gradient of anything that was broadcast over leading dimensions.
pub(crate) fn column_sums<T: Real>(x: &[T], width: usize) -> Vec<T> {
    sum_rows(x.len() / width.max(1), width, |rows, total| {
        add_rows(total, &x[rows.start * width..rows.end * width]);
    })
}

multiversion! {
    /// Adds `x` to `total`, entry by entry.
    pub(crate) fn add<T: Real>(total: &mut [T], x: &[T]) {
        for (total, x) in total.iter_mut().zip(x) {
            *total += *x;
        }
    }
}

multiversion! {
    /// Adds every row of `x` to `total`. It takes four rows at a time, so that `total` is loaded less often.
    pub(crate) fn add_rows<T: Real>(total: &mut [T], x: &[T]) {
        let width = total.len();
        if width == 0 {
            return;
        }
        let mut quads = x.chunks_exact(4 * width);
        for quad in &mut quads {
            let (a, b) = quad.split_at(2 * width);
            let ((a, b), (c, d)) = (a.split_at(width), b.split_at(width));
            for ((((total, a), b), c), d) in total.iter_mut().zip(a).zip(b).zip(c).zip(d) {
                *total += (*a + *b) + (*c + *d);
            }
        }
        for row in quads.remainder().chunks_exact(width) {
            for (total, x) in total.iter_mut().zip(row) {
                *total += *x;
            }
        }
    }
}
