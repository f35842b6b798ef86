//! What a study found, as the screen and `result.json` show it. Figures are means over seeds on test rows.

use super::decision::Decided;
use l0gm_data::rows::Summary;
use l0gm_report::study::{Point, Study};
use l0gm_train::{Role, RunRecord};
use serde::Serialize;
use std::collections::BTreeSet;

/// The result of a study.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Findings {
    /// What to do, and whether a baseline does better.
    pub(super) verdict: String,
    /// The data, as they were read.
    pub(super) data: Data,
    /// Every model: dense, baselines, rivals, and gated models by their share of open dimensions.
    pub(super) models: Vec<Model>,
    /// Right and wrong answers of the chosen model on the test rows of its lowest seed.
    pub(super) decided: Option<Decided>,
    /// Which columns the chosen model reads; absent for texts and graphs.
    pub(super) columns: Option<Columns>,
    /// Signs of failure of the chosen model, each with a remedy.
    pub(super) warnings: Vec<String>,
    /// What `predict` takes as its model: the study's folder, which has the chosen model in `model`.
    pub(super) model: Option<String>,
    /// Path of the report.
    pub(super) report: String,
}

/// The data of a study.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Data {
    /// "tabular", "text" or "graph".
    pub(super) modality: String,
    /// The file or folder.
    pub(super) source: String,
    /// Name of the column that is predicted; absent for a graph whose labels stand in a file of their own.
    pub(super) label: Option<String>,
    /// Classes with the number of rows of each.
    pub(super) classes: Vec<(String, usize)>,
    /// Rows in each part of the split of the lowest seed: train, valid, test.
    pub(super) split: Vec<(String, usize)>,
    /// Seeds of the runs.
    pub(super) seeds: Vec<u64>,
    /// How the rows were split, where it is not at random by class.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) split_by: Option<String>,
    /// What reads texts; absent for other data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) encoder: Option<String>,
}

/// One model on the test rows.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Model {
    /// Name in tables.
    pub(super) label: String,
    /// "backbone", "baseline", "rival" or "subject".
    pub(super) role: Role,
    /// Whether it is the chosen one.
    pub(super) chosen: bool,
    /// Share of open dimensions; absent without a gate.
    pub(super) active: Option<f64>,
    /// NLL on validation rows, by which models are chosen; absent where it is not known.
    pub(super) valid_nll: Option<f64>,
    /// Share of rows whose likeliest class is right.
    pub(super) accuracy: f64,
    /// ROC-AUC.
    pub(super) auc: Option<f64>,
    /// Area under the precision-recall curve.
    pub(super) pr_auc: Option<f64>,
    /// As trained.
    pub(super) calibration: Calibration,
    /// After temperature scaling fitted on validation rows.
    pub(super) scaled: Calibration,
}

/// How good probabilities are.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Calibration {
    /// Negative log-likelihood in nats.
    pub(super) nll: f64,
    /// Brier score.
    pub(super) brier: f64,
    /// Expected calibration error, 15 bins.
    pub(super) ece: f64,
    /// The ECE that perfectly calibrated predictions of this kind read.
    pub(super) ece_noise: f64,
}

/// The columns of a table, by what the chosen model does with them.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Columns {
    /// Columns that are read, with the number of open dimensions of each; most first.
    pub(super) read: Vec<(String, usize)>,
    /// Columns behind closed gates: a file to be predicted need not have them.
    pub(super) not_needed: Vec<String>,
    /// Columns that were left out before training.
    pub(super) left_out: Vec<String>,
}

impl Model {
    /// Where it stands in a table: baselines from the poorest to the best, rivals, dense, gated models from the smallest.
    pub(super) fn place(&self) -> f64 {
        let loss = self.valid_nll.unwrap_or(0.0).min(99.0);
        match self.role {
            Role::Baseline => -loss,
            Role::Rival => 1.0,
            Role::Backbone => 2.0,
            Role::Subject | Role::Variant => 3.0 + self.active.unwrap_or(1.0),
        }
    }

    pub(super) fn of(point: &Point<'_>, chosen: bool) -> Self {
        let mean = |f: fn(&RunRecord) -> f64| point.over(f).mean;
        let maybe = |f: fn(&RunRecord) -> Option<f64>| point.maybe(f).map(|e| e.mean);
        let valid = point.valid_loss();
        Self {
            label: name(point),
            role: point.method.role,
            chosen,
            active: point.first().gate.kind.map(|_| point.active()),
            valid_nll: valid.is_finite().then_some(valid),
            accuracy: mean(|r| r.test.accuracy),
            auc: maybe(|r| r.test.auc),
            pr_auc: maybe(|r| r.test.pr_auc),
            calibration: Calibration {
                nll: mean(|r| r.calibration.nll),
                brier: mean(|r| r.calibration.brier),
                ece: mean(|r| r.calibration.ece),
                ece_noise: mean(|r| r.calibration.ece_noise),
            },
            scaled: Calibration {
                nll: mean(|r| r.calibration_scaled.nll),
                brier: mean(|r| r.calibration_scaled.brier),
                ece: mean(|r| r.calibration_scaled.ece),
                ece_noise: mean(|r| r.calibration_scaled.ece_noise),
            },
        }
    }
}

