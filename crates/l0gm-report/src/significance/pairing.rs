//! Turns two models' predictions on the same test rows into one difference for each example.

use super::bootstrap::Stratum;
use l0gm_train::PredictionTable;

/// A run's predictions scored per example: right or wrong, NLL in nats, Brier score.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Scored {
    rows: Vec<u32>,
    labels: Vec<u32>,
    classes: usize,
    /// (accuracy, NLL, Brier score) of every example.
    scores: Vec<[f64; 3]>,
}

impl Scored {
    /// Scores the predictions of one split.
    pub(crate) fn of(table: &PredictionTable) -> Self {
        let classes = table.classes.max(1);
        let probabilities = table.probabilities();
        let scores = probabilities
            .chunks_exact(classes)
            .zip(table.logits.chunks_exact(classes))
            .zip(&table.labels)
            .map(|((p, logits), &label)| {
                let label = label as usize;
                let brier: f64 = p
                    .iter()
                    .enumerate()
                    .map(|(k, p)| (p - f64::from(u8::from(k == label))).powi(2))
                    .sum();
                let right = top(logits) == label;
                [f64::from(u8::from(right)), nll(logits, label), brier]
            })
            .collect();
        Self {
            rows: table.rows.clone(),
            labels: table.labels.clone(),
            classes: table.classes,
            scores,
        }
    }

    /// Whether both hold the same examples: their row numbers, labels and classes agree.
    fn is_of_the_examples_of(&self, other: &Self) -> bool {
        self.rows == other.rows && self.labels == other.labels && self.classes == other.classes
    }
}

/// The first of the largest logits, which is how accuracy breaks ties everywhere.
fn top(logits: &[f32]) -> usize {
    let mut best = 0;
    for (k, logit) in logits.iter().enumerate() {
        if *logit > logits[best] {
            best = k;
        }
    }
    best
}

/// Computed from logits, because a probability that rounds to zero would give an infinite loss.
fn nll(logits: &[f32], label: usize) -> f64 {
    let highest = logits.iter().fold(f32::NEG_INFINITY, |a, b| a.max(*b));
    let sum: f64 = logits
        .iter()
        .map(|x| (f64::from(*x) - f64::from(highest)).exp())
        .sum();
    f64::from(highest) + sum.ln() - f64::from(logits[label])
}

/// The differences `ours - rival` of each example, in one stratum for each seed. If all seeds have the same test
/// rows, these are the same examples each time, so one stratum holds their means.
///
/// # Errors
/// Explains why the predictions cannot be paired.
pub(crate) fn differences(pairs: &[(&Scored, &Scored)]) -> Result<Vec<Stratum>, String> {
    let Some(((first, _), others)) = pairs.split_first() else {
        return Err("no seed that both have finished".to_owned());
    };
    if pairs.iter().any(|(a, b)| !a.is_of_the_examples_of(b)) {
        return Err("the test rows differ within a seed".to_owned());
    }
    let strata = pairs.iter().map(|(ours, rival)| {
        let of_both = ours.scores.iter().zip(&rival.scores);
        of_both
            .map(|(a, b)| std::array::from_fn(|m| a[m] - b[m]))
            .collect::<Stratum>()
    });
    if !others.iter().all(|(a, _)| first.is_of_the_examples_of(a)) {
        return Ok(strata.collect());
    }
    let mut mean: Stratum = vec![[0.0; 3]; first.scores.len()];
    for stratum in strata {
        for (into, difference) in mean.iter_mut().zip(&stratum) {
            for (into, d) in into.iter_mut().zip(difference) {
                *into += d / pairs.len() as f64;
            }
        }
    }
    Ok(vec![mean])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use l0gm_train::Split;

    fn scored(labels: &[u32], logits: &[f32]) -> Scored {
        Scored::of(&PredictionTable {
            split: Split::Test,
            rows: (0..labels.len() as u32).collect(),
            labels: labels.to_vec(),
            logits: logits.to_vec(),
            classes: 2,
        })
    }

    #[test]
    fn an_example_is_scored_as_by_hand() {
        // Even odds give an NLL of ln 2 and a Brier score of .25 + .25; of equal logits the first is the guess.
        let even = scored(&[0, 1], &[0.0, 0.0, 0.0, 0.0]);
        let ln2 = std::f64::consts::LN_2;
        for (found, expected) in even.scores.iter().zip([[1.0, ln2, 0.5], [0.0, ln2, 0.5]]) {
            for (a, b) in found.iter().zip(expected) {
                assert!((a - b).abs() < 1e-12, "{found:?}");
            }
        }
        // A wrong prediction with certainty has a finite loss.
        let miss = scored(&[1], &[900.0, 0.0]);
        assert_eq!(miss.scores[0], [0.0, 900.0, 2.0]);
    }

    #[test]
    fn the_scores_mean_is_the_tables_own_accuracy_and_loss() {
        let table = PredictionTable {
            split: Split::Test,
            rows: vec![3, 5, 9],
            labels: vec![2, 0, 1],
            logits: vec![0.1, 0.4, 0.3, 2.0, -1.0, 0.0, 0.5, 0.6, -3.0],
            classes: 3,
        };
        let scored = Scored::of(&table);
        let mean = |m: usize| scored.scores.iter().map(|s| s[m]).sum::<f64>() / 3.0;
        assert!((mean(0) - table.accuracy()).abs() < 1e-12);
        assert!((mean(1) - table.nll()).abs() < 1e-9);
    }

    #[test]
    fn seeds_with_their_own_rows_are_strata_and_seeds_on_the_same_rows_are_averaged() {
        let (a, b) = (
            scored(&[0, 1], &[1., 0., 0., 1.]),
            scored(&[0, 1], &[0., 1., 0., 1.]),
        );
        let same = differences(&[(&a, &b), (&b, &b)]).unwrap();
        assert_eq!(same.len(), 1);
        assert_eq!((same[0][0][0], same[0][1][0]), (0.5, 0.0));
        let (c, d) = (
            scored(&[1, 1], &[1., 0., 0., 1.]),
            scored(&[1, 1], &[0., 1., 0., 1.]),
        );
        assert_eq!(differences(&[(&a, &b), (&c, &d)]).unwrap().len(), 2);
        assert!(differences(&[(&a, &c)]).unwrap_err().contains("test rows"));
        assert!(differences(&[]).is_err());
    }
}
