//! The input of calibration: class probabilities with true labels, and (score, outcome) pairs derived from them.

use crate::{Error, Result};

/// Largest accepted distance of a row's sum from 1. Half-precision probabilities need this much.
const SUM_TOLERANCE: f64 = 1e-3;

/// Class probabilities and true labels of some examples. They have been checked: probabilities are finite, each row
/// sums to 1, and labels are valid classes.
#[derive(Clone, Debug)]
pub struct Predictions {
    probabilities: Vec<f64>,
    labels: Vec<u32>,
    classes: usize,
}

impl Predictions {
    /// Takes `probabilities` row by row: rows x classes. Entries within 1e-3 of [0, 1] are moved into it, and rows
    /// that sum to 1 within 1e-3 are rescaled to sum to 1 exactly.
    ///
    /// # Errors
    /// Names the first row that is not a distribution or whose label is not a class. It is also an error if there are
    /// no rows.
    pub fn new(mut probabilities: Vec<f64>, labels: Vec<u32>, classes: usize) -> Result<Self> {
        check_shape(probabilities.len(), &labels, classes)?;
        for (row, values) in probabilities.chunks_exact_mut(classes).enumerate() {
            let allowed = -SUM_TOLERANCE..=1.0 + SUM_TOLERANCE;
            if let Some(bad) = values.iter().find(|value| !allowed.contains(*value)) {
                return Err(Error::input(format!(
                    "row {row} has the probability {bad}, expected a number in [0, 1]"
                )));
            }
            values
                .iter_mut()
                .for_each(|value| *value = value.clamp(0.0, 1.0));
            let sum: f64 = values.iter().sum();
            if (sum - 1.0).abs() > SUM_TOLERANCE {
                return Err(Error::input(format!(
                    "the probabilities of row {row} sum to {sum}, expected 1: were these logits? see from_logits"
                )));
            }
            // Do not rescale rows that differ in the last few digits only, so that known answers in tests stay exact.
            if (sum - 1.0).abs() > 1e-12 {
                values.iter_mut().for_each(|value| *value /= sum);
            }
        }
        Ok(Self {
            probabilities,
            labels,
            classes,
        })
    }

    /// Like [`new`](Self::new), for a slice of any float type. The numbers are taken as they are: 0.8 in f32 is a little
    /// more than 0.8 in f64, and so falls in the next bin where 0.8 is an edge.
    ///
    /// # Errors
    /// Those of `new`.
    pub fn from_probabilities<P: Copy + Into<f64>>(
        probabilities: &[P],
        labels: &[u32],
        classes: usize,
    ) -> Result<Self> {
        Self::new(as_f64(probabilities), labels.to_vec(), classes)
    }

    /// Predictions for two classes from P(y = 1), of any float type.
    ///
    /// # Errors
    /// Those of [`new`](Self::new).
    pub fn binary<P: Copy + Into<f64>>(positive: &[P], labels: &[u32]) -> Result<Self> {
        let positive = as_f64(positive);
        if let Some(row) = positive.iter().position(|p| !(0.0..=1.0).contains(p)) {
            return Err(Error::input(format!(
                "row {row} has P(y = 1) = {}, expected a number in [0, 1]",
                positive[row]
            )));
        }
        let probabilities = positive.iter().flat_map(|&p| [1.0 - p, p]).collect();
        Self::new(probabilities, labels.to_vec(), 2)
    }

    /// Predictions from logits, rows x classes, of any float type.
    ///
    /// # Errors
    /// A logit is not finite; those of [`new`](Self::new).
    pub fn from_logits<L: Copy + Into<f64>>(
        logits: &[L],
        labels: &[u32],
        classes: usize,
    ) -> Result<Self> {
        let mut probabilities = as_f64(logits);
        check_logits(&probabilities, labels, classes)?;
        for row in probabilities.chunks_exact_mut(classes) {
            let highest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            row.iter_mut()
                .for_each(|value| *value = (*value - highest).exp());
            let sum: f64 = row.iter().sum();
            row.iter_mut().for_each(|value| *value /= sum);
        }
        Self::new(probabilities, labels.to_vec(), classes)
    }

