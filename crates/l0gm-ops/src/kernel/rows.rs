//! Loops over the rows of a matrix, cut into chunks that depend on the shape alone.

use super::{Real, multiversion};
use rayon::prelude::*;
use std::mem::MaybeUninit;
use std::ops::Range;

/// Values one task handles: long enough to pay for handing it out, short enough for the cache.
pub(crate) const CHUNK: usize = 1 << 14;
/// Rows one partial sum over rows covers at least, so that partial sums stay few.
const SUM_ROWS: usize = 64;

/// A new vector of `len` values, written by `task(first_row, rows)` for consecutive groups of rows.
///
/// Each task finds zeros: it clears its own part just before, while it is in the cache, and not in a
/// pass of its own through memory.
pub(crate) fn build<T: Real>(
    len: usize,
    width: usize,
    task: impl Fn(usize, &mut [T]) + Sync,
) -> Vec<T> {
    // SAFETY: every part is cleared.
    unsafe { write(len, width, |first, part| task(first, cleared(part))) }
}

/// As [`build`], where `task` finds nothing and writes everything: for loops so short that clearing would
/// be felt.
///
/// # Safety
/// `task` must write every value of the part it is given.
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

/// Uninitialised values, set to 0.
pub(crate) fn cleared<T: Real>(part: &mut [MaybeUninit<T>]) -> &mut [T] {
    for value in part.iter_mut() {
        value.write(T::NIL);
    }
    // SAFETY: every value was just written; the layouts are the same.
    unsafe { &mut *(std::ptr::from_mut(part) as *mut [T]) }
}

/// Calls `task(first, values)` for consecutive groups of one value a row, each of which costs as much
/// as `width` values.
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

/// As [`build`], where each task also adds to `sums` running sums of its own; returns the values and
/// the sums' total, added up in the rows' order.
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

/// The total of `width` sums over `rows` rows: `task(rows, sums)` adds a range of rows to sums that
/// start at 0; the ranges' sums are added up in the rows' order.
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

/// Sums the rows of `x` (rows x width): the gradient of anything broadcast over leading dimensions.
pub(crate) fn column_sums<T: Real>(x: &[T], width: usize) -> Vec<T> {
    sum_rows(x.len() / width.max(1), width, |rows, total| {
        add_rows(total, &x[rows.start * width..rows.end * width]);
    })
}

multiversion! {
    /// total += x
    pub(crate) fn add<T: Real>(total: &mut [T], x: &[T]) {
        for (total, x) in total.iter_mut().zip(x) {
            *total += *x;
        }
    }
}

multiversion! {
    /// Adds every row of `x` to `total`, four at a time to spare the loads of `total`.
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
