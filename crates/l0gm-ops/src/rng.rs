//! A seeded, counter-based generator: the value drawn depends on (key, counter) alone, so that a
//! dropout mask can be recomputed in the backward pass and a run can continue where it was cut off.

use candle_core::{DType, Device, Result, Shape, Tensor};

/// A stream of random numbers; the same seed gives the same stream on every machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Generator {
    key: u64,
    counter: u64,
}

impl Generator {
    /// The root stream of a seed.
    pub fn new(_seed: u64) -> Self {
        todo!()
    }
    /// An independent stream derived from this one's key, a name and an index (a step, an epoch, a
    /// layer). Does not advance `self`.
    pub fn stream(&self, _name: &str, _index: u64) -> Self {
        todo!()
    }
    /// The stream's key and the number of values drawn, enough to rebuild it.
    pub fn state(&self) -> (u64, u64) {
        (self.key, self.counter)
    }
    /// Rebuilds a stream from [`Generator::state`].
    pub fn from_state(key: u64, counter: u64) -> Self {
        Self { key, counter }
    }
    /// The next 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        todo!()
    }
    /// The next f64 in the open interval (0, 1).
    pub fn uniform(&mut self) -> f64 {
        todo!()
    }
    /// The next standard normal f64.
    pub fn normal(&mut self) -> f64 {
        todo!()
    }
    /// The next integer in `0..n`; `n` must not be 0.
    pub fn below(&mut self, _n: u64) -> u64 {
        todo!()
    }
    /// Shuffles in place (Fisher-Yates).
    pub fn shuffle<T>(&mut self, _items: &mut [T]) {
        todo!()
    }
    /// A random order of `0..n`.
    pub fn permutation(&mut self, _n: usize) -> Vec<u32> {
        todo!()
    }
    /// A tensor of uniform values in [low, high).
    pub fn uniform_tensor<S: Into<Shape>>(&mut self, _shape: S, _low: f64, _high: f64, _dtype: DType, _device: &Device) -> Result<Tensor> {
        todo!()
    }
    /// A tensor of normal values.
    pub fn normal_tensor<S: Into<Shape>>(&mut self, _shape: S, _mean: f64, _std: f64, _dtype: DType, _device: &Device) -> Result<Tensor> {
        todo!()
    }
}

/// Whether a forward pass trains (and may draw noise from the generator) or evaluates.
#[derive(Debug)]
pub enum Mode<'a> {
    /// Training: dropout and gate noise are drawn from this generator.
    Train(&'a mut Generator),
    /// Evaluation: deterministic.
    Eval,
}

impl Mode<'_> {
    /// Whether this is a training pass.
    pub fn is_train(&self) -> bool {
        matches!(self, Mode::Train(_))
    }
    /// The same mode for a callee, so that `&mut` can be handed down several times.
    pub fn reborrow(&mut self) -> Mode<'_> {
        match self {
            Mode::Train(generator) => Mode::Train(generator),
            Mode::Eval => Mode::Eval,
        }
    }
}