    /// Number of examples.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are no examples. Never true for predictions that were accepted.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// The probabilities of one example.
    pub fn row(&self, i: usize) -> &[f64] {
        &self.probabilities[i * self.classes..(i + 1) * self.classes]
    }

    /// The probabilities of every example, in order.
    pub fn rows(&self) -> impl Iterator<Item = &[f64]> {
        self.probabilities.chunks_exact(self.classes)
    }

    /// The true label of every example.
    pub fn labels(&self) -> &[u32] {
        &self.labels
    }

    /// The most probable class of an example; the first of several.
    pub fn predicted(&self, i: usize) -> usize {
        most_probable(self.row(i))
    }

    /// The confidence of each predicted class, and whether the prediction was right.
    pub fn top_label(&self) -> Scored {
        let (scores, outcomes) = self
            .rows()
            .zip(&self.labels)
            .map(|(row, &label)| {
                let predicted = most_probable(row);
                (row[predicted], predicted == label as usize)
            })
            .unzip();
        Scored { scores, outcomes }
    }

    /// P(y = 1), and whether y is 1. It is an error unless there are two classes.
    pub fn positive(&self) -> Result<Scored> {
        match self.classes {
            2 => Ok(self.one_class(1)),
            many => Err(Error::input(format!(
                "P(y = 1) needs 2 classes, these predictions have {many}"
            ))),
        }
    }

    /// The probability of one class, and whether it is the true class.
    pub(crate) fn one_class(&self, class: usize) -> Scored {
        Scored {
            scores: self.rows().map(|row| row[class]).collect(),
            outcomes: self
                .labels
                .iter()
                .map(|&label| label as usize == class)
                .collect(),
        }
    }
}

/// Scores in [0, 1], each with the outcome that it predicts (whether the event happened).
#[derive(Clone, Debug, PartialEq)]
pub struct Scored {
    scores: Vec<f64>,
    outcomes: Vec<bool>,
}

impl Scored {
    /// Pairs of a score and an outcome. It is an error if there are none or a score is outside [0, 1].
    pub fn new(scores: Vec<f64>, outcomes: Vec<bool>) -> Result<Self> {
        if scores.is_empty() || scores.len() != outcomes.len() {
            return Err(Error::input(format!(
                "{} scores and {} outcomes: expected the same number of both, at least one",
                scores.len(),
                outcomes.len()
            )));
        }
        match scores.iter().position(|score| !(0.0..=1.0).contains(score)) {
            Some(row) => Err(Error::input(format!(
                "row {row} has the score {}, expected a number in [0, 1]",
                scores[row]
            ))),
            None => Ok(Self { scores, outcomes }),
        }
    }

    /// Number of pairs.
    pub fn len(&self) -> usize {
        self.scores.len()
    }

    /// Whether there are no pairs.
    pub fn is_empty(&self) -> bool {
        self.scores.is_empty()
    }

    /// The score of every pair.
    pub fn scores(&self) -> &[f64] {
        &self.scores
    }

    /// The outcome of every pair.
    pub fn outcomes(&self) -> &[bool] {
        &self.outcomes
    }

    /// The pairs, in order.
    pub fn pairs(&self) -> impl Iterator<Item = (f64, bool)> {
        self.scores
            .iter()
            .copied()
            .zip(self.outcomes.iter().copied())
    }

    /// Outcome minus score of each pair. All measures are built from these.
    pub(crate) fn residuals(&self) -> impl Iterator<Item = f64> {
        self.pairs()
            .map(|(score, outcome)| f64::from(u8::from(outcome)) - score)
    }
}

/// The same numbers as f64.
pub(super) fn as_f64<N: Copy + Into<f64>>(numbers: &[N]) -> Vec<f64> {
    numbers.iter().map(|&number| number.into()).collect()
}

/// Index of the largest value; the first of several.
fn most_probable(row: &[f64]) -> usize {
    let mut best = 0;
    for (class, &value) in row.iter().enumerate() {
        if value > row[best] {
            best = class;
        }
    }
    best
}

