//! How the chosen model decides: its threshold, and its right and wrong answers on test rows.

use super::threshold::Rule;
use crate::usage::usage;
use anyhow::Context;
use l0gm_gate::calibration::{Predictions, scale_logits};
use l0gm_report::out::OutDir;
use l0gm_train::{PredictionTable, RunRecord, Split, read_predictions};
use serde::Serialize;

/// Right and wrong answers on test rows, under the rule that decides.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Decided {
    /// The threshold on the positive class, where one was asked for.
    pub(super) threshold: Option<Threshold>,
    /// Names of the classes.
    pub(super) classes: Vec<String>,
    /// Counts by [true class][decided class].
    pub(super) confusion: Vec<Vec<u64>>,
    /// Share of each class's rows that are decided right; absent for a class without test rows.
    pub(super) recall: Vec<Option<f64>>,
    /// Share of the rows decided as each class that are of it; absent where no row is.
    pub(super) precision: Vec<Option<f64>>,
}

/// A threshold with where it came from.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Threshold {
    /// The class whose probability is compared.
    pub(super) positive: String,
    /// Rows with at least this calibrated probability are decided as the positive class.
    pub(super) value: f64,
    /// The rule by which it was chosen on validation rows.
    pub(super) rule: String,
}

/// The rule that the flags ask for, checked before anything is trained.
pub(super) fn rule(
    threshold: Option<&str>,
    positive: Option<&str>,
) -> anyhow::Result<Option<Rule>> {
    match (threshold, positive) {
        (Some(text), _) => Ok(Some(text.parse()?)),
        (None, Some(_)) => Err(usage(
            "--positive: says which class --threshold is about, and there is none; add --threshold, or leave it out",
        )),
        (None, None) => Ok(None),
    }
}

impl Decided {
    /// Decides the test rows of a run.
    ///
    /// # Errors
    /// Its predictions cannot be read, or no threshold does what the rule asks for.
    pub(super) fn of(
        out: &OutDir,
        run: &RunRecord,
        rule: Option<Rule>,
        positive: Option<&str>,
    ) -> anyhow::Result<Self> {
        let path = out.run(&run.run_id).join("predictions.parquet");
        let tables = read_predictions(&path)?;
        let table = |split: Split| {
            tables
                .iter()
                .find(|table| table.split == split)
                .with_context(|| format!("{}: holds no {split:?} rows", path.display()))
        };
        let (valid, test) = (table(Split::Valid)?, table(Split::Test)?);
        let classes = run.data.classes.clone();
        let scale = run.scaling_temperature;
        let threshold = match rule {
            None => None,
            Some(rule) => Some(chosen(rule, positive, &classes, valid, scale)?),
        };
        let confusion = match &threshold {
            // The likelier class, as the record has counted it.
            None => run.test.confusion.clone(),
            Some((class, threshold)) => {
                let mut confusion = vec![vec![0u64; classes.len()]; classes.len()];
                let probabilities = probabilities(test, scale, *class)?;
                for (label, p) in test.labels.iter().zip(probabilities) {
                    let decided = match p >= threshold.value {
                        true => *class,
                        false => 1 - class,
                    };
                    confusion[*label as usize][decided] += 1;
                }
                confusion
            }
        };
        let share = |part: u64, of: u64| (of > 0).then(|| part as f64 / of as f64);
        let each = 0..classes.len();
        let recall = each
            .clone()
            .map(|k| share(confusion[k][k], confusion[k].iter().sum()));
        let precision = each.map(|k| {
            let decided = confusion.iter().map(|row| row[k]).sum();
            share(confusion[k][k], decided)
        });
        Ok(Self {
            threshold: threshold.map(|(_, threshold)| threshold),
            recall: recall.collect(),
            precision: precision.collect(),
            classes,
            confusion,
        })
    }
}

/// The threshold of a rule on validation rows, with the number of its class.
fn chosen(
    rule: Rule,
    positive: Option<&str>,
    classes: &[String],
    valid: &PredictionTable,
    scale: f64,
) -> anyhow::Result<(usize, Threshold)> {
    let class = class_of(classes, positive)?.unwrap_or_else(|| rarer(&valid.labels));
    let p = probabilities(valid, scale, class)?;
    let is_positive: Vec<bool> = valid.labels.iter().map(|l| *l as usize == class).collect();
    Ok((
        class,
        Threshold {
            positive: classes[class].clone(),
            value: rule.threshold(&p, &is_positive)?,
            rule: rule.to_string(),
        },
    ))
}

/// The number of the class that a threshold is about, where one is named.
///
/// # Errors
/// There are not two classes, or the name is none of them.
pub(super) fn class_of(
    classes: &[String],
    positive: Option<&str>,
) -> anyhow::Result<Option<usize>> {
    let [first, second] = classes else {
        return Err(usage(format!(
            "--threshold: there are {} classes, and a threshold decides between two; leave it out",
            classes.len()
        )));
    };
    let Some(name) = positive else {
        return Ok(None);
    };
    let found = classes.iter().position(|class| class == name);
    found.map(Some).ok_or_else(|| {
        usage(format!(
            "--positive {name}: the classes are {first} and {second}"
        ))
    })
}

/// The class with fewer rows; of equals the second.
fn rarer(labels: &[u32]) -> usize {
    let second = labels.iter().filter(|label| **label == 1).count();
    usize::from(2 * second <= labels.len())
}

/// The probability of a class after temperature scaling, as `predict` computes it.
fn probabilities(table: &PredictionTable, scale: f64, class: usize) -> anyhow::Result<Vec<f64>> {
    let scaled = scale_logits(&table.logits_f64(), scale)?;
    let found = Predictions::from_logits(&scaled, &table.labels, table.classes)?;
    Ok(found.rows().map(|row| row[class]).collect())
}
