//! Temperature scaling (Guo et al. 2017): one number, fitted on validation logits, by which test logits
//! are divided. The reference that any other way to better calibration must beat.

use super::predictions::check_logits;
use crate::{Error, Result};

/// The range of temperatures: on separable data the best one is 0, on worse than random data infinite.
const RANGE: (f64, f64) = (0.01, 100.0);

/// The temperature T > 0 that minimises the NLL of softmax(logits / T) on these (validation) logits,
/// kept in [0.01, 100].
///
/// The NLL is convex in 1 / T, so its slope has one zero; Newton's steps find it, halving where a step
/// would leave the bracket.
pub fn fit_temperature(logits: &[f64], labels: &[u32], classes: usize) -> Result<f64> {
    check_logits(logits, labels, classes)?;
    let (coldest, hottest) = RANGE;
    let (mut low, mut high) = (1.0 / hottest, 1.0 / coldest);
    if slope(logits, labels, classes, low).0 >= 0.0 {
        return Ok(hottest);
    }
    if slope(logits, labels, classes, high).0 <= 0.0 {
        return Ok(coldest);
    }
    let mut inverse = 1.0;
    for _ in 0..100 {
        let (first, second) = slope(logits, labels, classes, inverse);
        match first > 0.0 {
            true => high = inverse,
            false => low = inverse,
        }
        let newton = inverse - first / second;
        let next = match newton > low && newton < high {
            true => newton,
            false => (low * high).sqrt(),
        };
        let moved = (next - inverse).abs();
        inverse = next;
        if moved <= 1e-12 * inverse {
            break;
        }
    }
    Ok(1.0 / inverse)
}

/// logits / T, for a test set's; an error unless T is finite and above 0.
pub fn scale_logits(logits: &[f64], temperature: f64) -> Result<Vec<f64>> {
    match temperature > 0.0 && temperature.is_finite() {
        true => Ok(logits.iter().map(|logit| logit / temperature).collect()),
        false => Err(Error::setting("temperature", temperature, "finite and above 0")),
    }
}

/// First and second derivative of the total NLL with respect to 1 / T: the summed mean logit under the
/// softmax minus the true class's logit, and the summed variance of the logit.
fn slope(logits: &[f64], labels: &[u32], classes: usize, inverse: f64) -> (f64, f64) {
    let (mut first, mut second) = (0.0, 0.0);
    for (row, &label) in logits.chunks_exact(classes).zip(labels) {
        let highest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let (mut total, mut mean, mut square) = (0.0, 0.0, 0.0);
        for &logit in row {
            let centred = logit - highest;
            let weight = (inverse * centred).exp();
            total += weight;
            mean += weight * centred;
            square += weight * centred * centred;
        }
        (mean, square) = (mean / total, square / total);
        first += mean - (row[label as usize] - highest);
        second += (square - mean * mean).max(0.0);
    }
    (first, second)
}
