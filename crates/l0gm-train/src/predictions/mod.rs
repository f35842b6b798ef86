//! Predictions: logits and labels of a split, and the numbers that follow from them.

pub(crate) mod guard;
mod origins;
mod parquet;

pub use self::origins::{Origins, RowKeys, RowOrigins};
pub use self::parquet::{Legend, read_predictions, write_predictions};

use crate::{Error, Result, Split};

/// Logits of some rows of one split.
#[derive(Clone, Debug, PartialEq)]
pub struct PredictionTable {
    /// The split that was predicted.
    pub split: Split,
    /// Row numbers within the split, ascending.
    pub rows: Vec<u32>,
    /// True labels.
    pub labels: Vec<u32>,
    /// Logits row by row: rows x classes.
    pub logits: Vec<f32>,
    /// Logits in a row.
    pub classes: usize,
}

/// Smallest probability that a logit is made of: the logarithm of 0 is no number.
const SMALLEST: f64 = 1e-15;

impl PredictionTable {
    /// Logits of a method that gives probabilities (rows x classes): their logarithms. Probabilities below 1e-15 are
    /// raised to it; the second part of the result says how many were.
    ///
    /// # Errors
    /// A probability is not in [0, 1], or there are not as many as rows times classes.
    pub fn from_probabilities(
        split: Split,
        labels: Vec<u32>,
        probabilities: &[f64],
        classes: usize,
    ) -> Result<(Self, usize)> {
        if let Some(at) = probabilities.iter().position(|p| !(0.0..=1.0).contains(p)) {
            return Err(Error::Task(format!(
                "row {} has the probability {}: expected a number from 0 to 1",
                at / classes.max(1),
                probabilities[at]
            )));
        }
        let raised = probabilities.iter().filter(|&&p| p < SMALLEST).count();
        let logits = probabilities.iter().map(|p| p.max(SMALLEST).ln() as f32);
        let table = Self {
            split,
            rows: (0..labels.len() as u32).collect(),
            logits: logits.collect(),
            labels,
            classes,
        };
        table.check()?;
        Ok((table, raised))
    }

    /// Refuses a table that is not a whole split: rows in order from 0, each with a label of the classes and a finite
    /// logit for every class.
    ///
    /// # Errors
    /// Names the split, the row and what was expected.
    pub fn check(&self) -> Result<()> {
        let wrong = |what: String| {
            Err(Error::Task(format!(
                "the predictions of the {} split are not whole: {what}",
                <&str>::from(self.split)
            )))
        };
        let n = self.rows.len();
        if let Some(at) = (0..n).find(|&at| self.rows[at] as usize != at) {
            return wrong(format!(
                "row {at} is expected, row {} stands there",
                self.rows[at]
            ));
        }
        if self.labels.len() != n || self.logits.len() != n * self.classes {
            return wrong(format!(
                "{n} rows of {} classes have {} labels and {} logits",
                self.classes,
                self.labels.len(),
                self.logits.len()
            ));
        }
        if let Some(at) = self.labels.iter().position(|l| *l as usize >= self.classes) {
            return wrong(format!(
                "row {at} has the label {}, but there are {} classes",
                self.labels[at], self.classes
            ));
        }
        match self.logits.iter().position(|logit| !logit.is_finite()) {
            None => Ok(()),
            Some(at) => wrong(format!(
                "row {} has the logit {}",
                at / self.classes.max(1),
                self.logits[at]
            )),
        }
    }

    /// The logits as f64, rows x classes; calibration works in this precision.
    pub fn logits_f64(&self) -> Vec<f64> {
        self.logits.iter().map(|logit| f64::from(*logit)).collect()
    }

    /// The softmax of each row's logits, computed in f64: rows x classes.
    pub fn probabilities(&self) -> Vec<f64> {
        let mut all = Vec::with_capacity(self.logits.len());
        for row in self.logits.chunks_exact(self.classes) {
            let lse = log_sum_exp(row);
            all.extend(row.iter().map(|logit| (f64::from(*logit) - lse).exp()));
        }
        all
    }

    /// Mean negative log-likelihood in nats, computed in f64; NaN for no rows.
    pub fn nll(&self) -> f64 {
        let rows = self.logits.chunks_exact(self.classes).zip(&self.labels);
        let sum: f64 = rows
            .map(|(row, label)| log_sum_exp(row) - f64::from(row[*label as usize]))
            .sum();
        sum / self.labels.len() as f64
    }

    /// Share of rows whose top label is right; 0 for no rows.
    pub fn accuracy(&self) -> f64 {
        let predicted = crate::metrics::top_labels(&self.logits, self.classes);
        let right = predicted
            .iter()
            .zip(&self.labels)
            .filter(|(a, b)| a == b)
            .count();
        right as f64 / self.labels.len().max(1) as f64
    }
}

/// The logarithm of sum_k exp(x_k), computed in f64.
fn log_sum_exp(row: &[f32]) -> f64 {
    let top = row
        .iter()
        .fold(f64::NEG_INFINITY, |top, x| top.max(f64::from(*x)));
    top + row
        .iter()
        .map(|x| (f64::from(*x) - top).exp())
        .sum::<f64>()
        .ln()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn table(probabilities: &[f64]) -> Result<(PredictionTable, usize)> {
        PredictionTable::from_probabilities(Split::Test, vec![0, 1], probabilities, 2)
    }

    #[test]
    fn probabilities_become_logits_and_a_zero_is_raised_and_counted() {
        let (of_probabilities, raised) = table(&[1.0, 0.0, 0.25, 0.75]).unwrap();
        assert_eq!(raised, 1);
        let again = of_probabilities.probabilities();
        for (found, expected) in again.iter().zip([1.0, 0.0, 0.25, 0.75]) {
            assert!((found - expected).abs() < 1e-6, "{found} {expected}");
        }
    }

    #[test]
    fn a_table_that_is_not_a_whole_split_is_refused() {
        for wrong in [[0.5, 0.5, 1.5, -0.5], [f64::NAN, 1.0, 0.5, 0.5]] {
            assert!(table(&wrong).is_err());
        }
        let (whole, _) = table(&[0.5, 0.5, 0.5, 0.5]).unwrap();
        let mut rows = whole.clone();
        rows.rows = vec![1, 0];
        let mut labels = whole.clone();
        labels.labels = vec![0, 2];
        let mut logits = whole.clone();
        logits.logits[3] = f32::NEG_INFINITY;
        let mut fewer = whole.clone();
        fewer.logits.pop();
        for wrong in [rows, labels, logits, fewer] {
            let text = wrong.check().unwrap_err().to_string();
            assert!(text.contains("test split"), "{text}");
        }
        assert!(whole.check().is_ok());
    }
}
