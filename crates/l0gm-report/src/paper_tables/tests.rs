//! Every row of the paper appears with our figure or with what is missing.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::context::{ReportContext, Rivals};
use crate::fixtures;
use crate::grouping::studies;
use crate::table::{Cell, Table};
use l0gm_train::MethodInfo;
use serde_json::json;

fn tables(records: &[RunRecord]) -> Vec<Table> {
    let studies = studies(records);
    let section = section(
        &studies,
        records,
        &Command::new(&ReportContext {
            program: "cargo xtask".to_owned(),
            ..ReportContext::default()
        }),
        &Paper::load().unwrap(),
    );
    let tables = section.blocks.into_iter().filter_map(|block| match block {
        Block::Table(table) => Some(table),
        _ => None,
    });
    tables.collect()
}

fn table<'t>(tables: &'t [Table], id: &str) -> &'t Table {
    tables.iter().find(|t| t.id == id).unwrap()
}

/// The cell in column `key` of the first row with this dataset and this row of the paper.
fn cell(table: &Table, data: &str, row: &str, key: &str) -> Cell {
    let column = |key: &str| table.columns.iter().position(|c| c.key == key);
    let (data_column, row_column) = (column("data").unwrap(), column("paper_row").unwrap());
    let found = table
        .rows
        .iter()
        .find(|r| r[data_column].shown() == data && r[row_column].shown() == row)
        .unwrap();
    column(key).map_or(Cell::Empty, |c| found[c].clone())
}

#[test]
fn every_table_has_a_place_and_every_row_of_the_paper_is_in_it() {
    let tables = tables(&fixtures::records()[..6]);
    let ids: Vec<&str> = tables.iter().map(|t| t.id.as_str()).collect();
    assert_eq!(
        ids,
        [
            "paper-table-2",
            "paper-table-3-q1",
            "paper-table-3-q2",
            "paper-table-4",
            "paper-table-6",
            "paper-table-7",
            "paper-table-8",
            "paper-table-9",
            "paper-table-10"
        ]
    );
    let rows = |id: &str| table(&tables, id).rows.len();
    // The paper's number of rows; for Table 10 we show two rows for each.
    assert_eq!(
        (rows("paper-table-3-q1"), rows("paper-table-3-q2")),
        (16, 16)
    );
    assert_eq!((rows("paper-table-6"), rows("paper-table-8")), (15, 12));
    assert_eq!((rows("paper-table-9"), rows("paper-table-10")), (6, 12));
}

#[test]
fn a_rival_that_can_be_run_comes_with_its_command() {
    let boosters = [MethodInfo {
        name: "lightgbm".into(),
        rival_of: Some("LightGBM".into()),
        ..MethodInfo::dense("a booster")
    }];
    let command = Command::new(&ReportContext {
        program: "cargo xtask".to_owned(),
        rivals: Rivals::of([("tabular", &boosters[..])]),
        ..ReportContext::default()
    });
    let rows = |names: &[&str]| {
        names
            .iter()
            .map(|name| (*name).to_owned())
            .collect::<Vec<_>>()
    };
    let flag = command.rivals_flag("tabular", &rows(&["LightGBM"]));
    assert_eq!(flag.as_deref(), Some("--method lightgbm"));
    // Of a row that no method reproduces, no command is promised.
    assert_eq!(
        command.rivals_flag("tabular", &rows(&["LightGBM", "CatBoost"])),
        None
    );
    assert_eq!(command.rivals_flag("graph", &rows(&["LightGBM"])), None);
}

#[test]
fn a_row_without_a_run_of_ours_says_what_is_missing() {
    let all = fixtures::real_records();
    let tables = tables(&all);
    for table in tables
        .iter()
        .filter(|t| t.columns.iter().any(|c| c.key == "our_row"))
    {
        let column = |key: &str| table.columns.iter().position(|c| c.key == key).unwrap();
        for row in &table.rows {
            let ours = !matches!(row[column("our_row")], Cell::Empty);
            let missing = !matches!(row[column("missing")], Cell::Empty);
            assert!(
                ours != missing,
                "{}: {:?}",
                table.id,
                row[column("paper_row")]
            );
        }
    }
    let q1 = table(&tables, "paper-table-3-q1");
    assert!(
        cell(q1, "adult", "XGBoost", "missing")
            .shown()
            .contains("XGBoost")
    );
    let six = table(&tables, "paper-table-6");
    assert_eq!(
        cell(six, "imdb", "static-mask", "missing").shown(),
        "not run: `cargo xtask reproduce --profile paper --modality text --dataset imdb --method l0gm \
         --ablation static --seeds 0 --out OUT`"
    );
}

