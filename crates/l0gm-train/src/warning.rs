//! What a finished run must say about itself: signs that its model failed, each with what to try.
//!
//! A run that ends without an error may still have learnt nothing. These signs are found by rules on validation data
//! and on the gates, kept in the record and shown wherever the run is shown.

use crate::{EpochRecord, SelectBy, Selection};
use l0gm_gate::GateReading;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A model may lose this share of its NLL to a baseline before it counts as worse: less is the luck of the rows.
const WORSE: f64 = 0.01;
/// Relative distance between the chosen validation loss and the best one seen that is reported.
const GAP: f64 = 0.02;
/// Distance between the expected and the deterministic active fraction that is reported.
const APART: f64 = 0.10;
/// Fewest validations from which a rising loss is a trend.
const TREND: usize = 4;

/// The signs of failure that are looked for in a finished run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WarningKind {
    /// Validation NLL no better than always predicting how frequent each class is.
    LearntNothing,
    /// Validation NLL worse than that of a baseline on the same rows.
    WorseThanBaseline,
    /// The gates closed all dimensions, or nearly.
    GatesCollapsed,
    /// The penalty closed no gate.
    GatesAllOpen,
    /// Training saw another share of open gates than prediction does.
    FractionsApart,
    /// The validation loss rose from the first epoch.
    LossRises,
    /// A better validation loss was seen than the selected one.
    BetterLossSeen,
}

/// One sign that a model failed, with a remedy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    /// What was found.
    pub kind: WarningKind,
    /// One line for a person: what was found, with its figures, and what to try.
    pub text: String,
}

/// A baseline's validation loss on the same rows, for comparison.
#[derive(Clone, Debug, PartialEq)]
pub struct BaselineScore {
    /// What tables call the baseline.
    pub label: String,
    /// Its validation NLL in nats.
    pub valid_nll: f64,
    /// Number of rows in each part, as in [`DataSummary::rows`](crate::DataSummary::rows). A baseline that learnt from
    /// fewer or more rows, or was validated on others, is not compared.
    pub rows: BTreeMap<String, usize>,
}

/// What the warnings are found in.
#[derive(Clone, Copy, Debug)]
pub struct Evidence<'a> {
    /// The model's validation NLL.
    pub valid_nll: f64,
    /// The labels of the validation rows.
    pub valid_labels: &'a [u32],
    /// Number of rows in each part.
    pub rows: &'a BTreeMap<String, usize>,
    /// The baselines of the same study.
    pub baselines: &'a [BaselineScore],
    /// The state of the gates.
    pub gate: &'a GateReading,
    /// The validations during training.
    pub history: &'a [EpochRecord],
    /// The chosen loss beside the best one seen.
    pub selection: Option<Selection>,
}

