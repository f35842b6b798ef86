//! Forward-pass latency: warm-up passes, then timed ones; median and 95th percentile.
use crate::Result;
/// Microseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Latency {
    /// Median of a batch.
    pub median_us: f64,
    /// 95th percentile of a batch.
    pub p95_us: f64,
    /// Examples a batch.
    pub batch: usize,
}
impl Latency {
    /// Median microseconds an example.
    pub fn per_example_us(&self) -> f64 {
        self.median_us / self.batch as f64
    }
}
/// Times `pass` (which must wait for its device) `repeats` times after `warmup` passes.
pub fn measure_latency(_batch: usize, _warmup: usize, _repeats: usize, _pass: impl FnMut() -> Result<()>) -> Result<Latency> {
    todo!()
}