#[test]
fn the_lambda_sweep_meets_the_same_lambda_with_the_difference() {
    let records = fixtures::records();
    let studies = studies(&records);
    let adult = studies.iter().find(|s| s.dataset == "adult").unwrap();
    let point = adult.gated().find(|p| p.lambda == Some(1e-3)).unwrap();
    let ours = point.over(|r| r.test.accuracy).mean;
    let tables = tables(&records);
    let eight = table(&tables, "paper-table-8");
    let Cell::Number { value, .. } = cell(eight, "adult", "λ 1e-3", "accuracy_difference") else {
        panic!("no difference");
    };
    assert!((value - (ours - 0.887)).abs() < 1e-12);
    assert_eq!(
        cell(eight, "adult", "λ 1e-3", "our_row").shown(),
        "L0GM, λ 1e-3"
    );
    let q1 = table(&tables, "paper-table-3-q1");
    assert_eq!(cell(q1, "adult", "MLP", "our_row").shown(), "dense");
    // 0.8906 is the paper's headline accuracy on Adult.
    assert_eq!(
        cell(q1, "adult", "L0GM", "accuracy_paper").shown(),
        "0.8906"
    );
    assert!(
        cell(q1, "adult", "L0GM", "ece_noise_p95")
            .shown()
            .starts_with("0.00")
    );
}

#[test]
fn a_twin_and_a_stand_in_get_no_differences() {
    let tables = tables(&fixtures::records());
    let eight = table(&tables, "paper-table-8");
    for data in ["imdb TWIN", "ogbn-products; ours amazon-computers TWIN"] {
        for key in ["accuracy_difference", "ece_difference"] {
            assert!(
                matches!(cell(eight, data, "λ 1e-3", key), Cell::Empty),
                "{data}"
            );
        }
        assert!(!matches!(
            cell(eight, data, "λ 1e-3", "accuracy"),
            Cell::Empty
        ));
    }
    assert!(eight.note.contains("TWIN"));
}

#[test]
fn a_text_loss_under_worst_has_no_difference() {
    let tables = tables(&fixtures::real_records());
    let q1 = table(&tables, "paper-table-3-q1");
    assert!(matches!(
        cell(q1, "imdb", "L0GM", "worst_difference"),
        Cell::Empty
    ));
    assert!(!matches!(
        cell(q1, "imdb", "L0GM", "worst_paper"),
        Cell::Empty
    ));
    assert!(!matches!(
        cell(q1, "adult", "L0GM", "worst_difference"),
        Cell::Empty
    ));
}

#[test]
fn ablations_stand_beside_the_papers_rows_once_they_have_been_run() {
    let mut records = fixtures::real_records();
    let plain = records.clone();
    for settings in [
        json!({"gate": {"kind": "static"}}),
        json!({"train": {"schedule": {"kind": "none"}}}),
        json!({"train": {"objective": {"coupling": {"kind": "mmce", "weight": 0.3}}}}),
    ] {
        records.extend(fixtures::variant(&plain, "adult", 3e-3, &settings));
    }
    let tables = tables(&records);
    let label = |id: &str, row: &str| {
        cell(table(&tables, id), "adult", row, "our_row")
            .shown()
            .to_owned()
    };
    assert!(label("paper-table-6", "static-mask").contains("static gate"));
    assert!(label("paper-table-9", "no annealing").contains("no annealing"));
    assert!(label("paper-table-9", "with annealing").contains("λ 3e-3"));
    let with = "high sparsity, λ 3e-3, with the term";
    assert!(label("paper-table-10", with).contains("mmce"));
    let six = table(&tables, "paper-table-6");
    assert!(
        cell(six, "adult", "fine-grained", "missing")
            .shown()
            .contains("--ablation fine")
    );
}

#[test]
fn rob_mu_stands_beside_the_papers_where_it_was_measured() {
    let mut records = fixtures::records();
    let gated = |r: &l0gm_train::RunRecord| r.spec.dataset == "adult" && r.spec.lambda.is_some();
    let measured = tables(&records);
    for id in ["paper-table-3-q1", "paper-table-3-q2"] {
        let table = table(&measured, id);
        let Cell::Estimate { mean, std, .. } = cell(table, "adult", "MLP", "rob_mu") else {
            panic!("{id}: no Rob mu of dense");
        };
        assert!(std.is_some());
        let Cell::Number { value: paper, .. } = cell(table, "adult", "MLP", "rob_mu_paper") else {
            panic!("{id}: no Rob mu of the paper's");
        };
        let Cell::Number { value, .. } = cell(table, "adult", "MLP", "rob_mu_difference") else {
            panic!("{id}: no difference");
        };
        assert!((value - (mean - paper)).abs() < 1e-12);
    }
    // Table 3, Q1, as printed; a twin is not compared with it.
    let q1 = table(&measured, "paper-table-3-q1");
    assert_eq!(cell(q1, "adult", "L0GM", "rob_mu_paper").shown(), "0.8714");
    let twin = cell(q1, "imdb TWIN", "L0GM", "rob_mu_difference");
    assert!(matches!(twin, Cell::Empty));
    for record in records.iter_mut().filter(|r| gated(r)) {
        record.robustness = None;
    }
    let before = tables(&records);
    let q1 = table(&before, "paper-table-3-q1");
    assert!(matches!(cell(q1, "adult", "L0GM", "rob_mu"), Cell::Empty));
    assert_eq!(cell(q1, "adult", "L0GM", "rob_mu_paper").shown(), "0.8714");
}
