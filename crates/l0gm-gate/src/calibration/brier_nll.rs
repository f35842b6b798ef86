//! The two proper scores that rankings use: the Brier score and the negative log-likelihood. Unlike ECE, they cannot
//! be lowered by making the predictions less informative.

use super::Predictions;

/// Brier score. For two classes it is the mean over examples of (P(y = 1) - y)^2; for more, the mean over examples of
/// the sum over classes of (p - y)^2.
pub fn brier_score(predictions: &Predictions) -> f64 {
    let examples = predictions.rows().zip(predictions.labels());
    let total: f64 = if predictions.classes() == 2 {
        examples
            .map(|(row, &label)| (row[1] - f64::from(label)).powi(2))
            .sum()
    } else {
        let of_row = |(row, &label): (&[f64], &u32)| -> f64 {
            let target = |class| f64::from(u8::from(class == label as usize));
            row.iter()
                .enumerate()
                .map(|(class, p)| (p - target(class)).powi(2))
                .sum()
        };
        examples.map(of_row).sum()
    };
    total / predictions.len().max(1) as f64
}

/// Mean of -ln P(true class), in nats. A probability of 0 counts as the smallest normal number (708 nats), so that
/// one certain mistake does not make the mean infinite and hide all other rows.
pub fn negative_log_likelihood(predictions: &Predictions) -> f64 {
    let of_row = |(row, &label): (&[f64], &u32)| -row[label as usize].max(f64::MIN_POSITIVE).ln();
    let total: f64 = predictions
        .rows()
        .zip(predictions.labels())
        .map(of_row)
        .sum();
    total / predictions.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn binary_brier_is_the_mean_square_of_the_positive_class() {
        let predictions = Predictions::binary(&[0.8, 0.3], &[1, 1]).unwrap();
        assert!((brier_score(&predictions) - (0.04 + 0.49) / 2.0).abs() < 1e-12);
    }

    #[test]
    fn many_class_brier_sums_over_classes() {
        let predictions = Predictions::new(vec![0.7, 0.2, 0.1], vec![1], 3).unwrap();
        assert!((brier_score(&predictions) - (0.49 + 0.64 + 0.01)).abs() < 1e-12);
    }

    #[test]
    fn nll_is_the_mean_surprise_and_finite_for_a_certain_mistake() {
        let predictions = Predictions::binary(&[0.8, 0.3], &[1, 0]).unwrap();
        assert!(
            (negative_log_likelihood(&predictions) + (0.8f64.ln() + 0.7f64.ln()) / 2.0).abs()
                < 1e-12
        );
        let wrong = Predictions::binary(&[0.0], &[1]).unwrap();
        let nll = negative_log_likelihood(&wrong);
        assert!(nll > 700.0 && nll.is_finite());
    }
}
