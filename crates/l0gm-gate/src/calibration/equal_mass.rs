//! Bins that hold the same number of examples instead of having the same width. With a skewed distribution no bin is
//! nearly empty, so their ECE is steadier (Nguyen and O'Connor 2015).

use super::{BinSum, CalibrationSettings, EqualWidth, Scored};
use crate::Result;

/// The sums of at most `settings.bins` bins of nearly equal size, by ascending score. Equal scores always stay in one
/// bin, so that the order of the examples does not matter; if there are many of them, there are fewer bins. Pass the
/// result to [`expected_calibration_error`](super::expected_calibration_error) for the equal-mass ECE.
///
/// # Errors
/// There are no bins, or absurdly many.
pub fn equal_mass_sums(scored: &Scored, settings: CalibrationSettings) -> Result<Vec<BinSum>> {
    Ok(of_number(scored, settings.width()?))
}

/// The sums of as many bins as `width` has.
pub(super) fn of_number(scored: &Scored, width: EqualWidth) -> Vec<BinSum> {
    let bins = width.bins();
    let mut pairs: Vec<(f64, bool)> = scored.pairs().collect();
    pairs.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let n = pairs.len();
    let mut sums = Vec::with_capacity(bins.min(n));
    let mut start = 0;
    for bin in 0..bins {
        let mut end = ((bin + 1) * n / bins).max(start);
        while end > start && end < n && pairs[end].0 == pairs[end - 1].0 {
            end += 1;
        }
        if end > start {
            let mut sum = BinSum::default();
            pairs[start..end]
                .iter()
                .for_each(|&(score, outcome)| sum.add(score, outcome));
            sums.push(sum);
        }
        start = end;
    }
    sums
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::calibration::expected_calibration_error;
    use proptest::prelude::*;

    fn with(bins: usize) -> CalibrationSettings {
        CalibrationSettings {
            bins,
            ..CalibrationSettings::default()
        }
    }

    #[test]
    fn bins_have_the_same_number_of_examples() {
        let scores: Vec<f64> = (0..100).map(|i| (f64::from(i) / 100.0).powi(4)).collect();
        let scored = Scored::new(scores, vec![true; 100]).unwrap();
        let counts: Vec<usize> = equal_mass_sums(&scored, with(10))
            .unwrap()
            .iter()
            .map(|bin| bin.count)
            .collect();
        assert_eq!(counts, [10; 10]);
    }

    #[test]
    fn equal_mass_ece_is_the_mean_gap_of_its_bins() {
        // Two bins of two examples, with gaps |.5 - .15| and |1 - .7|.
        let scored = Scored::new(vec![0.6, 0.1, 0.8, 0.2], vec![true, false, true, true]).unwrap();
        let ece = expected_calibration_error(&equal_mass_sums(&scored, with(2)).unwrap());
        assert!((ece - (0.35 + 0.3) / 2.0).abs() < 1e-12);
    }

    #[test]
    fn equal_scores_stay_together_in_any_order() {
        let pairs = [
            (0.5, true),
            (0.5, false),
            (0.5, false),
            (0.5, true),
            (0.9, true),
        ];
        let expected = 1.0 * (0.9f64 - 1.0).abs() / 5.0;
        for turn in 0..pairs.len() {
            let (scores, outcomes) = pairs
                .iter()
                .cycle()
                .skip(turn)
                .take(pairs.len())
                .copied()
                .unzip();
            let sums = equal_mass_sums(&Scored::new(scores, outcomes).unwrap(), with(4)).unwrap();
            assert!((expected_calibration_error(&sums) - expected).abs() < 1e-12);
        }
    }

    proptest! {
        #[test]
        fn bins_cover_all_rows(
            scores in prop::collection::vec((0..20u8).prop_map(|i| f64::from(i) / 19.0), 1..100), bins in 1..30usize,
        ) {
            let n = scores.len();
            let sums = equal_mass_sums(&Scored::new(scores, vec![false; n]).unwrap(), with(bins)).unwrap();
            prop_assert_eq!(sums.iter().map(|bin| bin.count).sum::<usize>(), n);
            prop_assert!(sums.len() <= bins && sums.iter().all(|bin| bin.count > 0));
        }
    }
}
