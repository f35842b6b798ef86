//! Forward-pass latency: warm-up passes, then timed ones; median and 95th percentile.
//!
//! The protocol of the paper's efficiency claim (section 5): a fixed batch, W passes that are not
//! counted, then R that are.

use crate::{Error, Result};
use std::time::Instant;

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

    /// 95th percentile, microseconds an example.
    pub fn p95_per_example_us(&self) -> f64 {
        self.p95_us / self.batch as f64
    }
}

/// Times `pass` (which must wait for its device) `repeats` times after `warmup` passes.
pub fn measure_latency(
    batch: usize,
    warmup: usize,
    repeats: usize,
    pass: impl FnMut() -> Result<()>,
) -> Result<Latency> {
    measure_latency_within(batch, warmup, repeats, f64::INFINITY, pass)
}

/// The same, but stops repeating (after three timed passes at the earliest) once `budget_seconds`
/// have gone: a pass of a large encoder may take seconds.
pub fn measure_latency_within(
    batch: usize,
    warmup: usize,
    repeats: usize,
    budget_seconds: f64,
    mut pass: impl FnMut() -> Result<()>,
) -> Result<Latency> {
    if batch == 0 || repeats == 0 {
        return Err(Error::Setting(format!(
            "latency needs a batch and repeats of at least 1, not {batch} and {repeats}"
        )));
    }
    let start = Instant::now();
    let over = || start.elapsed().as_secs_f64() >= budget_seconds;
    for done in 0..warmup {
        if done > 0 && over() {
            break;
        }
        pass()?;
    }
    let mut times = Vec::with_capacity(repeats);
    for done in 0..repeats {
        if done >= 3 && over() {
            break;
        }
        let before = Instant::now();
        pass()?;
        times.push(before.elapsed().as_secs_f64() * 1e6);
    }
    times.sort_by(f64::total_cmp);
    Ok(Latency {
        median_us: quantile(&times, 0.5),
        p95_us: quantile(&times, 0.95),
        batch,
    })
}

/// Of ascending values, interpolated linearly between neighbours.
fn quantile(ascending: &[f64], q: f64) -> f64 {
    let at = q * (ascending.len() - 1) as f64;
    let (low, high) = (
        ascending[at.floor() as usize],
        ascending[at.ceil() as usize],
    );
    low + (high - low) * at.fract()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_pass_is_made_and_warm_up_is_not_timed() {
        let mut passes = 0;
        let latency = measure_latency(8, 3, 20, || {
            passes += 1;
            Ok(())
        });
        assert_eq!(latency.unwrap().batch, 8);
        assert_eq!(passes, 23);
    }

    #[test]
    fn a_spent_budget_still_gives_three_timed_passes() {
        let mut passes = 0;
        let latency = measure_latency_within(1, 3, 20, 0.0, || {
            passes += 1;
            Ok(())
        });
        assert!(latency.unwrap().median_us >= 0.0);
        assert_eq!(passes, 1 + 3);
    }

    #[test]
    fn quantiles_of_known_values_are_the_known_values() {
        let values: Vec<f64> = (0..21).map(f64::from).collect();
        assert_eq!(
            (quantile(&values, 0.5), quantile(&values, 0.95)),
            (10.0, 19.0)
        );
        assert_eq!(quantile(&[1.0, 2.0], 0.5), 1.5);
        assert_eq!(quantile(&[7.0], 0.95), 7.0);
    }

    #[test]
    fn a_failing_pass_and_an_empty_batch_are_errors() {
        assert!(measure_latency(1, 0, 1, || Err(Error::Stopped)).is_err());
        let text = measure_latency(0, 0, 1, || Ok(())).unwrap_err().to_string();
        assert!(text.contains("at least 1"), "{text}");
    }
}
