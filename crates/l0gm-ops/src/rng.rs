//! A seeded, counter-based generator. Each value depends only on (key, counter), so that a dropout mask can be
//! computed again in the backward pass, a tensor can be filled with the same bits by any number of threads, and a run
//! can continue where it was interrupted.
//!
//! Bits and uniform numbers are computed with integers and are the same on every machine. Normal numbers use the
//! platform's `ln` and `cos`, whose last bit may differ between platforms.

use candle_core::{DType, Device, Result, Shape, Tensor, bail};
use rayon::prelude::*;

/// 2^64 divided by the golden ratio. It moves consecutive counters far apart before they are mixed.
const WEYL: u64 = 0x9e37_79b9_7f4a_7c15;
/// Number of values that one task fills. The result does not depend on it.
const FILL_CHUNK: usize = 8192;

/// A bijection of 64 bits in which each input bit changes about half of the output bits (a finaliser with Stafford's
/// variant 13 constants).
#[inline(always)]
fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// Draw number `counter` of the stream `key`. The key enters twice, with a mixing round between, so that two streams
/// are never shifted copies of each other.
#[inline(always)]
pub(crate) fn draw(key: u64, counter: u64) -> u64 {
    mix(mix(counter.wrapping_mul(WEYL).wrapping_add(key)) ^ key.rotate_left(32))
}

/// Maps 64 bits to an f64 in the open interval (0, 1), the middle of one of 2^52 equal cells.
#[inline(always)]
fn open_unit(bits: u64) -> f64 {
    ((bits >> 12) as f64 + 0.5) * (1.0 / (1u64 << 52) as f64)
}

/// One standard normal number from two draws (Box and Muller 1958, the cosine half).
#[inline(always)]
fn normal_pair(key: u64, counter: u64) -> f64 {
    let radius = (-2.0 * open_unit(draw(key, counter)).ln()).sqrt();
    let angle = std::f64::consts::TAU * open_unit(draw(key, counter.wrapping_add(1)));
    radius * angle.cos()
}

/// The threshold below which a 64-bit draw drops a value, so that this happens with probability `p`.
pub(crate) fn drop_threshold(p: f64) -> u64 {
    // The cast saturates: p = 1 (refused by every caller) would give the largest u64.
    (p * 18_446_744_073_709_551_616.0) as u64
}

/// A stream of random numbers. The same seed gives the same stream on every machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Generator {
    key: u64,
    counter: u64,
}

impl Generator {
    /// The root stream of a seed.
    pub fn new(seed: u64) -> Self {
        Self {
            key: mix(seed ^ 0x6c30_676d_5f6f_7073),
            counter: 0,
        }
    }

    /// An independent stream, derived from this stream's key, a name and an index (such as a step, an epoch or a
    /// layer). Does not advance `self`.
    pub fn stream(&self, name: &str, index: u64) -> Self {
        let mut key = mix(self.key ^ name.len() as u64);
        for chunk in name.as_bytes().chunks(8) {
            let mut word = [0u8; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            key = mix(key.rotate_left(23).wrapping_add(WEYL) ^ u64::from_le_bytes(word));
        }
        Self {
            key: draw(key, index),
            counter: 0,
        }
    }

    /// The key of the stream and the number of values drawn, which are enough to rebuild it.
    pub fn state(&self) -> (u64, u64) {
        (self.key, self.counter)
    }

    /// Rebuilds a stream from its [`Generator::state`].
    pub fn from_state(key: u64, counter: u64) -> Self {
        Self { key, counter }
    }

    /// Reserves `draws` values: returns a copy that stands at the first of them, and moves `self` past the last. An
    /// op keeps the copy to compute its noise again in the backward pass.
    pub fn reserve(&mut self, draws: usize) -> Self {
        let here = self.clone();
        self.counter = self.counter.wrapping_add(draws as u64);
        here
    }

    /// The next 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        let bits = draw(self.key, self.counter);
        self.counter = self.counter.wrapping_add(1);
        bits
    }

    /// The next f64 in the open interval (0, 1).
    pub fn uniform(&mut self) -> f64 {
        open_unit(self.next_u64())
    }

    /// The next standard normal f64, which takes two draws.
    pub fn normal(&mut self) -> f64 {
        let here = self.reserve(2);
        normal_pair(here.key, here.counter)
    }

    /// The next integer in `0..n`, without bias. Returns 0 if `n` is 0.
    pub fn below(&mut self, n: u64) -> u64 {
        if n == 0 {
            return 0;
        }
        // The high word of bits * n is uniform once the few low words that would favour small results are rejected
        // (Lemire 2019). Those lie below n, so the division is rarely needed.
        loop {
            let product = u128::from(self.next_u64()) * u128::from(n);
            let low = product as u64;
            if low >= n || low >= n.wrapping_neg() % n {
                return (product >> 64) as u64;
            }
        }
    }

