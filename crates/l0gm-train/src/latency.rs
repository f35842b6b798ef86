//! Forward-pass latency: the median and 95th percentile of timed passes that follow some warm-up passes.
//!
//! This is the protocol of the paper's efficiency claim (section 5): on a fixed batch, W passes that are not counted,
//! then R passes that are.

use crate::{Error, Result, Task};
use l0gm_gate::quantile;
use std::time::Instant;

/// The latency of one forward pass over a batch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Latency {
    /// Median time of a batch, in microseconds.
    pub median_us: f64,
    /// 95th percentile of a batch's time, in microseconds.
    pub p95_us: f64,
    /// Number of examples in the batch.
    pub batch: usize,
}

impl Latency {
    /// Median microseconds per example.
    pub fn per_example_us(&self) -> f64 {
        self.median_us / self.batch as f64
    }

    /// 95th percentile in microseconds per example.
    pub fn p95_per_example_us(&self) -> f64 {
        self.p95_us / self.batch as f64
    }
}

/// Largest batch that is timed, in rows.
pub const LATENCY_BATCH: usize = 1024;
/// Number of warm-up passes, which are not counted.
pub const LATENCY_WARMUP: usize = 3;
/// Number of timed passes.
pub const LATENCY_REPEATS: usize = 20;
/// After this many seconds no further pass is made. Three passes are always timed, even where one pass of a large
/// encoder takes seconds.
pub const LATENCY_SECONDS: f64 = 5.0;

/// The protocol's latency of `pass`, one forward pass of `batch_rows` examples that waits for its device. The gated
/// and the compact model must both be timed by this function and on the rows of [`latency_rows`], so that their
/// latencies can be compared.
pub fn latency_of(batch_rows: usize, pass: impl FnMut() -> Result<()>) -> Result<Latency> {
    measure_within(
        batch_rows,
        LATENCY_WARMUP,
        LATENCY_REPEATS,
        LATENCY_SECONDS,
        pass,
    )
}

/// The test rows that are timed: one batch as the task makes it (a full-batch graph's is the whole graph). It is
/// taken from the middle of the plan, because a text task plans the shortest texts first. It is an error if there are
/// no test rows.
pub fn latency_rows<T: Task>(task: &T, eval_batch_size: usize) -> Result<Vec<u32>> {
    let mut plan = task.timed_plan(LATENCY_BATCH.min(eval_batch_size));
    let full = plan.iter().map(Vec::len).max().unwrap_or(0);
    plan.retain(|rows| rows.len() == full && full > 0);
    if plan.is_empty() {
        return Err(Error::Task(
            "the test split has no batch to time".to_owned(),
        ));
    }
    Ok(plan.swap_remove(plan.len() / 2))
}

/// Times `pass` `repeats` times after `warmup` passes. Stops early once `budget_seconds` have passed, but always
/// times three passes.
fn measure_within(
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::Split;

    /// A task with test rows only, planned in batches of the requested size.
    struct Rows(usize);

    impl Task for Rows {
        type Input = ();

        fn classes(&self) -> usize {
            2
        }

        fn rows(&self, _: Split) -> usize {
            self.0
        }

        fn batch(&self, _: Split, _: &[u32], _: &candle_core::Device) -> Result<crate::Batch<()>> {
            Err(Error::Stopped)
        }
    }

    #[test]
    fn every_model_is_timed_on_one_full_batch_of_the_protocols_size() {
        let rows = |n, eval| latency_rows(&Rows(n), eval).unwrap();
        assert_eq!(rows(2 * LATENCY_BATCH + 7, 4096).len(), LATENCY_BATCH);
        assert_eq!(rows(2 * LATENCY_BATCH + 7, 64).len(), 64);
        // The last batch is smaller than the others, so it must not be chosen.
        assert_eq!(rows(100, 64), (0..64).collect::<Vec<u32>>());
        assert_eq!(rows(9, 64).len(), 9);
        assert!(latency_rows(&Rows(0), 64).is_err());
    }

    #[test]
    fn every_pass_of_the_protocol_is_made_and_warm_up_is_not_timed() {
        let mut passes = 0;
        let latency = latency_of(8, || {
            passes += 1;
            Ok(())
        });
        assert_eq!(latency.unwrap().batch, 8);
        assert_eq!(passes, LATENCY_WARMUP + LATENCY_REPEATS);
    }

    #[test]
    fn a_spent_budget_still_gives_three_timed_passes() {
        let mut passes = 0;
        let latency = measure_within(1, 3, 20, 0.0, || {
            passes += 1;
            std::thread::sleep(std::time::Duration::from_millis(2));
            Ok(())
        })
        .unwrap();
        assert_eq!(passes, 1 + 3);
        // A pass sleeps for at least the requested time; a value in the wrong unit would be a thousand times smaller.
        assert!(latency.median_us >= 2_000.0, "{latency:?}");
        assert!(latency.p95_us >= latency.median_us, "{latency:?}");
    }

    #[test]
    fn a_failing_pass_and_an_empty_batch_are_errors() {
        assert!(latency_of(1, || Err(Error::Stopped)).is_err());
        let text = latency_of(0, || Ok(())).unwrap_err().to_string();
        assert!(text.contains("at least 1"), "{text}");
    }
}
