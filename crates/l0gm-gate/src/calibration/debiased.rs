//! The squared L2 calibration error without the upward bias of finite bins (Kumar, Liang and Ma 2019). The variance
//! of each bin's hit rate is subtracted from its squared gap.

use super::BinSum;

/// The bin-weighted sum of (ybar - pbar)^2 - ybar (1 - ybar) / (n - 1). Bins with n < 2 are skipped. The value may be
/// negative, because only its mean over many data sets is unbiased.
pub fn debiased_l2_squared(bins: &[BinSum]) -> f64 {
    let examples: usize = bins.iter().map(|bin| bin.count).sum();
    let term = |bin: &BinSum| {
        let (n, hit_rate) = (bin.count as f64, bin.hit_rate());
        n * ((hit_rate - bin.mean_score()).powi(2) - hit_rate * (1.0 - hit_rate) / (n - 1.0))
    };
    bins.iter()
        .filter(|bin| bin.count >= 2)
        .map(term)
        .sum::<f64>()
        / examples.max(1) as f64
}

/// Square root of [`debiased_l2_squared`]; 0 where that is negative.
pub fn debiased_l2(bins: &[BinSum]) -> f64 {
    debiased_l2_squared(bins).max(0.0).sqrt()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::calibration::{EqualWidth, Scored, root_mean_square_calibration_error};
    use l0gm_ops::Generator;

    #[test]
    fn debiased_value_is_the_one_worked_out_by_hand() {
        let bin = |count, scores, hits| BinSum {
            count,
            scores,
            hits,
        };
        // By hand: ((.5 - .2)^2 - .25 / 3) with weight 4 and ((1 - .8)^2 - 0) with weight 2, divided by 7; the bin of
        // one is skipped.
        let bins = [
            bin(4, 0.8, 2),
            bin(2, 1.6, 2),
            bin(1, 0.1, 1),
            bin(0, 0.0, 0),
        ];
        let expected = (4.0 * (0.09 - 0.25 / 3.0) + 2.0 * 0.04) / 7.0;
        assert!((debiased_l2_squared(&bins) - expected).abs() < 1e-15);
        assert!((debiased_l2(&bins) - expected.sqrt()).abs() < 1e-15);
    }

    #[test]
    fn perfectly_calibrated_predictions_read_zero_on_average_where_the_plug_in_does_not() {
        let mut generator = Generator::new(11);
        let (mut debiased, mut plug_in) = (0.0, 0.0);
        let draws = 400;
        for _ in 0..draws {
            let scores: Vec<f64> = (0..300).map(|_| generator.uniform()).collect();
            let outcomes = scores
                .iter()
                .map(|&score| generator.uniform() < score)
                .collect();
            let bins = EqualWidth::new(15)
                .unwrap()
                .sums(&Scored::new(scores, outcomes).unwrap());
            debiased += debiased_l2_squared(&bins) / f64::from(draws);
            plug_in += root_mean_square_calibration_error(&bins).powi(2) / f64::from(draws);
        }
        assert!(
            debiased.abs() < 0.1 * plug_in,
            "{debiased} beside {plug_in}"
        );
    }

    #[test]
    fn negative_squares_have_the_root_zero() {
        let bins = [BinSum {
            count: 2,
            scores: 1.0,
            hits: 1,
        }];
        assert!(debiased_l2_squared(&bins) < 0.0);
        assert_eq!(debiased_l2(&bins), 0.0);
    }
}
