//! A bootstrap interval for ECE: how much of a difference between two tables' rows is the test set's.

use super::{EqualWidth, Scored};
use crate::{Error, Result};
use l0gm_ops::Generator;

/// Both ends of an interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// A 95% interval for the ECE of `scored`: examples are redrawn with replacement `resamples` times.
pub fn bootstrap_ece(scored: &Scored, bins: EqualWidth, resamples: usize, generator: &mut Generator) -> Result<Interval> {
    check_resamples(resamples)?;
    // All that a resample needs of an example: its bin, and what it adds to the bin's gap.
    let places: Vec<u32> = scored.scores().iter().map(|&score| bins.bin_of(score) as u32).collect();
    let examples: Vec<(u32, f64)> = places.into_iter().zip(scored.residuals()).collect();
    let n = examples.len() as u64;
    let mut gaps = vec![0.0; bins.bins()];
    let mut eces: Vec<f64> = Vec::with_capacity(resamples);
    for _ in 0..resamples {
        gaps.fill(0.0);
        for _ in 0..n {
            let (bin, residual) = examples[generator.below(n) as usize];
            gaps[bin as usize] += residual;
        }
        eces.push(gaps.iter().map(|gap: &f64| gap.abs()).sum::<f64>() / n as f64);
    }
    eces.sort_by(f64::total_cmp);
    Ok(Interval {
        low: quantile(&eces, 0.025),
        high: quantile(&eces, 0.975),
    })
}

/// At least one, and not so many that it is surely a mistake.
pub(super) fn check_resamples(resamples: usize) -> Result<()> {
    match resamples {
        1..=1_000_000 => Ok(()),
        _ => Err(Error::setting("resamples", resamples as f64, "between 1 and 1000000")),
    }
}

/// A quantile of ascending values, linear between neighbours.
pub(super) fn quantile(ascending: &[f64], share: f64) -> f64 {
    let place = share * (ascending.len() - 1) as f64;
    let (below, rest) = (place.floor() as usize, place.fract());
    let above = (below + 1).min(ascending.len() - 1);
    ascending[below] * (1.0 - rest) + ascending[above] * rest
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn quantiles_are_linear_between_neighbours() {
        assert_eq!(quantile(&[1.0, 2.0, 3.0], 0.5), 2.0);
        assert_eq!(quantile(&[1.0, 2.0, 3.0], 0.25), 1.5);
        assert_eq!(quantile(&[4.0], 0.975), 4.0);
    }
}
