//! The noise floor of ECE: the value that the same predictions would get if they were perfectly calibrated. Labels
//! are redrawn from the predictions, so all ECE that remains is sampling noise.

use super::{CalibrationSettings, Scored};
use crate::{Result, quantile};

/// The ECE of perfectly calibrated predictions with these scores.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NoiseFloor {
    /// Mean ECE over redrawn labels.
    pub mean: f64,
    /// 95th percentile of ECE over redrawn labels.
    pub p95: f64,
}

/// Redraws every outcome from its score `settings.resamples` times. For top-label confidences this is the same as redrawing
/// the label from its row, because the prediction is right with exactly that probability.
///
/// # Errors
/// There are no bins or no resamples, or absurdly many.
pub fn ece_noise_floor(scored: &Scored, settings: CalibrationSettings) -> Result<NoiseFloor> {
    settings.check()?;
    let (bins, resamples) = (settings.width()?, settings.resamples);
    let mut generator = settings.draws("noise floor");
    let scores = scored.scores();
    let places: Vec<u32> = scores
        .iter()
        .map(|&score| bins.bin_of(score) as u32)
        .collect();
    let mut expected = vec![0.0; bins.bins()];
    places
        .iter()
        .zip(scores)
        .for_each(|(&bin, score)| expected[bin as usize] += score);
    let mut hits = vec![0u32; bins.bins()];
    let mut eces = Vec::with_capacity(resamples);
    for _ in 0..resamples {
        hits.fill(0);
        for (&bin, &score) in places.iter().zip(scores) {
            hits[bin as usize] += u32::from(generator.uniform() < score);
        }
        let gaps: f64 = hits
            .iter()
            .zip(&expected)
            .map(|(&hits, expected)| (f64::from(hits) - expected).abs())
            .sum();
        eces.push(gaps / scores.len() as f64);
    }
    eces.sort_by(f64::total_cmp);
    Ok(NoiseFloor {
        mean: eces.iter().sum::<f64>() / resamples as f64,
        p95: quantile(&eces, 0.95),
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::calibration::EqualWidth;
    use l0gm_ops::Generator;
    use std::f64::consts::PI;

    /// Settings with this many bins and resamples and seed 1.
    fn with(bins: usize, resamples: usize) -> CalibrationSettings {
        CalibrationSettings {
            bins,
            resamples,
            seed: 1,
        }
    }

    /// Top-label confidences like those of a model of the Adult census table: 9,769 rows, a quarter of them positive,
    /// and an area under the ROC curve of .93 (the logits of both classes are normal, 3.4 apart in units of 1.6).
    fn adult_like() -> Scored {
        let mut generator = Generator::new(4);
        let (scores, outcomes) = (0..9769)
            .map(|_| {
                let positive = generator.uniform() < 0.24;
                // If the logits are normal with means +-d^2 / 2 and variance d^2, they are log-likelihood ratios, and
                // adding the prior's log-odds gives the exact posterior.
                let (d, prior): (f64, f64) = (2.1, (0.24f64 / 0.76).ln());
                let mean = if positive { d * d / 2.0 } else { -d * d / 2.0 };
                let p = 1.0 / (1.0 + (-(mean + d * generator.normal() + prior)).exp());
                (p.max(1.0 - p), (p > 0.5) == positive)
            })
            .unzip();
        Scored::new(scores, outcomes).unwrap()
    }

    /// Expected absolute gap of each bin if its number of hits were normal: sqrt(2 / pi) times the standard
    /// deviation.
    fn by_normal_theory(scored: &Scored, bins: EqualWidth) -> f64 {
        let mut variances = vec![0.0; bins.bins()];
        for &score in scored.scores() {
            variances[bins.bin_of(score)] += score * (1.0 - score);
        }
        let deviations: f64 = variances.iter().map(|variance: &f64| variance.sqrt()).sum();
        (2.0 / PI).sqrt() * deviations / scored.len() as f64
    }

    #[test]
    fn a_perfectly_calibrated_model_of_adult_reads_about_two_thirds_of_a_percent() {
        let (scored, bins) = (adult_like(), EqualWidth::new(15).unwrap());
        let floor = ece_noise_floor(&scored, with(15, 500)).unwrap();
        let theory = by_normal_theory(&scored, bins);
        assert!(
            (floor.mean / theory - 1.0).abs() < 0.03,
            "{floor:?}, in theory {theory}"
        );
        // The values measured on the real table with a real model were .0067 and .0098.
        assert!((floor.mean - 0.0067).abs() < 0.0007, "{floor:?}");
        assert!((floor.p95 - 0.0098).abs() < 0.0015, "{floor:?}");
    }

    #[test]
    fn certain_predictions_have_no_noise() {
        let scored = Scored::new(vec![0.0, 1.0, 1.0], vec![true, false, true]).unwrap();
        let floor = ece_noise_floor(&scored, with(15, 50)).unwrap();
        assert_eq!((floor.mean, floor.p95), (0.0, 0.0));
    }

    #[test]
    fn the_floor_falls_with_the_number_of_examples() {
        let floor = |n: u32| {
            let scores = (0..n)
                .map(|i| (f64::from(i) + 0.5) / f64::from(n))
                .collect();
            let scored = Scored::new(scores, vec![true; n as usize]).unwrap();
            ece_noise_floor(&scored, with(10, 200)).unwrap().mean
        };
        // A hundred times the examples give a tenth of the noise.
        let ratio = floor(200) / floor(20_000);
        assert!((ratio - 10.0).abs() < 1.5, "{ratio}");
    }

    #[test]
    fn no_resamples_are_refused() {
        let scored = Scored::new(vec![0.5], vec![true]).unwrap();
        let result = ece_noise_floor(&scored, with(15, 0));
        assert!(result.unwrap_err().to_string().contains("resamples is 0"));
    }
}
