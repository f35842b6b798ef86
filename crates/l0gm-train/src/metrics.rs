//! Accuracy, ROC-AUC, PR-AUC, macro-F1 and the confusion matrix, from logits.
//!
//! The paper reports accuracy. AUC and macro-F1 stand beside it because the classes of Adult and of the graphs are
//! unbalanced. AUC ranks margins in f64, not probabilities, which saturate into ties.

use crate::{Metrics, PredictionTable};

impl Metrics {
    /// Computes all metrics from the predictions of a split.
    pub fn from_predictions(table: &PredictionTable) -> Self {
        let predicted = top_labels(&table.logits, table.classes);
        let confusion = confusion_matrix(&table.labels, &predicted, table.classes);
        Self {
            accuracy: accuracy(&confusion),
            auc: roc_auc(&table.logits, &table.labels, table.classes),
            pr_auc: pr_auc(&table.logits, &table.labels, table.classes),
            macro_f1: macro_f1(&confusion),
            confusion,
        }
    }
}

/// The class with the largest logit in each row (rows x classes); the first of equals.
pub fn top_labels(logits: &[f32], classes: usize) -> Vec<u32> {
    logits
        .chunks_exact(classes)
        .map(|row| {
            let mut best = 0;
            for (class, logit) in row.iter().enumerate() {
                if *logit > row[best] {
                    best = class;
                }
            }
            best as u32
        })
        .collect()
}

/// Counts of examples by [true class][predicted class].
pub fn confusion_matrix(labels: &[u32], predicted: &[u32], classes: usize) -> Vec<Vec<u64>> {
    let mut counts = vec![vec![0; classes]; classes];
    for (label, prediction) in labels.iter().zip(predicted) {
        counts[*label as usize][*prediction as usize] += 1;
    }
    counts
}

/// Share of rows whose top label is right; 0 for no rows.
pub fn accuracy(confusion: &[Vec<u64>]) -> f64 {
    let total: u64 = confusion.iter().flatten().sum();
    let right: u64 = (0..confusion.len()).map(|k| confusion[k][k]).sum();
    if total == 0 {
        0.0
    } else {
        right as f64 / total as f64
    }
}

/// Unweighted mean of the F1 scores of all classes that occur among labels or predictions.
pub fn macro_f1(confusion: &[Vec<u64>]) -> f64 {
    let classes = confusion.len();
    let scores: Vec<f64> = (0..classes)
        .filter_map(|k| {
            let labelled: u64 = confusion[k].iter().sum();
            let predicted: u64 = confusion.iter().map(|row| row[k]).sum();
            // F1 = 2 TP / (labelled + predicted), the harmonic mean of precision and recall.
            (labelled + predicted > 0)
                .then(|| 2.0 * confusion[k][k] as f64 / (labelled + predicted) as f64)
        })
        .collect();
    if scores.is_empty() {
        0.0
    } else {
        scores.iter().sum::<f64>() / scores.len() as f64
    }
}

/// ROC-AUC: that of class 1 for two classes, otherwise the unweighted mean of one-vs-rest over the classes that have
/// rows both inside and outside. `None` where there is no such class.
pub fn roc_auc(logits: &[f32], labels: &[u32], classes: usize) -> Option<f64> {
    over_classes(logits, labels, classes, binary_auc)
}

/// Area under the precision-recall curve, as average precision; over classes like [`roc_auc`]. Where one class is rare
/// it says more than ROC-AUC: predictions that know nothing reach the class's share, not one half.
pub fn pr_auc(logits: &[f32], labels: &[u32], classes: usize) -> Option<f64> {
    over_classes(logits, labels, classes, average_precision)
}

/// A measure of ranked scores, for class 1 of two or as the mean of one-vs-rest.
fn over_classes(
    logits: &[f32],
    labels: &[u32],
    classes: usize,
    measure: fn(&[f64], &[bool]) -> Option<f64>,
) -> Option<f64> {
    let of_class = |class: usize| {
        let scores: Vec<f64> = logits
            .chunks_exact(classes)
            .map(|row| margin(row, class))
            .collect();
        let positive: Vec<bool> = labels
            .iter()
            .map(|label| *label as usize == class)
            .collect();
        measure(&scores, &positive)
    };
    if classes == 2 {
        return of_class(1);
    }
    let values: Vec<f64> = (0..classes).filter_map(of_class).collect();
    if values.is_empty() {
        None
    } else {
        Some(values.iter().sum::<f64>() / values.len() as f64)
    }
}

/// The mean over thresholds of precision, weighted by the rise in recall: sum_k (R_k - R_(k-1)) P_k, as scikit-learn's
/// `average_precision_score`. Rows with equal scores share a threshold. `None` unless both kinds occur.
pub fn average_precision(scores: &[f64], positive: &[bool]) -> Option<f64> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|a, b| scores[*b].total_cmp(&scores[*a]));
    let positives = positive.iter().filter(|p| **p).count();
    if positives == 0 || positives == scores.len() {
        return None;
    }
    let (mut taken, mut right, mut sum) = (0usize, 0usize, 0.0);
    for tied in order.chunk_by(|a, b| scores[*a] == scores[*b]) {
        let here = tied.iter().filter(|i| positive[**i]).count();
        taken += tied.len();
        right += here;
        sum += here as f64 * (right as f64 / taken as f64);
    }
    Some(sum / positives as f64)
}

