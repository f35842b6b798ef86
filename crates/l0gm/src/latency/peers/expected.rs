//! What a model must predict before it is timed, so that nothing else is timed in its place.

use anyhow::{Context, ensure};
use l0gm_report::out::OutDir;
use l0gm_train::{PredictionTable, RunRecord, Split, read_predictions};

/// Number of rows whose probabilities are compared.
pub(super) const COMPARED: usize = 1024;
/// Largest difference between our probabilities and those of the run, or of our model in another runtime.
const OURS: f64 = 1e-5;
/// Largest difference between a program's probabilities and those that it answered when it had been trained. Some
/// compute in f32, and one path may round differently from another.
const THEIRS: f64 = 1e-4;

/// Probabilities of the test rows that a model must give, and how exactly.
#[derive(Clone, Debug)]
pub(super) struct Expected {
    /// Row by row: rows x classes.
    values: Vec<f64>,
    classes: usize,
    tolerance: f64,
    of: &'static str,
}

impl Expected {
    /// The probabilities of a gated run after temperature scaling, from its own predictions.
    pub(super) fn of_run(run: &RunRecord, out: &OutDir) -> anyhow::Result<Self> {
        let table = test_predictions(run, out)?;
        Ok(Self {
            values: probabilities(&table, run.scaling_temperature),
            classes: table.classes,
            tolerance: OURS,
            of: "the gated model's",
        })
    }

    /// The probabilities of a rival's run.
    pub(super) fn of_rival(run: &RunRecord, out: &OutDir) -> anyhow::Result<Self> {
        let table = test_predictions(run, out)?;
        Ok(Self {
            values: probabilities(&table, 1.0),
            classes: table.classes,
            tolerance: THEIRS,
            of: "those of its run",
        })
    }

    /// What a program answered for all test rows when it had been trained.
    pub(super) fn answered(values: Vec<f64>, classes: usize) -> Self {
        Self {
            values,
            classes,
            tolerance: THEIRS,
            of: "those that it answered when it had been trained",
        }
    }

    /// What our model gives in another runtime.
    pub(super) fn of_our_model(&self) -> Self {
        Self {
            of: "ours",
            ..self.clone()
        }
    }

    /// The largest difference of a probability.
    ///
    /// # Errors
    /// They are of other rows or classes, or one of them is no number.
    pub(super) fn largest_difference(&self, other: &Self) -> anyhow::Result<f64> {
        let rows = |one: &Self| one.values.len() / one.classes.max(1);
        ensure!(
            self.classes == other.classes && self.values.len() == other.values.len(),
            "it answered {} rows of {} classes, and there are {} rows of {} classes to compare them with",
            rows(self),
            self.classes,
            rows(other),
            other.classes
        );
        let mut largest = 0f64;
        for (a, b) in self.values.iter().zip(&other.values) {
            let difference = (a - b).abs();
            ensure!(!difference.is_nan(), "a probability is no number");
            largest = largest.max(difference);
        }
        Ok(largest)
    }

    /// Compares the probabilities of the first rows of a batch, and returns the largest difference.
    pub(super) fn check(&self, found: &[Vec<f64>], batch: usize) -> anyhow::Result<f64> {
        ensure!(
            found.len() >= batch.min(COMPARED),
            "it gave {} rows for a batch of {batch}",
            found.len()
        );
        let mut largest = 0f64;
        let rows = self.values.len() / self.classes;
        for (row, found) in found.iter().enumerate() {
            ensure!(
                found.len() == self.classes,
                "row {row} has {} probabilities; expected {}",
                found.len(),
                self.classes
            );
            let at = row % rows * self.classes;
            for (a, b) in found.iter().zip(&self.values[at..at + self.classes]) {
                let difference = (a - b).abs();
                // This comparison also catches NaN.
                ensure!(
                    difference <= self.tolerance,
                    "the probabilities of row {row} are {found:?} and differ by {difference:.1e} from {}, so something else \
                     would be timed",
                    self.of
                );
                largest = largest.max(difference);
            }
        }
        Ok(largest)
    }
}

fn test_predictions(run: &RunRecord, out: &OutDir) -> anyhow::Result<PredictionTable> {
    let file = out.run(&run.run_id).join("predictions.parquet");
    let mut tables = read_predictions(&file)?;
    tables.retain(|table| table.split == Split::Test);
    let table = tables.pop();
    table.with_context(|| format!("{}: no test predictions", file.display()))
}

/// The softmax of each row's logits over a temperature.
fn probabilities(table: &PredictionTable, temperature: f64) -> Vec<f64> {
    let mut values = Vec::with_capacity(table.logits.len());
    for row in table.logits.chunks_exact(table.classes) {
        let scaled = row.iter().map(|l| f64::from(*l) / temperature);
        let highest = scaled.clone().fold(f64::NEG_INFINITY, f64::max);
        let powers: Vec<f64> = scaled.map(|l| (l - highest).exp()).collect();
        let total: f64 = powers.iter().sum();
        values.extend(powers.iter().map(|p| p / total));
    }
    values
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn probabilities_of_other_rows_or_classes_are_not_compared() {
        let of = |values: &[f64], classes| Expected::answered(values.to_vec(), classes);
        let two = of(&[0.25, 0.75, 0.5, 0.5], 2);
        let near = two.largest_difference(&of(&[0.25, 0.75, 0.375, 0.625], 2));
        assert_eq!(near.unwrap(), 0.125);
        for other in [
            of(&[0.25, 0.75], 2),
            of(&[0.25, 0.75, 0.5, 0.5, 1.0, 0.0], 2),
            of(&[0.25, 0.75, 0.5, 0.5], 4),
            of(&[0.25, f64::NAN, 0.5, 0.5], 2),
        ] {
            assert!(two.largest_difference(&other).is_err(), "{other:?}");
        }
    }
}
