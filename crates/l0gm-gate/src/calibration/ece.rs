//! Expected calibration error (eq. 7; Guo et al. 2017) and its variants, the root mean square and the maximum. They
//! take the sums of any kind of bins.

use super::BinSum;

/// Mean over examples of |hit rate - mean score| of the example's bin. Empty bins have no weight.
pub fn expected_calibration_error(bins: &[BinSum]) -> f64 {
    // ECE = Σₘ |Bₘ|/n · |acc(Bₘ) - conf(Bₘ)| (eq. 7); |Bₘ| cancels the divisions inside.
    let gaps: f64 = bins
        .iter()
        .map(|bin| (bin.hits as f64 - bin.scores).abs())
        .sum();
    gaps / examples(bins)
}

/// Square root of the mean over examples of the squared gap of the example's bin (the plug-in L2 ECE, which is biased
/// upwards).
pub fn root_mean_square_calibration_error(bins: &[BinSum]) -> f64 {
    let squares: f64 = bins
        .iter()
        .map(|bin| bin.count as f64 * gap(bin).powi(2))
        .sum();
    (squares / examples(bins)).sqrt()
}

/// Maximum calibration error (MCE): the largest absolute gap of a bin that is not empty.
pub fn maximum_calibration_error(bins: &[BinSum]) -> f64 {
    bins.iter()
        .filter(|bin| bin.count > 0)
        .map(|bin| gap(bin).abs())
        .fold(0.0, f64::max)
}

/// Hit rate minus mean score of a bin.
fn gap(bin: &BinSum) -> f64 {
    bin.hit_rate() - bin.mean_score()
}

/// Number of examples in all bins, but at least 1, so that one can divide by it.
fn examples(bins: &[BinSum]) -> f64 {
    bins.iter().map(|bin| bin.count).sum::<usize>().max(1) as f64
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::calibration::{EqualWidth, Predictions, Scored};
    use proptest::prelude::*;

    #[test]
    fn known_answers_of_section_5_on_the_positive_class() {
        let predictions =
            Predictions::binary(&[0.25, 0.25, 0.55, 0.75, 0.75], &[0, 0, 1, 1, 1]).unwrap();
        let bins = EqualWidth::new(2)
            .unwrap()
            .sums(&predictions.positive().unwrap());
        assert!((expected_calibration_error(&bins) - 0.2900).abs() < 5e-5);
        assert!((root_mean_square_calibration_error(&bins) - 0.2918).abs() < 5e-5);
        assert!((maximum_calibration_error(&bins) - 0.3167).abs() < 5e-5);
    }

    #[test]
    fn known_answer_of_section_5_with_confidence_one_has_no_phantom_bin() {
        let scored = Scored::new(vec![0.95, 1.0], vec![true, false]).unwrap();
        let bins = EqualWidth::new(15).unwrap().sums(&scored);
        assert!((expected_calibration_error(&bins) - 0.475).abs() < 1e-12);
    }

    #[test]
    fn perfect_and_perfectly_wrong_predictions_are_the_two_ends() {
        let bins = EqualWidth::new(15).unwrap();
        let right = Scored::new(vec![1.0, 0.0], vec![true, false]).unwrap();
        assert_eq!(expected_calibration_error(&bins.sums(&right)), 0.0);
        let wrong = Scored::new(vec![1.0, 0.0], vec![false, true]).unwrap();
        assert_eq!(expected_calibration_error(&bins.sums(&wrong)), 1.0);
    }

    proptest! {
        #[test]
        fn ece_is_in_the_unit_interval_and_ordered_with_its_kin(
            pairs in prop::collection::vec((0.0..=1.0f64, any::<bool>()), 1..200), bins in 1..40usize,
        ) {
            let (scores, outcomes) = pairs.into_iter().unzip();
            let sums = EqualWidth::new(bins).unwrap().sums(&Scored::new(scores, outcomes).unwrap());
            let ece = expected_calibration_error(&sums);
            let (rms, max) = (root_mean_square_calibration_error(&sums), maximum_calibration_error(&sums));
            prop_assert!((0.0..=1.0).contains(&ece));
            prop_assert!(ece <= rms + 1e-12 && rms <= max + 1e-12 && max <= 1.0);
        }
    }
}
