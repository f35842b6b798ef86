//! The paired bootstrap. It tests whether the mean difference between two models on the same test examples is zero.
//!
//! Pairs of predictions on one example are resampled with replacement, so that the difficulty of an example, which
//! both models share, cancels. Strata (seeds that have test rows of their own) are resampled separately and have
//! equal weight, as in a mean over seeds. The p value is two-sided: the share of resampled means, centred on zero,
//! that lie at least as far from zero as the observed mean.

use l0gm_gate::{Generator, quantile};
use rayon::prelude::*;

/// Number of resamples in every test; p values below 1 in this number cannot be told apart.
pub(crate) const RESAMPLES: usize = 2000;

/// Number of measures tested together, because they share the resampled examples.
pub(crate) const MEASURES: usize = 3;

/// One stratum: the differences of every example, one for each measure.
pub(crate) type Stratum = Vec<[f64; MEASURES]>;

/// The result for one measure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Estimate {
    /// Mean over strata of the mean difference in each.
    pub(crate) difference: f64,
    /// 2.5th percentile of the resampled means.
    pub(crate) low: f64,
    /// 97.5th percentile of the resampled means.
    pub(crate) high: f64,
    /// Two-sided p value, in (0, 1].
    pub(crate) p: f64,
}

/// Tests every measure; `None` if there is no example or a difference is not finite. The result depends on the
/// generator alone, not on the number of threads.
pub(crate) fn paired(
    strata: &[Stratum],
    resamples: usize,
    generator: &Generator,
) -> Option<[Estimate; MEASURES]> {
    let finite = |stratum: &Stratum| stratum.iter().flatten().all(|d| d.is_finite());
    if strata.is_empty() || resamples == 0 || !strata.iter().all(|s| !s.is_empty() && finite(s)) {
        return None;
    }
    let observed = mean(strata, |stratum, _| {
        stratum.iter().fold([0.0; MEASURES], add)
    });
    let means: Vec<[f64; MEASURES]> = (0..resamples as u64)
        .into_par_iter()
        .map(|resample| {
            let mut draws = generator.stream("resample", resample);
            mean(strata, |stratum, n| {
                (0..n).fold([0.0; MEASURES], |sum, _| {
                    add(sum, &stratum[draws.below(n as u64) as usize])
                })
            })
        })
        .collect();
    Some(std::array::from_fn(|m| {
        let mut values: Vec<f64> = means.iter().map(|mean| mean[m]).collect();
        values.sort_by(f64::total_cmp);
        // Sums in another order differ in their last bits; the tolerance counts such draws as at least as far out.
        let far = observed[m].abs() * (1.0 - 1e-9);
        let out = values
            .iter()
            .filter(|value| (*value - observed[m]).abs() >= far)
            .count();
        Estimate {
            difference: observed[m],
            low: quantile(&values, 0.025),
            high: quantile(&values, 0.975),
            p: (1 + out) as f64 / (1 + resamples) as f64,
        }
    }))
}

/// The mean over strata of the mean in each; `sum` returns the sum of a stratum's (resampled) examples.
fn mean(
    strata: &[Stratum],
    mut sum: impl FnMut(&Stratum, usize) -> [f64; MEASURES],
) -> [f64; MEASURES] {
    let mut total = [0.0; MEASURES];
    for stratum in strata {
        let weight = 1.0 / (stratum.len() * strata.len()) as f64;
        let sum = sum(stratum, stratum.len());
        total = add(total, &sum.map(|x| x * weight));
    }
    total
}