impl Evidence<'_> {
    /// Every warning that these figures give cause for, the most serious first.
    pub fn warnings(&self) -> Vec<Warning> {
        let found = [
            self.learnt_nothing(),
            self.worse_than_baseline(),
            self.gates_at_an_end(),
            self.fractions_apart(),
            self.loss_rises(),
            self.better_loss_seen(),
        ];
        found.into_iter().flatten().collect()
    }

    fn learnt_nothing(&self) -> Option<Warning> {
        let constant = constant_nll(self.valid_labels);
        let told = constant > 0.0 && self.valid_nll >= constant;
        told.then(|| Warning {
            kind: WarningKind::LearntNothing,
            text: format!(
                "validation NLL {:.4} is no better than always predicting how frequent each class is ({constant:.4}): \
                 leave out columns that name single rows, lower the learning rate, or take more rows",
                self.valid_nll
            ),
        })
    }

    fn worse_than_baseline(&self) -> Option<Warning> {
        let best = self
            .baselines
            .iter()
            .filter(|baseline| baseline.rows == *self.rows)
            .min_by(|a, b| a.valid_nll.total_cmp(&b.valid_nll))?;
        (self.valid_nll > best.valid_nll * (1.0 + WORSE)).then(|| Warning {
            kind: WarningKind::WorseThanBaseline,
            text: format!(
                "validation NLL {:.4} is worse than that of {} ({:.4}): use that one, or {}search settings",
                self.valid_nll,
                best.label,
                best.valid_nll,
                match self.gate.kind {
                    Some(_) => "raise the target, lower lambda, or ",
                    None => "",
                }
            ),
        })
    }

    /// Gates that are all closed or all open, though a penalty asked for something between.
    fn gates_at_an_end(&self) -> Option<Warning> {
        let (open, all) = (self.gate.open_dims, self.gate.total_dims);
        self.gate.kind?;
        let penalised = self.history.iter().any(|epoch| epoch.lambda > 0.0);
        if open <= 1 && all > 2 {
            return Some(Warning {
                kind: WarningKind::GatesCollapsed,
                text: format!(
                    "the gates collapsed: {open} of {all} dimensions stay open; ask for a target instead of lambda \
                     (`--target 15%`), or lower lambda"
                ),
            });
        }
        (open == all && penalised).then(|| Warning {
            kind: WarningKind::GatesAllOpen,
            text: format!(
                "the penalty closed none of {all} dimensions; ask for a target instead of lambda (`--target 15%`), or \
                 raise lambda"
            ),
        })
    }

    fn fractions_apart(&self) -> Option<Warning> {
        self.gate.kind?;
        let expected = self.gate.expected_l0 / self.gate.total_dims.max(1) as f64;
        let used = self.gate.active_fraction;
        ((expected - used).abs() > APART).then(|| Warning {
            kind: WarningKind::FractionsApart,
            text: format!(
                "training saw {:.1}% of the dimensions open, prediction sees {:.1}%: train with `train.recipe` = \
                 \"settled\" or with a target, so that the weights adapt to the gates that are used",
                100.0 * expected,
                100.0 * used
            ),
        })
    }

    fn loss_rises(&self) -> Option<Warning> {
        let (first, rest) = self.history.split_first()?;
        let start = self.selection.and_then(|selection| selection.start);
        let lowest = rest
            .iter()
            .map(|epoch| epoch.valid_loss)
            .fold(f64::INFINITY, f64::min);
        let from_start = start.is_some_and(|start| start <= first.valid_loss.min(lowest));
        let from_first = first.valid_loss <= lowest;
        let told = rest.len() + 1 >= TREND && (from_start || from_first);
        told.then(|| Warning {
            kind: WarningKind::LossRises,
            text: format!(
                "the validation loss rose from the first epoch on ({:.4} to {:.4}): the model learns its training rows \
                 by heart; lower the learning rate, raise dropout, or leave out columns with many values",
                start.map_or(first.valid_loss, |start| start.min(first.valid_loss)),
                rest.last().map_or(first.valid_loss, |last| last.valid_loss)
            ),
        })
    }

    fn better_loss_seen(&self) -> Option<Warning> {
        let selection = self.selection.filter(|selection| selection.gap() > GAP)?;
        if selection.by != SelectBy::Loss {
            return None;
        }
        Some(Warning {
            kind: WarningKind::BetterLossSeen,
            text: format!(
                "the chosen validation loss is {:.4}, but epoch {} had {:.4} ({:.1}% lower): {}",
                selection.chosen,
                selection.best_seen_epoch,
                selection.best_seen,
                100.0 * (1.0 - selection.best_seen / selection.chosen),
                // Only the recipe `settled` measures the loss before the first step.
                match selection.start {
                    None => "train with `train.recipe` = \"settled\", or raise the target",
                    Some(_) => "raise the target, or take more rows",
                }
            ),
        })
    }
}

/// NLL in nats of always predicting the frequencies of these labels: their entropy.
fn constant_nll(labels: &[u32]) -> f64 {
    let classes = labels.iter().max().map_or(0, |most| *most as usize + 1);
    let mut counts = vec![0usize; classes];
    labels.iter().for_each(|label| counts[*label as usize] += 1);
    let n = labels.len() as f64;
    counts
        .into_iter()
        .filter(|count| *count > 0)
        .map(|count| -(count as f64 / n) * (count as f64 / n).ln())
        .sum()
}

#[cfg(test)]
#[path = "warning_tests.rs"]
mod tests;
