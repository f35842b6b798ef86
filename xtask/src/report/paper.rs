//! The paper's figures beside ours. They stand in `results/paper/tables.toml`, transcribed from the
//! paper; nothing here knows a number.

use super::format;
use super::paper_tables::{compared, context};
use super::study::Study;
use super::table::Table;
use anyhow::Context;
use serde::Deserialize;

/// The part of the transcription that is compared.
#[derive(Debug, Deserialize)]
pub(crate) struct Paper {
    dataset: Vec<Dataset>,
    q1: Vec<Block<MethodRow>>,
    q2: Vec<Block<MethodRow>>,
    ablation: Vec<Ablation>,
    lambda_sweep: Vec<Block<LambdaRow>>,
}

#[derive(Debug, Deserialize)]
struct Dataset {
    name: String,
    modality: String,
}

#[derive(Debug, Deserialize)]
struct Block<R> {
    modality: String,
    rows: Vec<R>,
}

#[derive(Debug, Deserialize)]
struct MethodRow {
    method: String,
    metric: f64,
    worst: f64,
    ece: f64,
}

#[derive(Debug, Deserialize)]
struct Ablation {
    dataset: String,
    rows: Vec<VariantRow>,
}

#[derive(Debug, Deserialize)]
struct VariantRow {
    variant: String,
    metric: f64,
    active_percent: f64,
    ece: f64,
}

#[derive(Debug, Deserialize)]
struct LambdaRow {
    lambda: f64,
    active_percent: f64,
    metric: f64,
    worst: f64,
    ece: f64,
}

/// What a row of ours answers a row of the paper's.
#[derive(Clone, Copy)]
pub(super) enum Ours {
    Dense,
    Best,
    /// The gated point of nearest active fraction.
    NearestActive(f64),
    /// The gated point of this lambda.
    Lambda(f64),
}

/// One row of the paper.
pub(super) struct Row {
    pub(super) source: String,
    pub(super) metric: f64,
    pub(super) worst: Option<f64>,
    pub(super) active: Option<f64>,
    pub(super) ece: f64,
    pub(super) ours: Ours,
}

impl Paper {
    /// The transcription compiled in.
    pub(crate) fn load() -> anyhow::Result<Self> {
        toml::from_str(include_str!("../../../results/paper/tables.toml"))
            .context("results/paper/tables.toml")
    }

    /// The dataset that the paper uses for a modality.
    pub(crate) fn dataset_of(&self, modality: &str) -> Option<&str> {
        self.dataset
            .iter()
            .find(|d| d.modality == modality)
            .map(|d| d.name.as_str())
    }

    /// Whether the paper has figures for this very dataset.
    pub(crate) fn has(&self, study: &Study<'_>) -> bool {
        self.dataset_of(study.modality) == Some(study.dataset)
    }

    /// The paper's figures beside a study's, with the differences; for a dataset that the paper does
    /// not have, its own dataset's figures as context, without differences. `None` where the paper
    /// has no such modality.
    pub(crate) fn beside(&self, study: &Study<'_>) -> Option<Table> {
        let dataset = self.dataset_of(study.modality)?;
        let rows = self.rows(study.modality, dataset);
        Some(if self.has(study) {
            compared(study, &rows)
        } else {
            context(study, dataset, &rows)
        })
    }

    fn rows(&self, modality: &str, dataset: &str) -> Vec<Row> {
        let mut rows = Vec::new();
        let backbone = match modality {
            "tabular" => "MLP",
            "graph" => "GCN",
            _ => "BERT",
        };
        for (block, blocks) in [("Q1", &self.q1), ("Q2", &self.q2)] {
            let found = blocks.iter().filter(|b| b.modality == modality);
            for row in found.flat_map(|b| &b.rows) {
                let ours = match row.method.as_str() {
                    "L0GM" => Ours::Best,
                    method if method == backbone => Ours::Dense,
                    _ => continue,
                };
                rows.push(Row {
                    source: format!("Table 3 {block}, {}", row.method),
                    metric: row.metric,
                    worst: Some(row.worst),
                    active: None,
                    ece: row.ece,
                    ours,
                });
            }
        }
        let ablation = self.ablation.iter().filter(|a| a.dataset == dataset);
        for row in ablation.flat_map(|a| &a.rows) {
            let active = row.active_percent / 100.0;
            let ours = match row.variant.as_str() {
                "dense" => Ours::Dense,
                "interface-aligned" => Ours::NearestActive(active),
                _ => continue,
            };
            rows.push(Row {
                source: format!("Table 6, {}", row.variant),
                metric: row.metric,
                worst: None,
                active: Some(active),
                ece: row.ece,
                ours,
            });
        }
        let sweep = self.lambda_sweep.iter().filter(|b| b.modality == modality);
        for row in sweep.flat_map(|b| &b.rows) {
            rows.push(Row {
                source: format!("Table 8, λ {}", format::lambda(row.lambda)),
                metric: row.metric,
                worst: Some(row.worst),
                active: Some(row.active_percent / 100.0),
                ece: row.ece,
                ours: Ours::Lambda(row.lambda),
            });
        }
        rows
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::report::fixtures;
    use crate::report::grouping::studies;
    use crate::report::table::Cell;

    fn cell<'t>(table: &'t Table, source: &str, key: &str) -> &'t Cell {
        let column = table.columns.iter().position(|c| c.key == key).unwrap();
        let row = table.rows.iter().find(|r| r[0].shown() == source).unwrap();
        &row[column]
    }

    #[test]
    fn the_lambda_sweep_meets_the_same_lambda_with_the_difference() {
        let records = fixtures::records();
        let studies = studies(&records);
        let adult = studies.iter().find(|s| s.dataset == "adult").unwrap();
        let paper = Paper::load().unwrap();
        let table = paper.beside(adult).unwrap();
        let point = adult.gated().find(|p| p.lambda == Some(1e-3)).unwrap();
        let ours = point.over(|r| r.test.accuracy).mean;
        let Cell::Number { value, .. } = cell(&table, "Table 8, λ 1e-3", "accuracy_difference")
        else {
            panic!("no difference");
        };
        assert!((value - (ours - 0.887)).abs() < 1e-12);
        assert_eq!(
            cell(&table, "Table 8, λ 1e-3", "our_row").shown(),
            "L0GM, λ 1e-3"
        );
        assert_eq!(cell(&table, "Table 3 Q1, MLP", "our_row").shown(), "dense");
        // 0.8906 is the paper's headline figure for Adult.
        assert_eq!(
            cell(&table, "Table 3 Q1, L0GM", "accuracy_paper").shown(),
            "0.8906"
        );
    }

    #[test]
    fn a_stand_in_graph_gets_context_without_differences() {
        let records = fixtures::records();
        let studies = studies(&records);
        let graph = studies.iter().find(|s| s.modality == "graph").unwrap();
        let table = Paper::load().unwrap().beside(graph).unwrap();
        assert!(table.note.contains("no figure for amazon-computers"));
        assert!(table.columns.iter().all(|c| !c.key.contains("difference")));
    }

    #[test]
    fn a_text_loss_under_worst_has_no_difference() {
        let records = fixtures::records();
        let studies = studies(&records);
        let text = studies.iter().find(|s| s.modality == "text").unwrap();
        let table = Paper::load().unwrap().beside(text).unwrap();
        assert!(table.columns.iter().all(|c| c.key != "worst_difference"));
    }
}
