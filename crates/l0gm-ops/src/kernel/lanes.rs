//! Reductions over one row. The compiler must not reorder a sum of floats, so the order that suits vector registers
//! is written out: 16 running sums that are added up at the end.

use super::Real;

/// Number of running sums. It fills a whole number of vector registers for f32 and f64.
const LANES: usize = 16;

/// Adds up the lanes pairwise.
#[inline(always)]
fn join<T: Real>(mut lanes: [T; LANES]) -> T {
    let mut half = LANES / 2;
    while half > 0 {
        for lane in 0..half {
            lanes[lane] += lanes[lane + half];
        }
        half /= 2;
    }
    lanes[0]
}

/// The sum of all x_i.
#[inline(always)]
pub(crate) fn sum<T: Real>(x: &[T]) -> T {
    if x.len() < LANES {
        return x.iter().fold(T::NIL, |total, &x| total + x);
    }
    let mut lanes = [T::NIL; LANES];
    let (blocks, rest) = x.as_chunks::<LANES>();
    for block in blocks {
        for lane in 0..LANES {
            lanes[lane] += block[lane];
        }
    }
    for (lane, value) in lanes.iter_mut().zip(rest) {
        *lane += *value;
    }
    join(lanes)
}

/// The sum of all x_i y_i, over the length of the shorter slice.
#[inline(always)]
pub(crate) fn dot<T: Real>(x: &[T], y: &[T]) -> T {
    if x.len() < LANES {
        return x
            .iter()
            .zip(y)
            .fold(T::NIL, |total, (&x, &y)| total + x * y);
    }
    let mut lanes = [T::NIL; LANES];
    let (x_blocks, x_rest) = x.as_chunks::<LANES>();
    let (y_blocks, y_rest) = y.as_chunks::<LANES>();
    for (x, y) in x_blocks.iter().zip(y_blocks) {
        for lane in 0..LANES {
            lanes[lane] += x[lane] * y[lane];
        }
    }
    for ((lane, x), y) in lanes.iter_mut().zip(x_rest).zip(y_rest) {
        *lane += *x * *y;
    }
    join(lanes)
}

/// The sum of all (x_i - centre)^2.
#[inline(always)]
pub(crate) fn squared_distance<T: Real>(x: &[T], centre: T) -> T {
    let mut lanes = [T::NIL; LANES];
    let (blocks, rest) = x.as_chunks::<LANES>();
    for block in blocks {
        for lane in 0..LANES {
            let d = block[lane] - centre;
            lanes[lane] += d * d;
        }
    }
    for (lane, value) in lanes.iter_mut().zip(rest) {
        let d = *value - centre;
        *lane += d * d;
    }
    join(lanes)
}

/// The largest entry; minus infinity for an empty slice.
#[inline(always)]
pub(crate) fn max<T: Real>(x: &[T]) -> T {
    let larger = |a: T, b: T| if b > a { b } else { a };
    if x.len() < LANES {
        return x.iter().copied().fold(T::LOWEST, larger);
    }
    let mut lanes = [T::LOWEST; LANES];
    let (blocks, rest) = x.as_chunks::<LANES>();
    for block in blocks {
        for lane in 0..LANES {
            lanes[lane] = larger(lanes[lane], block[lane]);
        }
    }
    for (lane, value) in lanes.iter_mut().zip(rest) {
        *lane = larger(*lane, *value);
    }
    lanes.into_iter().fold(T::LOWEST, larger)
}

/// Replaces each x by exp(x - shift) and returns the sum. Every entry must be at most `shift`.
#[inline(always)]
pub(crate) fn exp_in_place<T: Real, const FMA: bool>(x: &mut [T], shift: T) -> T {
    for value in x.iter_mut() {
        *value = (*value - shift).exp_nonpositive::<FMA>();
    }
    sum(x)
}