/// The share of (positive, negative) pairs that `scores` puts in the right order; ties count half. `None` unless both
/// kinds occur.
pub fn binary_auc(scores: &[f64], positive: &[bool]) -> Option<f64> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|a, b| scores[*a].total_cmp(&scores[*b]));
    let positives = positive.iter().filter(|p| **p).count();
    let negatives = scores.len() - positives;
    if positives == 0 || negatives == 0 {
        return None;
    }
    // Count twice the number of correctly ordered pairs, so that ties are whole numbers and nothing is rounded.
    let (mut twice_right, mut negatives_below) = (0u64, 0u64);
    for tied in order.chunk_by(|a, b| scores[*a] == scores[*b]) {
        let here = tied.iter().filter(|i| positive[**i]).count() as u64;
        let negatives_here = tied.len() as u64 - here;
        twice_right += here * (2 * negatives_below + negatives_here);
        negatives_below += negatives_here;
    }
    Some(twice_right as f64 / (2.0 * positives as f64 * negatives as f64))
}

/// log(p / (1 - p)) of a class: its logit minus the log-sum-exp of the others.
fn margin(row: &[f32], class: usize) -> f64 {
    let others = || {
        row.iter()
            .enumerate()
            .filter(|(k, _)| *k != class)
            .map(|(_, x)| f64::from(*x))
    };
    let top = others().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = others().map(|x| (x - top).exp()).sum();
    f64::from(row[class]) - top - sum.ln()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn average_precision_of_known_scores_is_the_known_value() {
        // scikit-learn's example: precisions 1 and 2/3 where recall rises by a half each.
        let found = average_precision(&[0.1, 0.4, 0.35, 0.8], &[false, false, true, true]);
        assert!((found.unwrap() - (0.5 + 0.5 * 2.0 / 3.0)).abs() < 1e-12);
        // Scores that know nothing reach the positives' share.
        let flat = average_precision(&[0.5; 4], &[true, false, false, false]);
        assert_eq!(flat, Some(0.25));
        assert_eq!(average_precision(&[0.1, 0.2], &[true, true]), None);
    }

    #[test]
    fn auc_of_known_scores_is_the_known_value() {
        // A textbook example: one of four pairs is in the wrong order.
        let auc = binary_auc(&[0.1, 0.4, 0.35, 0.8], &[false, false, true, true]);
        assert_eq!(auc, Some(0.75));
        assert_eq!(
            binary_auc(&[0.5, 0.5, 0.5], &[true, false, true]),
            Some(0.5)
        );
        assert_eq!(binary_auc(&[1.0, 2.0], &[true, true]), None);
        assert_eq!(binary_auc(&[], &[]), None);
    }

    #[test]
    fn auc_keeps_the_order_of_logits_whose_probabilities_saturate() {
        let logits = [0.0, 40.0, 0.0, 50.0, 0.0, 60.0, 0.0, 45.0];
        assert_eq!(roc_auc(&logits, &[0, 1, 1, 0], 2), Some(1.0));
    }

    #[test]
    fn macro_f1_of_a_known_confusion_is_the_known_value() {
        // Class 0: precision 2/3, recall 1; class 1: recall 0; class 2: precision 1/2, recall 1/2.
        let confusion = vec![vec![2, 0, 0], vec![1, 0, 1], vec![0, 1, 1]];
        assert!((macro_f1(&confusion) - (0.8 + 0.0 + 0.5) / 3.0).abs() < 1e-12);
        assert!((accuracy(&confusion) - 0.5).abs() < 1e-12);
    }

    #[test]
    fn classes_that_never_occur_do_not_lower_macro_f1() {
        assert_eq!(
            macro_f1(&[vec![3, 0, 0], vec![0, 2, 0], vec![0, 0, 0]]),
            1.0
        );
    }

    #[test]
    fn macro_auc_averages_the_classes_that_occur() {
        // Three classes, of which the third is never a label; classes 0 and 1 are ranked perfectly.
        let logits = [2.0, 0.0, 1.0, 0.0, 2.0, 1.0, 3.0, 1.0, 0.0];
        assert_eq!(roc_auc(&logits, &[0, 1, 0], 3), Some(1.0));
        assert_eq!(roc_auc(&logits, &[2, 2, 2], 3), None);
    }

    proptest! {
        #[test]
        fn auc_equals_the_share_of_pairs_in_order(
            pairs in prop::collection::vec((0u8..12, any::<bool>()), 2..60)
        ) {
            let scores: Vec<f64> = pairs.iter().map(|(s, _)| f64::from(*s)).collect();
            let positive: Vec<bool> = pairs.iter().map(|(_, p)| *p).collect();
            let (mut sum, mut count) = (0.0, 0.0);
            for i in 0..scores.len() {
                for j in 0..scores.len() {
                    if positive[i] && !positive[j] {
                        count += 1.0;
                        sum += match scores[i].total_cmp(&scores[j]) {
                            std::cmp::Ordering::Greater => 1.0,
                            std::cmp::Ordering::Equal => 0.5,
                            std::cmp::Ordering::Less => 0.0,
                        };
                    }
                }
            }
            match binary_auc(&scores, &positive) {
                Some(auc) => prop_assert!((auc - sum / count).abs() < 1e-12),
                None => prop_assert_eq!(count, 0.0),
            }
        }

        #[test]
        fn auc_of_the_opposite_scores_is_the_complement(
            pairs in prop::collection::vec((-5.0f64..5.0, any::<bool>()), 2..60)
        ) {
            let scores: Vec<f64> = pairs.iter().map(|(s, _)| *s).collect();
            let opposite: Vec<f64> = scores.iter().map(|s| -s).collect();
            let positive: Vec<bool> = pairs.iter().map(|(_, p)| *p).collect();
            if let (Some(a), Some(b)) =
                (binary_auc(&scores, &positive), binary_auc(&opposite, &positive))
            {
                prop_assert!((a + b - 1.0).abs() < 1e-12);
            }
        }
    }
}