/// "L0GM 10%" where a target was asked for; the point's own label otherwise.
pub(super) fn name(point: &Point<'_>) -> String {
    let target = point.first().spec.settings["train"]["target"].as_f64();
    match target.filter(|_| point.method.gated) {
        Some(target) => format!("{} {}", point.method.label, whole_percent(target)),
        None => point.label(),
    }
}

fn whole_percent(share: f64) -> String {
    let text = format!("{:.1}", share * 100.0);
    format!("{}%", text.strip_suffix(".0").unwrap_or(&text))
}

impl Data {
    pub(super) fn of(study: &Study<'_>) -> Self {
        let runs: Vec<&RunRecord> = study.runs().collect();
        let seeds: BTreeSet<u64> = runs.iter().map(|run| run.spec.seed).collect();
        let first = study.pick().or(study.points.first()).map(Point::first);
        let reading = first.and_then(|run| run.data.reading.as_ref());
        let summary = reading.and_then(Summary::from_value).unwrap_or_default();
        let rows = first.map(|run| &run.data.rows);
        let parts = ["train", "valid", "test"];
        Self {
            modality: study.modality.to_owned(),
            source: study.dataset.to_owned(),
            label: summary.label,
            classes: summary
                .classes
                .into_iter()
                .map(|class| (class.name, class.rows))
                .collect(),
            split: parts
                .into_iter()
                .filter_map(|part| Some((part.to_owned(), *rows?.get(part)?)))
                .collect(),
            seeds: seeds.into_iter().collect(),
            split_by: first.and_then(split_by),
            encoder: None,
        }
    }
}

/// What decided on the split of a run's data: a column with what it means, files, or a graph's split by name.
fn split_by(run: &RunRecord) -> Option<String> {
    let settings = &run.spec.settings;
    let text = |pointer: &str| settings.pointer(pointer).and_then(|value| value.as_str());
    if let Some(kind) = text("/split/kind") {
        return Some(kind.to_owned());
    }
    let reading = run.data.reading.as_ref();
    let notes = reading
        .and_then(Summary::from_value)
        .unwrap_or_default()
        .notes;
    // Such as "split by time: the latest rows are for test (...); the column itself is not used".
    let by_column = notes.iter().find_map(|note| {
        let by = note.strip_prefix("split ")?;
        let is_by_column = by.starts_with("by group:") || by.starts_with("by time:");
        is_by_column.then(|| by.split("; ").next().unwrap_or(by).to_owned())
    });
    if by_column.is_some() {
        return by_column;
    }
    let files = ["valid-file", "test-file"]
        .iter()
        .filter_map(|name| text(&format!("/data/{name}")).or_else(|| text(&format!("/{name}"))));
    let files: Vec<&str> = files.collect();
    (!files.is_empty()).then(|| format!("by files {}", files.join(", ")))
}

impl Columns {
    /// The columns that a run's gate leaves open. `None` where the interface has no fields.
    pub(super) fn of(run: &RunRecord) -> Option<Self> {
        if run.gate.fields.is_empty() {
            return None;
        }
        let reading = run.data.reading.as_ref();
        let summary = reading.and_then(Summary::from_value).unwrap_or_default();
        let columns = &summary.columns;
        // A date became several fields, such as "start.month".
        let source = |field: &str| {
            let of_date = |c: &&l0gm_data::rows::summary::ColumnSummary| {
                c.kind == "date"
                    && field
                        .strip_prefix(&c.name)
                        .is_some_and(|p| p.starts_with('.'))
            };
            match columns.iter().any(|c| c.name == field) {
                true => field.to_owned(),
                false => columns
                    .iter()
                    .find(of_date)
                    .map_or_else(|| field.to_owned(), |c| c.name.clone()),
            }
        };
        let mut counted: Vec<(String, usize)> = Vec::new();
        for (field, open) in &run.gate.fields {
            let name = source(field);
            match counted.iter_mut().find(|(other, _)| *other == name) {
                Some((_, sum)) => *sum += open,
                None => counted.push((name, *open)),
            }
        }
        let (mut read, closed): (Vec<_>, Vec<_>) =
            counted.into_iter().partition(|(_, open)| *open > 0);
        read.sort_by_key(|(_, open)| std::cmp::Reverse(*open));
        let left_out = columns.iter().filter(|c| c.left_out);
        Some(Self {
            read,
            not_needed: closed.into_iter().map(|(name, _)| name).collect(),
            left_out: left_out.map(|c| c.name.clone()).collect(),
        })
    }
}
