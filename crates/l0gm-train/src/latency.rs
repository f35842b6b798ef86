//! Forward-pass latency: warm-up passes, then timed ones; median and 95th percentile.
//!
//! The protocol of the paper's efficiency claim (section 5): a fixed batch, W passes that are not
//! counted, then R that are.

use crate::{Error, Result, Task};
use l0gm_gate::quantile;
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

/// Largest batch that is timed.
pub const LATENCY_BATCH: usize = 1024;
/// Passes that are not counted.
pub const LATENCY_WARMUP: usize = 3;
/// Passes that are.
pub const LATENCY_REPEATS: usize = 20;
/// Seconds after which no further pass is made, but for three timed ones: a pass of a large encoder
/// may take seconds.
pub const LATENCY_SECONDS: f64 = 5.0;

/// The protocol's latency of `pass`, one forward pass of `batch_rows` examples that waits for its
/// device. The gated and the compact model are both timed by this, on the rows of [`latency_rows`]:
/// otherwise their latencies could not be compared.
pub fn latency_of(batch_rows: usize, pass: impl FnMut() -> Result<()>) -> Result<Latency> {
    measure_within(
        batch_rows,
        LATENCY_WARMUP,
        LATENCY_REPEATS,
        LATENCY_SECONDS,
        pass,
    )
}

/// The test rows that are timed: the task's own batch (a full-batch graph's is the whole graph), from
/// the middle of the plan, because a text task plans the shortest first. Error: no test rows.
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

/// Times `pass` `repeats` times after `warmup` passes, but stops repeating (after three timed passes
/// at the earliest) once `budget_seconds` have gone.
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

    /// Test rows and nothing else, planned in batches of the asked size.
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
        // The last batch is a small one: never that.
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
        // A pass sleeps at least as long as it is told to, and seconds would be a thousandth of that.
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
