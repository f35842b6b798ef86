//! A bootstrap interval for ECE, which shows how much of a difference between two rows of a table is due to the
//! choice of test examples.
//!
//! The ECE of a resample tends to exceed the ECE of the sample, because resampling adds the noise of a second draw.
//! Near perfect calibration, the usual interval between two percentiles therefore lies entirely above the truth. The
//! interval here is the mirrored ("basic") one, which corrects this bias.

use super::{CalibrationSettings, Scored};
use crate::{Error, Result, quantile};

/// The two ends of an interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// A 95% interval for the ECE of the population from which `scored` is a sample. The examples are redrawn with
/// replacement `settings.resamples` times, and the 97.5th and 2.5th percentiles are mirrored at the sample's own ECE. The
/// interval always contains that ECE and lies in [0, 1].
///
/// # Errors
/// There are no bins or no resamples, or absurdly many.
pub fn bootstrap_ece(scored: &Scored, settings: CalibrationSettings) -> Result<Interval> {
    settings.check()?;
    let (bins, resamples) = (settings.width()?, settings.resamples);
    let mut generator = settings.draws("bootstrap");
    // A resample needs only two numbers for each example: its bin, and what it adds to the bin's gap.
    let places: Vec<u32> = scored
        .scores()
        .iter()
        .map(|&score| bins.bin_of(score) as u32)
        .collect();
    let examples: Vec<(u32, f64)> = places.into_iter().zip(scored.residuals()).collect();
    let n = examples.len() as u64;
    let mut gaps = vec![0.0; bins.bins()];
    let ece_of = |gaps: &[f64]| gaps.iter().map(|gap| gap.abs()).sum::<f64>() / n as f64;
    examples
        .iter()
        .for_each(|&(bin, residual)| gaps[bin as usize] += residual);
    let ece = ece_of(&gaps);
    let mut eces: Vec<f64> = Vec::with_capacity(resamples);
    for _ in 0..resamples {
        gaps.fill(0.0);
        for _ in 0..n {
            let (bin, residual) = examples[generator.below(n) as usize];
            gaps[bin as usize] += residual;
        }
        eces.push(ece_of(&gaps));
    }
    eces.sort_by(f64::total_cmp);
    Ok(Interval {
        low: (2.0 * ece - quantile(&eces, 0.975)).clamp(0.0, ece),
        high: (2.0 * ece - quantile(&eces, 0.025)).clamp(ece, 1.0),
    })
}

/// Refuses zero resamples, and so many that they are surely a mistake.
pub(super) fn check_resamples(resamples: usize) -> Result<()> {
    match resamples {
        1..=1_000_000 => Ok(()),
        _ => Err(Error::setting(
            "resamples",
            resamples as f64,
            "between 1 and 1000000",
        )),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::calibration::{EqualWidth, expected_calibration_error};
    use l0gm_ops::Generator;

    /// Settings with 15 bins, this many resamples and this seed.
    fn with(resamples: usize, seed: u64) -> CalibrationSettings {
        CalibrationSettings {
            bins: 15,
            resamples,
            seed,
        }
    }

    /// `n` examples whose outcomes are by `shift` less likely than their scores say.
    fn overconfident(n: usize, shift: f64, generator: &mut Generator) -> Scored {
        let draw = |_| {
            let score = 1.0 - 0.5 * generator.uniform().powi(2);
            (score, generator.uniform() < score - shift)
        };
        let (scores, outcomes) = (0..n).map(draw).unzip();
        Scored::new(scores, outcomes).unwrap()
    }

    #[test]
    fn the_interval_contains_the_true_ece_nearly_as_often_as_it_says() {
        let bins = EqualWidth::new(15).unwrap();
        let mut generator = Generator::new(17);
        for shift in [0.03, 0.1] {
            let repeats = 200;
            let mut covered = 0;
            for _ in 0..repeats {
                let scored = overconfident(1000, shift, &mut generator);
                let interval = bootstrap_ece(&scored, with(100, generator.next_u64())).unwrap();
                let ece = expected_calibration_error(&bins.sums(&scored));
                assert!(interval.low <= ece + 1e-12 && ece <= interval.high + 1e-12);
                // The gap of every bin is the shift, so the true ECE is the shift too.
                covered += usize::from(interval.low <= shift && shift <= interval.high);
            }
            assert!(
                covered * 100 >= repeats * 80,
                "{covered} of {repeats} at {shift}"
            );
        }
    }

    #[test]
    fn the_interval_narrows_with_the_number_of_examples() {
        let mut generator = Generator::new(17);
        let mut width = |n| {
            let scored = overconfident(n, 0.1, &mut generator);
            let interval = bootstrap_ece(&scored, with(200, 1)).unwrap();
            interval.high - interval.low
        };
        assert!(width(400) > 2.0 * width(10_000));
    }

    #[test]
    fn the_same_seed_gives_the_same_interval() {
        let scored = overconfident(300, 0.1, &mut Generator::new(1));
        let interval = |seed| bootstrap_ece(&scored, with(50, seed)).unwrap();
        assert_eq!(interval(3), interval(3));
        assert_ne!(interval(3), interval(4));
    }

    #[test]
    fn exact_predictions_have_an_interval_of_no_width() {
        let scored = Scored::new(vec![1.0, 0.0], vec![true, false]).unwrap();
        let interval = bootstrap_ece(&scored, with(50, 1)).unwrap();
        assert_eq!((interval.low, interval.high), (0.0, 0.0));
    }
}
