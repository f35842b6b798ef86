//! Holm's correction (1979) of p values for testing several hypotheses at once.

/// Corrects p values and returns them in the given order. The k-th smallest of m is multiplied by (m - k + 1), never
/// falls below the corrected value of a smaller one, and is at most 1.
pub(crate) fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&a, &b| p[a].total_cmp(&p[b]));
    let mut corrected = vec![1.0; p.len()];
    let mut largest = 0.0f64;
    for (rank, &index) in order.iter().enumerate() {
        largest = largest.max(p[index] * (p.len() - rank) as f64).min(1.0);
        corrected[index] = largest;
    }
    corrected
}

#[cfg(test)]
mod tests {
    use super::holm;

    #[test]
    fn holm_matches_a_worked_example() {
        // .01 x 4, .02 x 3, .03 x 2, and .04 x 1 raised to the value before it.
        let found = holm(&[0.03, 0.01, 0.04, 0.02]);
        for (found, expected) in found.iter().zip([0.06, 0.04, 0.06, 0.06]) {
            assert!((found - expected).abs() < 1e-12, "{found} {expected}");
        }
    }

    #[test]
    fn corrected_values_keep_the_order_lie_above_the_raw_ones_and_stay_below_one() {
        let p = [0.9, 0.001, 0.2, 0.5, 0.001, 0.04];
        let corrected = holm(&p);
        for (i, raw) in p.iter().enumerate() {
            assert!(corrected[i] >= *raw && corrected[i] <= 1.0);
            for (j, other) in p.iter().enumerate() {
                assert!(raw > other || corrected[i] <= corrected[j]);
            }
        }
        assert_eq!(holm(&[0.02]), [0.02]);
        assert!(holm(&[]).is_empty());
    }
}
