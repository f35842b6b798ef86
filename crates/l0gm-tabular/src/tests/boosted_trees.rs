//! Boosted trees as a baseline: what they learn, what they read, and that they are repeatable.
#![allow(clippy::unwrap_used)]

use super::runs::run;
use super::{small_csv, write};
use crate::TabularModality;
use l0gm_data::{Catalogue, DataOptions, FetchPolicy};
use l0gm_train::{Modality, PredictionTable, RunSpec, SpecRequest, read_predictions};
use serde_json::{Value, json};
use std::path::Path;

fn spec(path: &Path, method: &str, seed: u64, overrides: &Value) -> l0gm_train::Result<RunSpec> {
    let options = DataOptions {
        fetch: FetchPolicy::LocalOnly,
        ..DataOptions::default()
    };
    let mut all = json!({"data": {"label": "label"}});
    for (key, value) in overrides.as_object().unwrap() {
        all[key] = value.clone();
    }
    TabularModality::new(Catalogue::new(options).unwrap()).spec(&SpecRequest {
        overrides: &all,
        seed,
        ..SpecRequest::new(path.to_str().unwrap(), method)
    })
}

fn boosted(path: &Path, dir: &Path, seed: u64) -> Vec<PredictionTable> {
    let spec = spec(path, "forust", seed, &json!({})).unwrap();
    run(&spec, dir);
    read_predictions(&dir.join("predictions.parquet")).unwrap()
}

/// The label is whether a number is large, turned round by a category, with a tenth of noise.
fn interaction(rows: usize) -> String {
    let mut out = String::from("side,size,noise,label\n");
    for i in 0..rows {
        let (side, size) = (["left", "right"][i * 7 / 3 % 2], i * 37 % 101);
        let label = (size > 50) ^ (side == "left") ^ (i % 10 == 0);
        out += &format!(
            "{side},{size}.5,{}.25,{}\n",
            i * 53 % 89,
            ["no", "yes"][usize::from(label)]
        );
    }
    out
}

/// Three classes by two numbers, one of which is missing in places.
fn three_classes(rows: usize) -> String {
    let mut out = String::from("a,b,label\n");
    for i in 0..rows {
        let (a, b) = (i * 29 % 83, i * 17 % 61);
        let label =
            ["low", "middle", "high"][(usize::from(a > 40)) + usize::from(a > 40 && b > 30)];
        let b = if i % 13 == 0 {
            String::new()
        } else {
            format!("{b}.5")
        };
        out += &format!("{a}.5,{b},{label}\n");
    }
    out
}

#[test]
fn boosted_trees_learn_an_interaction_that_logistic_regression_cannot() {
    let dir = tempfile::tempdir().unwrap();
    let path = write(dir.path(), "own.csv", interaction(900));
    let accuracy = |method: &str| {
        let spec = spec(&path, method, 0, &json!({})).unwrap();
        run(&spec, &dir.path().join(method)).test.accuracy
    };
    let (trees, linear) = (accuracy("forust"), accuracy("logistic"));
    assert!(trees > 0.8 && linear < 0.65, "{trees} against {linear}");
}

#[test]
fn three_classes_have_probabilities_that_sum_to_one_and_beat_the_majority() {
    let dir = tempfile::tempdir().unwrap();
    let path = write(dir.path(), "own.csv", three_classes(900));
    let tables = boosted(&path, &dir.path().join("run"), 0);
    assert_eq!(tables.len(), 2);
    for table in &tables {
        assert_eq!(table.classes, 3);
        for row in table.probabilities().chunks_exact(3) {
            assert!(row.iter().all(|p| p.is_finite() && *p > 0.0), "{row:?}");
            assert!((row.iter().sum::<f64>() - 1.0).abs() < 1e-9, "{row:?}");
        }
        assert!(table.accuracy() > 0.9, "{}", table.accuracy());
    }
}

#[test]
fn missing_cells_and_categories_that_training_never_met_are_predicted() {
    let dir = tempfile::tempdir().unwrap();
    let path = write(dir.path(), "own.csv", small_csv(300));
    let unseen = "job,age,town,gain,label\npilot,,west,,yes\n,30,,5,no\npilot,41,north,1e9,no\n";
    let test = write(dir.path(), "test.csv", unseen);
    let data = json!({"data": {"label": "label", "test-file": test.to_str().unwrap(), "split": "official"}});
    let record = run(
        &spec(&path, "forust", 0, &data).unwrap(),
        &dir.path().join("run"),
    );
    assert_eq!(record.data.rows["test"], 3);
    assert!(record.calibration.nll.is_finite());
    // Every condition of the robustness protocol, and what a record's tables show.
    assert_eq!(record.robustness.unwrap().conditions.len(), 12);
    let refused: Vec<&str> = record.not_offered.iter().map(|n| n.what.as_str()).collect();
    assert_eq!(refused, ["compact form"]);
    assert!(record.sizes.parameters > 0);
}

#[test]
fn a_field_of_many_values_is_read_by_its_classes_shares_out_of_fold() {
    // Each person has a label of their own in most rows, and no other column says anything.
    let mut csv = String::from("person,noise,label\n");
    for i in 0..1200 {
        let person = i * 31 % 60;
        let label = (person % 2 == 0) ^ (i % 9 == 0);
        csv += &format!(
            "p{person},{}.5,{}\n",
            i * 53 % 89,
            ["no", "yes"][usize::from(label)]
        );
    }
    let dir = tempfile::tempdir().unwrap();
    let path = write(dir.path(), "own.csv", csv);
    let tables = boosted(&path, &dir.path().join("run"), 0);
    let test = tables.last().unwrap();
    assert!(test.accuracy() > 0.8, "{}", test.accuracy());
}

#[test]
fn a_seed_decides_every_bit() {
    let dir = tempfile::tempdir().unwrap();
    let path = write(dir.path(), "own.csv", interaction(500));
    let first = boosted(&path, &dir.path().join("a"), 3);
    assert_eq!(first, boosted(&path, &dir.path().join("b"), 3));
    assert_ne!(first, boosted(&path, &dir.path().join("c"), 4));
}

#[test]
fn a_setting_out_of_range_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let path = write(dir.path(), "own.csv", small_csv(60));
    for (own, expected) in [
        (json!({"rows": 0.0}), "forust.rows is 0; expected"),
        (json!({"columns": 1.5}), "forust.columns is 1.5; expected"),
        (json!({"depth": 0}), "forust.depth is 0; expected"),
        (json!({"trees": 0}), "forust.trees is 0; expected"),
        (json!({"learning-rate": -1}), "forust.learning-rate is -1"),
        (json!({"dept": 3}), "depth"),
    ] {
        let method = json!({"method": {"forust": own}});
        let message = spec(&path, "forust", 0, &method).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
    }
}
