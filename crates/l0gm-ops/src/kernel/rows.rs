//! Loops over the rows of a matrix, cut into chunks that depend on the shape alone.

use super::{Real, multiversion};
use rayon::prelude::*;
use std::ops::Range;

/// Values one task handles: long enough to pay for handing it out, short enough for the cache.
pub(crate) const CHUNK: usize = 1 << 14;
/// Rows one partial sum over rows covers at least, so that partial sums stay few.
const SUM_ROWS: usize = 64;

/// Calls `task(first_row, rows_of_out)` for consecutive groups of rows of `out` (rows x width).
pub(crate) fn for_rows<T: Send>(
    out: &mut [T],
    width: usize,
    task: impl Fn(usize, &mut [T]) + Sync,
) {
    if out.is_empty() {
        return;
    }
    let rows = (CHUNK / width).max(1);
    if out.len() <= rows * width {
        return task(0, out);
    }
    out.par_chunks_mut(rows * width)
        .enumerate()
        .for_each(|(chunk, out)| task(chunk * rows, out));
}

/// As [`for_rows`], for one value a row that costs as much as `width` values.
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

/// As [`for_rows`], where each task also adds to `sums` running sums of its own; returns their
/// total, added up in the rows' order.
pub(crate) fn for_rows_sum<T: Real>(
    out: &mut [T],
    width: usize,
    sums: usize,
    task: impl Fn(usize, &mut [T], &mut [T]) + Sync,
) -> Vec<T> {
    let mut total = vec![T::NIL; sums];
    if out.is_empty() {
        return total;
    }
    let rows = (CHUNK / width).max(SUM_ROWS);
    if out.len() <= rows * width {
        task(0, out, &mut total);
        return total;
    }
    let partial: Vec<Vec<T>> = out
        .par_chunks_mut(rows * width)
        .enumerate()
        .map(|(chunk, out)| {
            let mut partial = vec![T::NIL; sums];
            task(chunk * rows, out, &mut partial);
            partial
        })
        .collect();
    for partial in &partial {
        add(&mut total, partial);
    }
    total
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
    fn add_rows<T: Real>(total: &mut [T], x: &[T]) {
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
