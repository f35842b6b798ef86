//! Times repetitions of a computation and summarises the times.

use crate::bench::case::Run;
use std::time::{Duration, Instant};

/// Milliseconds of each repetition. There are as many as fit into `seconds`, and at least three unless one takes
/// long.
pub(crate) fn sample(run: &mut Run, seconds: f64) -> anyhow::Result<Vec<f64>> {
    // Wait for threads of the process that ran before, which may still be spinning.
    std::thread::sleep(Duration::from_millis(30));
    run()?; // brings the caches back
    let started = Instant::now();
    let mut times = Vec::new();
    loop {
        let start = Instant::now();
        run()?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
        let spent = started.elapsed().as_secs_f64();
        if spent >= seconds && (times.len() >= 3 || spent >= 4.0 * seconds) {
            return Ok(times);
        }
    }
}

/// Page faults of this process that needed no disk; `None` if the system does not report them.
pub(crate) fn page_faults() -> Option<u64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The process name, in brackets, may contain spaces; `minflt` is the eighth field after it.
    let (_, fields) = stat.rsplit_once(')')?;
    fields.split_whitespace().nth(7)?.parse().ok()
}

/// The median; 0 for no values.
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => 0.0,
        n if n % 2 == 1 => sorted[n / 2],
        n => (sorted[n / 2 - 1] + sorted[n / 2]) / 2.0,
    }
}

/// Smallest, median and largest ratio of the rounds' medians.
pub(crate) fn ratios(ours: &[Vec<f64>], theirs: &[Vec<f64>]) -> Option<(f64, f64, f64)> {
    let ratios: Vec<f64> = ours
        .iter()
        .zip(theirs)
        .map(|(a, b)| median(a) / median(b))
        .filter(|ratio| ratio.is_finite())
        .collect();
    let low = ratios.iter().copied().min_by(f64::total_cmp)?;
    let high = ratios.iter().copied().max_by(f64::total_cmp)?;
    Some((low, median(&ratios), high))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn ratios_are_taken_round_by_round() {
        // The machine was twice as slow in the second round, for both sides.
        let ours = [vec![1.0, 2.0, 9.0], vec![4.0, 4.0]];
        let theirs = [vec![4.0], vec![8.0]];
        assert_eq!(ratios(&ours, &theirs), Some((0.5, 0.5, 0.5)));
        assert_eq!(ratios(&ours, &[]), None);
        assert_eq!(median(&[3.0, 1.0, 2.0, 10.0]), 2.5);
    }

    #[test]
    fn a_sample_holds_three_repetitions_at_least() {
        let mut run: Run = Box::new(|| Ok(()));
        assert!(sample(&mut run, 0.01).unwrap().len() >= 3);
    }
}
