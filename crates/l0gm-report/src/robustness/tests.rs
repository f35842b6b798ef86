//! The report's account of the robustness protocol, tested on made-up records.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::figures::{Figure, Plot};
use crate::fixtures;
use crate::grouping::studies;

fn column(table: &Table, key: &str) -> usize {
    let found = table.columns.iter().position(|c| c.key == key);
    found.unwrap_or_else(|| panic!("{}: no column {key}", table.id))
}

fn value(cell: &Cell) -> f64 {
    match cell {
        Cell::Number { value, .. } => *value,
        Cell::Estimate { mean, .. } => *mean,
        other => panic!("{other:?} is no number"),
    }
}

fn tables_of(blocks: &[Block]) -> Vec<&Table> {
    let tables = blocks.iter().filter_map(|block| match block {
        Block::Table(table) | Block::Folded(table) => Some(table),
        _ => None,
    });
    tables.collect()
}

#[test]
fn rob_mu_is_the_mean_over_seeds_and_conditions() {
    let records = fixtures::records();
    let studies = studies(&records);
    let dense = studies[0].dense().unwrap();
    let all: Vec<f64> = dense
        .runs
        .iter()
        .flat_map(|r| &r.robustness.as_ref().unwrap().conditions)
        .map(|c| c.score.accuracy)
        .collect();
    assert_eq!(all.len(), 36);
    let by_hand = all.iter().sum::<f64>() / 36.0;
    assert!((rob_mu(dense).unwrap().mean - by_hand).abs() < 1e-12);
    let table = by_point(&studies[0]);
    let row = &table.rows[0];
    assert!((value(&row[column(&table, "rob_mu")]) - by_hand).abs() < 1e-12);
    let clean = value(&row[column(&table, "accuracy_unperturbed")]);
    let difference = value(&row[column(&table, "rob_difference")]);
    assert!((difference - (by_hand - clean)).abs() < 1e-12);
    // The made-up records lose most where half of the fields are missing.
    let half = |r: &&RunRecord| r.robustness.as_ref().unwrap().conditions[2].score.accuracy;
    let half = dense.runs.iter().map(half).sum::<f64>() / 3.0;
    assert!((value(&row[column(&table, "rob_lowest")]) - half).abs() < 1e-12);
}

#[test]
fn every_condition_has_a_row_a_model_with_calibration_before_and_after_scaling_and_what_was_perturbed()
 {
    let records = fixtures::records();
    let studies = studies(&records);
    let blocks = blocks(&studies[0]);
    let tables = tables_of(&blocks);
    let ids: Vec<&str> = tables.iter().map(|t| t.id.as_str()).collect();
    assert_eq!(
        ids,
        [
            "robustness-tabular-adult",
            "conditions-tabular-adult",
            "conditions-others-tabular-adult"
        ]
    );
    // The first table has dense and the pick; the second the other four points of the grid.
    assert_eq!((tables[1].rows.len(), tables[2].rows.len()), (26, 52));
    let perturbed = column(tables[1], "perturbed");
    let severity = column(tables[1], "severity");
    for (row, (at, named)) in [
        (2, ("fields", "p 0.1")),
        (8, ("numeric fields", "σ 0.05")),
        (14, ("numeric fields", "8 bits")),
        (20, ("fields", "r 0.1")),
    ] {
        assert_eq!(tables[1].rows[row][perturbed].shown(), at);
        assert_eq!(tables[1].rows[row][severity].shown(), named);
    }
    let of_seed = |f: fn(&Score) -> f64| {
        let dense = studies[0].dense().unwrap();
        dense
            .over(|r| f(&r.robustness.as_ref().unwrap().conditions[2].score))
            .mean
    };
    let row = &tables[1].rows[6];
    for (key, expected) in [
        ("accuracy", of_seed(|s| s.accuracy)),
        ("ece", of_seed(|s| s.ece)),
        ("ece_scaled", of_seed(|s| s.ece_scaled)),
        ("brier", of_seed(|s| s.brier)),
    ] {
        assert!(
            (value(&row[column(tables[1], key)]) - expected).abs() < 1e-12,
            "{key}"
        );
    }
    let figures = blocks.iter().filter_map(|block| match block {
        Block::Figures(figures) => Some(figures),
        _ => None,
    });
    let figures: Vec<&Figure> = figures.flatten().collect();
    let Plot::Robustness(plot) = &figures[0].plot else {
        panic!("another plot");
    };
    let names: Vec<&str> = plot.kinds.iter().map(|k| k.0.as_str()).collect();
    assert_eq!(names, ["missing, p", "noise, σ", "bits", "occluded, r"]);
    assert_eq!(plot.kinds[0].1, ["–", ".1", ".3", ".5"]);
    assert_eq!(plot.kinds[2].1, ["–", "8", "6", "4"]);
    assert_eq!(plot.series.len(), 2);
    assert!(
        plot.series
            .iter()
            .flat_map(|s| &s.spots)
            .all(|s| s.len() == 4)
    );
    assert_eq!(plot.series[0].spots[0][3].ece, of_seed(|s| s.ece));
}

#[test]
fn runs_of_before_are_reported_as_without() {
    let mut records = fixtures::records();
    for record in &mut records {
        let is_graph = record.spec.modality == "graph";
        let is_one = record.spec.lambda == Some(1e-4) && record.spec.seed == 0;
        if is_graph || is_one {
            record.robustness = None;
        }
    }
    let studies = studies(&records);
    let adult = by_point(&studies[0]);
    let rob = column(&adult, "rob_mu");
    // If only one of three seeds was judged, there is no mean over seeds.
    assert!(matches!(adult.rows[1][rob], Cell::Empty));
    assert!(matches!(adult.rows[2][rob], Cell::Estimate { .. }));
    assert_eq!(adult.rows.len(), studies[0].points.len());
    let graph = blocks(&studies[2]);
    assert!(tables_of(&graph).is_empty());
    assert!(matches!(&graph[1], Block::Paragraph(text) if text.contains("not judged")));
}