fn add(mut sum: [f64; MEASURES], values: &[f64; MEASURES]) -> [f64; MEASURES] {
    for (into, value) in sum.iter_mut().zip(values) {
        *into += value;
    }
    sum
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn test(strata: &[Stratum], seed: u64) -> [Estimate; MEASURES] {
        paired(strata, 400, &Generator::new(seed)).unwrap()
    }

    #[test]
    fn an_exact_tie_has_p_one_and_an_interval_of_zero() {
        for estimate in test(&[vec![[0.0; 3]; 50]], 1) {
            assert_eq!(
                estimate,
                Estimate {
                    difference: 0.0,
                    low: 0.0,
                    high: 0.0,
                    p: 1.0
                }
            );
        }
        // Equal numbers of examples in either direction: no resample can be closer to zero.
        let mut even = vec![[1.0; 3]; 20];
        even.extend(vec![[-1.0; 3]; 20]);
        assert_eq!(test(&[even], 1)[0].p, 1.0);
    }

    #[test]
    fn an_obvious_difference_has_the_smallest_p_there_is() {
        let mut stratum = vec![[0.0; 3]; 50];
        stratum.extend(vec![[1.0, -0.5, 0.0]; 50]);
        let found = test(&[stratum], 2);
        assert_eq!(found[0].p, 1.0 / 401.0);
        assert!((found[0].difference - 0.5).abs() < 1e-12 && found[0].low > 0.3);
        assert!(found[1].p < 0.01 && found[1].high < 0.0);
        assert_eq!(found[2].p, 1.0);
    }

    #[test]
    fn the_interval_is_that_of_a_mean() {
        // 30 of 120 are 1, so the mean is .25 and its standard error sqrt(.25 * .75 / 120) = .0395.
        let stratum: Stratum = (0..120).map(|i| [f64::from(u8::from(i < 30)); 3]).collect();
        let found = paired(&[stratum], 4000, &Generator::new(3)).unwrap()[0];
        let error = (0.25f64 * 0.75 / 120.0).sqrt();
        assert!(
            (found.low - (0.25 - 1.96 * error)).abs() < 0.012,
            "{found:?}"
        );
        assert!(
            (found.high - (0.25 + 1.96 * error)).abs() < 0.012,
            "{found:?}"
        );
    }

    #[test]
    fn every_stratum_weighs_the_same_whatever_its_size() {
        let found = test(&[vec![[1.0; 3]; 10], vec![[0.0; 3]; 1000]], 4);
        assert!((found[0].difference - 0.5).abs() < 1e-12);
        // The values within a stratum are equal, so resampling cannot change the mean.
        assert!((found[0].low - 0.5).abs() < 1e-9 && (found[0].high - 0.5).abs() < 1e-9);
    }

    #[test]
    fn p_is_about_uniform_where_there_is_no_difference() {
        let mut below = [0usize; 3];
        let trials = 400u64;
        for trial in 0..trials {
            let mut noise = Generator::new(77).stream("trial", trial);
            let stratum = (0..80).map(|_| [noise.normal(), 0.0, 0.0]).collect();
            let p = paired(&[stratum], 199, &Generator::new(trial)).unwrap()[0].p;
            for (count, level) in below.iter_mut().zip([0.05, 0.25, 0.5]) {
                *count += usize::from(p <= level);
            }
        }
        // Allow five standard errors of a share on each side.
        for (count, level) in below.into_iter().zip([0.05f64, 0.25, 0.5]) {
            let share = count as f64 / trials as f64;
            let error = (level * (1.0 - level) / trials as f64).sqrt();
            assert!((share - level).abs() < 5.0 * error, "{level}: {share}");
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_numbers_and_turning_the_pair_turns_the_sign() {
        let mut noise = Generator::new(5);
        let stratum: Stratum = (0..60).map(|_| [0.1 + noise.normal(); 3]).collect();
        let turned: Stratum = stratum.iter().map(|d| d.map(|x| -x)).collect();
        let (a, b) = (test(std::slice::from_ref(&stratum), 6), test(&[turned], 6));
        assert_eq!(a, test(&[stratum], 6));
        assert_eq!(a[0].difference, -b[0].difference);
        assert_eq!(a[0].p, b[0].p);
    }

    #[test]
    fn nothing_to_compare_is_no_result() {
        let generator = Generator::new(0);
        assert_eq!(paired(&[], 10, &generator), None);
        assert_eq!(paired(&[vec![]], 10, &generator), None);
        assert_eq!(paired(&[vec![[f64::NAN; 3]]], 10, &generator), None);
    }
}
