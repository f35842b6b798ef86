//! ECE's noise floor: what the same predictions would read if they were perfectly calibrated. Labels are
//! redrawn from the predictions, so the whole ECE that is left is sampling noise.

use super::bootstrap::{check_resamples, quantile};
use super::{EqualWidth, Scored};
use crate::Result;
use l0gm_ops::Generator;

/// The ECE of perfectly calibrated predictions with these scores.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NoiseFloor {
    /// Mean over redrawn labels.
    pub mean: f64,
    /// 95th percentile.
    pub p95: f64,
}

/// Redraws every outcome from its score `resamples` times. With top-label confidences this is the same
/// as redrawing the label from its row: the prediction is right with just that probability.
pub fn ece_noise_floor(scored: &Scored, bins: EqualWidth, resamples: usize, generator: &mut Generator) -> Result<NoiseFloor> {
    check_resamples(resamples)?;
    let scores = scored.scores();
    let places: Vec<u32> = scores.iter().map(|&score| bins.bin_of(score) as u32).collect();
    let mut expected = vec![0.0; bins.bins()];
    places.iter().zip(scores).for_each(|(&bin, score)| expected[bin as usize] += score);
    let mut hits = vec![0u32; bins.bins()];
    let mut eces = Vec::with_capacity(resamples);
    for _ in 0..resamples {
        hits.fill(0);
        for (&bin, &score) in places.iter().zip(scores) {
            hits[bin as usize] += u32::from(generator.uniform() < score);
        }
        let gaps: f64 = hits.iter().zip(&expected).map(|(&hits, expected)| (f64::from(hits) - expected).abs()).sum();
        eces.push(gaps / scores.len() as f64);
    }
    eces.sort_by(f64::total_cmp);
    Ok(NoiseFloor {
        mean: eces.iter().sum::<f64>() / resamples as f64,
        p95: quantile(&eces, 0.95),
    })
}
