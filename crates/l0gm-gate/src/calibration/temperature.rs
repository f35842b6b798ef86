//! Temperature scaling (Guo et al. 2017): test logits are divided by one number that is fitted on validation logits.
//! Any other method for better calibration must beat this reference.

use super::predictions::{as_f64, check_logits};
use crate::{Error, Result};

/// The range of temperatures. On separable data the best temperature is 0, and on data worse than random it is
/// infinite.
const RANGE: (f64, f64) = (0.01, 100.0);

/// The temperature T > 0 that minimises the NLL of softmax(logits / T) on these (validation) logits, limited to
/// [0.01, 100]. The logits are rows x classes, of any float type; for tensors see
/// [`fit_temperature_of_tensors`](super::fit_temperature_of_tensors).
///
/// The NLL is convex in 1 / T, so its slope has one zero. Newton steps find it; where a step would leave the bracket,
/// the bracket is halved instead.
pub fn fit_temperature<L: Copy + Into<f64>>(
    logits: &[L],
    labels: &[u32],
    classes: usize,
) -> Result<f64> {
    let logits = &as_f64(logits)[..];
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

/// Divides the logits (of a test set) by T. It is an error unless T is finite and above 0.
pub fn scale_logits<L: Copy + Into<f64>>(logits: &[L], temperature: f64) -> Result<Vec<f64>> {
    match temperature > 0.0 && temperature.is_finite() {
        true => Ok(logits
            .iter()
            .map(|&logit| logit.into() / temperature)
            .collect()),
        false => Err(Error::setting(
            "temperature",
            temperature,
            "finite and above 0",
        )),
    }
}

/// First and second derivative of the total NLL with respect to 1 / T. The first is the sum of the mean logit under
/// the softmax minus the true class's logit; the second is the sum of the logit's variance.
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::calibration::{Predictions, negative_log_likelihood};
    use l0gm_ops::Generator;

    /// Logits whose softmax is exactly calibrated, multiplied by `factor`.
    fn sharpened(factor: f64, rows: usize) -> (Vec<f64>, Vec<u32>) {
        let mut generator = Generator::new(8);
        let mut logits = Vec::new();
        let mut labels = Vec::new();
        for _ in 0..rows {
            let row: Vec<f64> = (0..3).map(|_| 2.0 * generator.normal()).collect();
            let total: f64 = row.iter().map(|logit| logit.exp()).sum();
            let mut rest = generator.uniform() * total;
            let drawn = row.iter().position(|logit| {
                rest -= logit.exp();
                rest <= 0.0
            });
            labels.push(drawn.unwrap_or(2) as u32);
            logits.extend(row.iter().map(|logit| factor * logit));
        }
        (logits, labels)
    }

    #[test]
    fn overconfidence_is_found_and_undone() {
        for factor in [0.25, 1.0, 3.0] {
            let (logits, labels) = sharpened(factor, 20_000);
            let temperature = fit_temperature(&logits, &labels, 3).unwrap();
            assert!(
                (temperature / factor - 1.0).abs() < 0.03,
                "{temperature} for {factor}"
            );
        }
    }

    #[test]
    fn no_other_temperature_has_a_lower_nll() {
        let (logits, labels) = sharpened(2.0, 500);
        let nll = |temperature| {
            let scaled = scale_logits(&logits, temperature).unwrap();
            negative_log_likelihood(&Predictions::from_logits(&scaled, &labels, 3).unwrap())
        };
        let best = fit_temperature(&logits, &labels, 3).unwrap();
        for other in [0.3, 0.9, 0.999, 1.001, 1.1, 3.0] {
            assert!(nll(best) < nll(best * other), "{best} times {other}");
        }
    }

    #[test]
    fn separable_and_hopeless_data_stop_at_the_ends_of_the_range() {
        let logits = [5.0, -5.0, -5.0, 5.0];
        assert_eq!(fit_temperature(&logits, &[0, 1], 2).unwrap(), 0.01);
        assert_eq!(fit_temperature(&logits, &[1, 0], 2).unwrap(), 100.0);
        // If no logit prefers any class, every temperature is equally good, and the fit must still return one.
        let even = fit_temperature(&[1.0, 1.0, 1.0, 1.0], &[0, 1], 2).unwrap();
        assert!((0.01..=100.0).contains(&even));
    }

    #[test]
    fn huge_logits_do_not_overflow() {
        let logits = [1e4, 0.0, 0.0, 1e4, 1e4, 0.0];
        let temperature = fit_temperature(&logits, &[0, 1, 1], 2).unwrap();
        assert_eq!(temperature, 100.0);
    }

    #[test]
    fn bad_logits_are_named() {
        let text = fit_temperature(&[0.0, 1.0, f64::NAN, 0.0], &[0, 1], 2)
            .unwrap_err()
            .to_string();
        assert!(text.contains("row 1") && text.contains("NaN"), "{text}");
        assert!(
            scale_logits(&[1.0], 0.0)
                .unwrap_err()
                .to_string()
                .contains("temperature is 0")
        );
    }
}