    /// Shuffles the items in place (Fisher-Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let chosen = self.below(last as u64 + 1) as usize;
            items.swap(last, chosen);
        }
    }

    /// A random order of `0..n`.
    pub fn permutation(&mut self, n: usize) -> Vec<u32> {
        let mut order: Vec<u32> = (0..n as u32).collect();
        self.shuffle(&mut order);
        order
    }

    /// A tensor of uniform values in [low, high), with one draw per value. `dtype` is f32 or f64.
    pub fn uniform_tensor<S: Into<Shape>>(
        &mut self,
        shape: S,
        low: f64,
        high: f64,
        dtype: DType,
        device: &Device,
    ) -> Result<Tensor> {
        if !(low.is_finite() && high.is_finite() && low < high) {
            bail!("uniform_tensor: the interval [{low}, {high}) is empty or not finite");
        }
        let shape = shape.into();
        let here = self.reserve(shape.elem_count());
        let value = move |index: usize| {
            let unit = open_unit(draw(here.key, here.counter.wrapping_add(index as u64)));
            low + (high - low) * unit
        };
        // Rounding to the tensor's precision may reach `high`. Use the next lower value then.
        match dtype {
            DType::F32 => {
                let largest = below_f32(high);
                let fill = move |index| (value(index) as f32).min(largest);
                Tensor::from_vec(filled(shape.elem_count(), fill), shape, device)
            }
            DType::F64 => {
                let fill = move |index| value(index).min(high.next_down());
                Tensor::from_vec(filled(shape.elem_count(), fill), shape, device)
            }
            other => bail!("uniform_tensor: dtype {other:?}, expected f32 or f64"),
        }
    }

    /// A tensor of normal values, with two draws per value. `dtype` is f32 or f64; `std` >= 0.
    pub fn normal_tensor<S: Into<Shape>>(
        &mut self,
        shape: S,
        mean: f64,
        std: f64,
        dtype: DType,
        device: &Device,
    ) -> Result<Tensor> {
        if !(mean.is_finite() && std.is_finite() && std >= 0.0) {
            bail!(
                "normal_tensor: mean {mean} and standard deviation {std} must be finite and the latter at least 0"
            );
        }
        let shape = shape.into();
        let here = self.reserve(shape.elem_count().wrapping_mul(2));
        let value = move |index: usize| {
            let counter = here.counter.wrapping_add(2 * index as u64);
            mean + std * normal_pair(here.key, counter)
        };
        match dtype {
            DType::F32 => {
                let fill = move |index| value(index) as f32;
                Tensor::from_vec(filled(shape.elem_count(), fill), shape, device)
            }
            DType::F64 => Tensor::from_vec(filled(shape.elem_count(), value), shape, device),
            other => bail!("normal_tensor: dtype {other:?}, expected f32 or f64"),
        }
    }

    /// The dropout mask of the next draws: 1 / (1 - p) where a value is kept, and 0 where it is dropped, which
    /// happens with probability `p`. Does not advance the stream.
    pub(crate) fn keep_mask(
        &self,
        shape: &Shape,
        p: f64,
        dtype: DType,
        device: &Device,
    ) -> Result<Tensor> {
        let (key, counter, threshold) = (self.key, self.counter, drop_threshold(p));
        let scale = 1.0 / (1.0 - p);
        let mask = filled(shape.elem_count(), move |index| {
            let bits = draw(key, counter.wrapping_add(index as u64));
            if bits >= threshold { scale } else { 0.0 }
        });
        Tensor::from_vec(mask, shape, &Device::Cpu)?
            .to_dtype(dtype)?
            .to_device(device)
    }
}

/// The largest f32 below `high`.
fn below_f32(high: f64) -> f32 {
    let rounded = high as f32;
    if f64::from(rounded) >= high {
        rounded.next_down()
    } else {
        rounded
    }
}

/// A vector of `len` values, each computed from its index, on all threads.
fn filled<T: Copy + Default + Send>(len: usize, value: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let mut out = vec![T::default(); len];
    let fill = |(chunk, values): (usize, &mut [T])| {
        for (offset, slot) in values.iter_mut().enumerate() {
            *slot = value(chunk * FILL_CHUNK + offset);
        }
    };
    if len <= FILL_CHUNK {
        fill((0, &mut out));
    } else {
        out.par_chunks_mut(FILL_CHUNK).enumerate().for_each(fill);
    }
    out
}

/// Whether a forward pass trains (and may draw noise from the generator) or evaluates.
#[derive(Debug)]
pub enum Mode<'a> {
    /// In training, dropout and gate noise are drawn from this generator.
    Train(&'a mut Generator),
    /// In evaluation, everything is deterministic.
    Eval,
}

impl Mode<'_> {
    /// Whether this is a training pass.
    pub fn is_train(&self) -> bool {
        matches!(self, Mode::Train(_))
    }

    /// The same mode for a callee, so that the generator can be passed on several times.
    pub fn reborrow(&mut self) -> Mode<'_> {
        match self {
            Mode::Train(generator) => Mode::Train(generator),
            Mode::Eval => Mode::Eval,
        }
    }
}
