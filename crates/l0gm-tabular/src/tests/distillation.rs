//! Distillation on a table: a run with a teacher differs from one without, says so, and is repeatable.
#![allow(clippy::unwrap_used)]

use super::runs::run;
use super::{small_csv, write};
use crate::TabularModality;
use l0gm_data::{Catalogue, DataOptions, FetchPolicy};
use l0gm_train::{Modality, RunRecord, RunSpec, SpecRequest, finished_record};
use serde_json::{Value, json};
use std::path::Path;

fn spec(path: &Path, method: &str, overrides: &Value) -> l0gm_train::Result<RunSpec> {
    let options = DataOptions {
        fetch: FetchPolicy::LocalOnly,
        ..DataOptions::default()
    };
    let mut all = json!({"data": {"label": "label"}, "train": {"epochs": 3}});
    for (key, value) in overrides.as_object().unwrap() {
        all[key] = value.clone();
    }
    TabularModality::new(Catalogue::new(options).unwrap()).spec(&SpecRequest {
        overrides: &all,
        ..SpecRequest::new(path.to_str().unwrap(), method)
    })
}

fn fitted(path: &Path, dir: &Path, overrides: &Value) -> RunRecord {
    run(&spec(path, "dense", overrides).unwrap(), dir);
    finished_record(dir).unwrap().unwrap()
}

#[test]
fn trees_teach_a_model_and_the_record_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let path = write(dir.path(), "own.csv", small_csv(300));
    let taught = json!({"distillation": {"teacher": "trees"}});
    let nobody = json!({"distillation": {"teacher": "none"}});
    let first = fitted(&path, &dir.path().join("first"), &taught);
    let second = fitted(&path, &dir.path().join("second"), &taught);
    let alone = fitted(&path, &dir.path().join("alone"), &nobody);
    assert_eq!(first.valid_nll, second.valid_nll);
    assert_ne!(first.valid_nll, alone.valid_nll);
    assert_ne!(first.run_id, alone.run_id);
    let said = |record: &RunRecord| record.data.notes.iter().any(|n| n.contains("taught by"));
    assert!(said(&first) && !said(&alone));
}

#[test]
fn a_weight_or_a_number_of_members_out_of_range_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let path = write(dir.path(), "own.csv", small_csv(60));
    for (overrides, expected) in [
        (
            json!({"distillation": {"weight": 0.0}}),
            "distillation.weight is 0.0",
        ),
        (json!({"model": {"members": 0}}), "model.members is 0"),
        (
            json!({"model": {"members": 4, "deep": []}}),
            "members share hidden layers",
        ),
    ] {
        let text = spec(&path, "dense", &overrides).unwrap_err().to_string();
        assert!(text.contains(expected), "{text}");
    }
}
