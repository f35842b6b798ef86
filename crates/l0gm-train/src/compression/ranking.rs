//! Chooses the best of many scores exactly, over several tensors at once, and makes the scores of weights of different
//! layers comparable.

use rayon::slice::ParallelSliceMut;
use serde::{Deserialize, Serialize};

/// How the magnitudes of weights in different layers are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ranking {
    /// By the layer-adaptive score LAMP (Lee et al. 2021, arXiv:2010.07611): w² over the sum of v² of all weights v of
    /// the layer that are no smaller. The largest weight of each layer has the score 1, so no layer loses all.
    #[default]
    Lamp,
    /// By magnitude alone, over the whole model. A wide layer starts with smaller weights than a narrow one and may
    /// lose all of them.
    Magnitude,
}

impl Ranking {
    /// What a stored run means that names no ranking: it was made before there was a choice.
    pub(super) fn of_older_runs() -> Self {
        Self::Magnitude
    }

    /// Scores of one layer's weights from their magnitudes. Those below 0 stand for weights out of the running, which
    /// stay as they are.
    pub(crate) fn scores(self, magnitudes: Vec<f32>) -> Vec<f32> {
        match self {
            Self::Lamp => layer_adaptive(magnitudes),
            Self::Magnitude => magnitudes,
        }
    }
}

/// LAMP of the magnitudes that are not below 0. Of equal ones the earlier counts as larger.
fn layer_adaptive(mut scores: Vec<f32>) -> Vec<f32> {
    // A layer has fewer than 2^32 weights (16 GiB), and half the memory is half the time. Positions are compared last,
    // so that the order does not depend on how the threads share the work.
    let mut order: Vec<u32> = (0..scores.len() as u32)
        .filter(|&at| scores[at as usize] >= 0.0)
        .collect();
    order.par_sort_unstable_by(|&a, &b| {
        let larger = scores[b as usize].total_cmp(&scores[a as usize]);
        larger.then(a.cmp(&b))
    });
    let mut sum = 0f64;
    for (rank, at) in order.into_iter().enumerate() {
        let at = at as usize;
        let square = f64::from(scores[at]).powi(2);
        sum += square;
        scores[at] = match (rank, sum > 0.0) {
            // A layer of zeros keeps one of them too.
            (0, _) => 1.0,
            (_, true) => (square / sum) as f32,
            (_, false) => 0.0,
        };
    }
    scores
}

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
    fn lamp_is_the_papers_score_and_leaves_every_layer_its_largest_weight() {
        // Squares 9, 4, 4, 1 in order: 9/9, 4/13, 4/17, 1/18. What is below 0 is not ranked.
        let removed = f32::NEG_INFINITY;
        let found = Ranking::Lamp.scores(vec![2.0, removed, 1.0, 3.0, -1.0, 2.0]);
        let expected = [4.0 / 13.0, removed, 1.0 / 18.0, 1.0, -1.0, 4.0 / 17.0];
        for (found, expected) in found.iter().zip(expected) {
            assert!(*found == expected || (found - expected).abs() < 1e-7);
        }
        assert_eq!(Ranking::Lamp.scores(vec![0.0, 0.0]), [1.0, 0.0]);

        // A wide layer of small weights and a narrow one of large weights, of which 5 are to stay.
        let layers = [vec![0.01; 100], vec![2.0, 1.9, 1.8, 1.7, 1.6]];
        let left = |ranking: Ranking| {
            let scores = layers.clone().map(|layer| ranking.scores(layer));
            keep_largest(&scores, 5)
                .iter()
                .map(|mask| mask.iter().sum())
                .collect::<Vec<f32>>()
        };
        assert_eq!(left(Ranking::Magnitude), [0.0, 5.0]);
        // 1, 1/2 and 1/3 of the wide layer against 1, .474, .299 and less of the narrow one.
        assert_eq!(left(Ranking::Lamp), [3.0, 2.0]);
    }

    #[test]
    fn a_share_is_rounded_and_is_never_nothing() {
        assert_eq!(count(0.15, 100), 15);
        assert_eq!(count(0.001, 100), 1);
        assert_eq!(count(1.0, 7), 7);
    }
}
