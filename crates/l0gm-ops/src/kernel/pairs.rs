//! Functions of two values, applied entry by entry to two arrays of the same length, on all threads.

use super::{Real, multiversion, rows};
use crate::device::{Call, Fresh};
use candle_core::{Result, Tensor};
use std::mem::MaybeUninit;

/// A function f(a, b). It must be `#[inline(always)]` and without branches, so that the loop around it is vectorised.
pub(crate) trait Pair: Sync {
    /// The value of f for one pair of entries.
    fn of<T: Real>(a: T, b: T) -> T;
}

/// f(a, b) = a + b.
pub(crate) struct Sum;
/// f(a, b) = a b.
pub(crate) struct Product;

impl Pair for Sum {
    #[inline(always)]
    fn of<T: Real>(a: T, b: T) -> T {
        a + b
    }
}

impl Pair for Product {
    #[inline(always)]
    fn of<T: Real>(a: T, b: T) -> T {
        a * b
    }
}

multiversion! {
    fn each<T: Real, P: Pair>(a: &[T], b: &[T], out: &mut [MaybeUninit<T>], _pair: &P) {
        for ((out, &a), &b) in out.iter_mut().zip(a).zip(b) {
            out.write(P::of(a, b));
        }
    }
}

/// Applies f to each pair of entries.
pub(crate) fn pairs<T: Real, P: Pair>(a: &[T], b: &[T], pair: P) -> Vec<T> {
    assert_eq!(a.len(), b.len(), "pairs of arrays of different lengths");
    // SAFETY: the lengths are equal, so `each` writes every value of its part.
    unsafe {
        rows::write(a.len(), 1, |first, out| {
            let range = first..first + out.len();
            each(&a[range.clone()], &b[range], out, &pair);
        })
    }
}

/// Applies `kernel` to each pair of entries, on a device with kernels.
pub(crate) fn pairs_on_device(kernel: &'static str, a: &Tensor, b: &Tensor) -> Result<Fresh> {
    let n = a.elem_count();
    let call = Call::new(kernel, a).read(a).read(b).write(a.shape());
    let [out] = call.size(n).each(n)?;
    Ok(out)
}
