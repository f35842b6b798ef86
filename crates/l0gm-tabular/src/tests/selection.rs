//! Complete runs of methods that choose columns before training, and of stochastic gates.
#![allow(clippy::unwrap_used)]

use super::runs::{modality, run};
use super::{small_csv, write};
use l0gm_train::{Modality, RunSpec, SpecRequest};
use serde_json::json;
use std::path::Path;

const SELECTIONS: [&str; 4] = [
    "select-mutual-information",
    "select-recursive",
    "select-l1",
    "select-gain",
];

fn request(path: &Path, method: &str, target: Option<f64>) -> l0gm_train::Result<RunSpec> {
    let overrides = json!({
        "data": {"label": "label"},
        "encoding": {"bins": 8},
        "model": {"dim": 4, "deep": [16], "cin": {"maps": [4]}},
        "train": {"epochs": 12, "batch-size": 64, "target": target},
    });
    modality().spec(&SpecRequest {
        overrides: &overrides,
        ..SpecRequest::new(path.to_str().unwrap(), method)
    })
}

#[test]
fn every_criterion_keeps_the_columns_that_the_label_follows_and_the_model_is_without_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let path = write(dir.path(), "own.csv", small_csv(600));
    for method in SELECTIONS {
        let spec = request(&path, method, Some(0.5)).unwrap();
        let record = run(&spec, &dir.path().join(method));
        assert_eq!(record.gate.active_fraction, 0.5, "{method}");
        // The label follows age and job; a field is open or closed as a whole.
        let open: Vec<(&str, usize)> = record
            .gate
            .fields
            .iter()
            .map(|(name, open)| (name.as_str(), *open))
            .collect();
        assert_eq!(
            open,
            [("job", 4), ("town", 0), ("age", 4), ("gain", 0)],
            "{method}"
        );
        assert!(
            record
                .history
                .iter()
                .all(|epoch| epoch.active_fraction == 0.5)
        );
        let notes = record.data.notes.join("\n");
        assert!(notes.contains("kept 2 of 4 columns, 50.0%"), "{notes}");
        assert!(notes.contains("every branch behind the gate"), "{notes}");
        let compact = record.compact.unwrap();
        assert!(compact.max_logit_difference < 1e-5);
        assert!(compact.compact.parameters < compact.gated.parameters);
    }
}

#[test]
fn at_least_one_column_is_kept_and_a_target_must_be_given() {
    let dir = tempfile::tempdir().unwrap();
    let path = write(dir.path(), "own.csv", small_csv(300));
    let spec = request(&path, "select-mutual-information", Some(0.05)).unwrap();
    let record = run(&spec, &dir.path().join("run"));
    assert_eq!(record.gate.active_fraction, 0.25);
    let missing = request(&path, "select-gain", None).unwrap_err().to_string();
    assert!(missing.contains("--target 15%"), "{missing}");
}

#[test]
fn stochastic_gates_reach_their_target_and_compact() {
    let dir = tempfile::tempdir().unwrap();
    let path = write(dir.path(), "own.csv", small_csv(600));
    let spec = request(&path, "stg", Some(0.25)).unwrap();
    let record = run(&spec, &dir.path().join("run"));
    assert_eq!(record.gate.active_fraction, 0.25);
    assert_eq!(record.gate.inference_name(), "median");
    let notes = record.data.notes.join("\n");
    assert!(notes.contains("Gaussian noise, sigma 0.5"), "{notes}");
    assert!(record.compact.unwrap().max_logit_difference < 1e-5);
}