/// Checks that a softmax of the logits is defined and that the labels fit.
pub(super) fn check_logits(logits: &[f64], labels: &[u32], classes: usize) -> Result<()> {
    check_shape(logits.len(), labels, classes)?;
    match logits.iter().position(|logit| !logit.is_finite()) {
        Some(at) => Err(Error::input(format!(
            "row {} has the logit {}, expected a finite number",
            at / classes,
            logits[at]
        ))),
        None => Ok(()),
    }
}

/// Checks that there are rows x classes numbers for as many labels, that each label is a class, and that there are at
/// least one row and two classes.
fn check_shape(numbers: usize, labels: &[u32], classes: usize) -> Result<()> {
    if classes < 2 {
        return Err(Error::setting("classes", classes as f64, "at least 2"));
    }
    if labels.is_empty() {
        return Err(Error::input(
            "there are no predictions to judge: at least one row is needed",
        ));
    }
    if numbers != labels.len() * classes {
        return Err(Error::input(format!(
            "{numbers} numbers for {} labels and {classes} classes: expected {} ({classes} a label)",
            labels.len(),
            labels.len() * classes
        )));
    }
    match labels.iter().position(|&label| label as usize >= classes) {
        Some(row) => Err(Error::input(format!(
            "row {row} has the label {}, but with {classes} classes labels are 0 to {}",
            labels[row],
            classes - 1
        ))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn logits_become_their_softmax_even_when_large() {
        let predictions =
            Predictions::from_logits(&[1000.0, 1000.0, -1000.0, 0.0], &[0, 1], 2).unwrap();
        assert_eq!(predictions.row(0), [0.5, 0.5]);
        assert_eq!(predictions.row(1), [0.0, 1.0]);
        assert_eq!(predictions.predicted(0), 0);
        assert_eq!(predictions.top_label().outcomes(), [true, true]);
    }

    #[test]
    fn bad_rows_are_named() {
        let message = |result: Result<Predictions>| result.unwrap_err().to_string();
        let text = message(Predictions::new(vec![0.5, 0.5, 0.7, 0.7], vec![0, 1], 2));
        assert!(text.contains("row 1") && text.contains("1.4"), "{text}");
        let text = message(Predictions::new(
            vec![0.5, 0.5, f64::NAN, 0.7],
            vec![0, 1],
            2,
        ));
        assert!(text.contains("row 1") && text.contains("NaN"), "{text}");
        let text = message(Predictions::new(vec![0.5, 0.5], vec![2], 2));
        assert!(
            text.contains("label 2") && text.contains("0 to 1"),
            "{text}"
        );
        let text = message(Predictions::new(vec![0.5, 0.5, 0.1], vec![1], 2));
        assert!(
            text.contains("3 numbers") && text.contains("expected 2"),
            "{text}"
        );
        let text = message(Predictions::new(vec![], vec![], 2));
        assert!(text.contains("no predictions"), "{text}");
        let text = message(Predictions::new(vec![1.0], vec![0], 1));
        assert!(text.contains("classes is 1"), "{text}");
        let text = message(Predictions::binary(&[0.2, 1.2], &[0, 1]));
        assert!(text.contains("row 1") && text.contains("1.2"), "{text}");
        let text = message(Predictions::from_logits(
            &[0.0, 1.0, f64::INFINITY, 0.0],
            &[0, 1],
            2,
        ));
        assert!(text.contains("row 1") && text.contains("inf"), "{text}");
        let three = Predictions::new(vec![0.2, 0.3, 0.5], vec![0], 3).unwrap();
        assert!(
            three
                .positive()
                .unwrap_err()
                .to_string()
                .contains("2 classes")
        );
        assert!(
            Scored::new(vec![0.5, 2.0], vec![true, false])
                .unwrap_err()
                .to_string()
                .contains("row 1")
        );
        assert!(Scored::new(vec![0.5], vec![]).is_err());
    }

    #[test]
    fn half_precision_rows_are_put_right() {
        let predictions = Predictions::new(vec![0.3334, 0.3333, 0.3329], vec![0], 3).unwrap();
        assert!((predictions.row(0).iter().sum::<f64>() - 1.0).abs() < 1e-15);
    }
}
