//! Chooses the best of many scores exactly, over several tensors at once.

/// Marks the `keep` largest scores of all tensors together with 1 and the others with 0. Of equal scores the earlier
/// ones are kept, so that the number is exact. A score of negative infinity is never kept.
pub(crate) fn keep_largest(scores: &[Vec<f32>], keep: usize) -> Vec<Vec<f32>> {
    let mut all: Vec<f32> = scores
        .iter()
        .flatten()
        .copied()
        .filter(|score| *score > f32::NEG_INFINITY)
        .collect();
    let keep = keep.min(all.len());
    if keep == 0 {
        return scores.iter().map(|s| vec![0.0; s.len()]).collect();
    }
    let (_, threshold, _) = all.select_nth_unstable_by(keep - 1, |a, b| b.total_cmp(a));
    let threshold = *threshold;
    let above = scores.iter().flatten().filter(|s| **s > threshold).count();
    let mut ties = keep - above;
    let mark = |score: &f32| {
        if *score > threshold {
            return 1.0;
        }
        let kept = *score == threshold && ties > 0;
        ties -= usize::from(kept);
        f32::from(u8::from(kept))
    };
    let mut mark = mark;
    scores
        .iter()
        .map(|scores| scores.iter().map(&mut mark).collect())
        .collect()
}

/// How many of `of` are `share` of them: at least one.
pub(crate) fn count(share: f64, of: usize) -> usize {
    ((share * of as f64).round() as usize).clamp(1, of.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_the_largest_are_kept_over_all_tensors_and_ties_go_to_the_earlier() {
        let scores = [vec![3.0, 1.0, 2.0], vec![2.0, f32::NEG_INFINITY, 5.0]];
        assert_eq!(
            keep_largest(&scores, 3),
            [vec![1.0, 0.0, 1.0], vec![0.0, 0.0, 1.0]]
        );
        assert_eq!(
            keep_largest(&scores, 9),
            [vec![1.0, 1.0, 1.0], vec![1.0, 0.0, 1.0]]
        );
        assert_eq!(keep_largest(&scores, 0), [vec![0.0; 3], vec![0.0; 3]]);
    }

    #[test]
    fn a_share_is_rounded_and_is_never_nothing() {
        assert_eq!(count(0.15, 100), 15);
        assert_eq!(count(0.001, 100), 1);
        assert_eq!(count(1.0, 7), 7);
    }
}
