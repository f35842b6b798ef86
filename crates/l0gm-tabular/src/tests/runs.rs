//! Complete runs through the modality, on small tables.
#![allow(clippy::unwrap_used)]

use super::{small_csv, write};
use crate::TabularModality;
use candle_core::Device;
use l0gm_data::{Catalogue, DataOptions, FetchPolicy};
use l0gm_train::{Modality, RunContext, RunRecord, RunSpec, SpecRequest, StopFlag};
use serde_json::json;
use std::path::Path;

pub(super) fn modality() -> TabularModality {
    let options = DataOptions {
        fetch: FetchPolicy::LocalOnly,
        ..DataOptions::default()
    };
    TabularModality::new(Catalogue::new(options).unwrap())
}

pub(super) fn spec(path: &Path, method: &str, lambda: Option<f64>, gate_travel: f64) -> RunSpec {
    let overrides = json!({
        "data": {"label": "label"},
        "encoding": {"bins": 8},
        "model": {"dim": 4, "deep": [16], "cin": {"maps": [4]}},
        "train": {"epochs": 12, "batch-size": 64, "optimiser": {"gate-travel": gate_travel}},
    });
    let dataset = path.to_str().unwrap();
    modality()
        .spec(&SpecRequest {
            lambda,
            overrides: &overrides,
            ..SpecRequest::new(dataset, method)
        })
        .unwrap()
}

pub(super) fn run(spec: &RunSpec, dir: &Path) -> RunRecord {
    let mut context = RunContext {
        dir: dir.to_path_buf(),
        device: Device::Cpu,
        device_name: "cpu".into(),
        threads: 1,
        progress: &mut (),
        stop: StopFlag::default(),
        baselines: Vec::new(),
    };
    modality().run(spec, &mut context).unwrap()
}

#[test]
fn a_table_of_ones_own_runs_dense_and_gated_and_more_lambda_opens_less() {
    let dir = tempfile::tempdir().unwrap();
    let path = write(dir.path(), "own.csv", small_csv(600));
    let dense = run(&spec(&path, "dense", None, 60.0), &dir.path().join("dense"));
    assert_eq!(
        (dense.gate.active_fraction, dense.compact.is_none()),
        (1.0, true)
    );
    // Better than always predicting the most frequent class.
    let counts: Vec<u64> = dense
        .test
        .confusion
        .iter()
        .map(|row| row.iter().sum())
        .collect();
    let majority = counts[0].max(counts[1]) as f64 / (counts[0] + counts[1]) as f64;
    let accuracy = dense.test.accuracy;
    assert!(accuracy > majority + 0.05, "{accuracy} against {majority}");
    let mut before = 1.0;
    for (i, lambda) in [1e-2, 1e-1].into_iter().enumerate() {
        let spec = spec(&path, "l0gm", Some(lambda), 60.0);
        let record = run(&spec, &dir.path().join(format!("gated-{i}")));
        assert!(
            record.gate.active_fraction < before,
            "{} at {lambda}",
            record.gate.active_fraction
        );
        before = record.gate.active_fraction;
        let compact = record.compact.unwrap();
        assert!(compact.max_logit_difference < 1e-5 && compact.rows == 120);
        assert_eq!(record.gate.fields.len(), 4);
        assert!(
            record
                .data
                .notes
                .iter()
                .any(|note| note.contains("every branch behind the gate"))
        );
        assert!(!record.data.reductions.is_empty());
    }
}

#[test]
fn the_same_spec_gives_the_same_predictions() {
    let dir = tempfile::tempdir().unwrap();
    let path = write(dir.path(), "own.csv", small_csv(300));
    let spec = spec(&path, "l0gm", Some(1e-2), 60.0);
    let read = |name: &str| {
        run(&spec, &dir.path().join(name));
        l0gm_train::read_predictions(&dir.path().join(name).join("predictions.parquet")).unwrap()
    };
    assert_eq!(read("a"), read("b"));
}

#[test]
fn a_spec_is_complete_and_names_its_method() {
    let dir = tempfile::tempdir().unwrap();
    let path = write(dir.path(), "own.csv", small_csv(30));
    let gated = spec(&path, "l0gm", Some(3e-3), 60.0);
    assert_eq!(gated.settings["gate"]["inference"], "median");
    assert_eq!(gated.settings["train"]["objective"]["lambda"], 3e-3);
    assert_eq!(gated.settings["train"]["batch-size"], 64);
    let dense = spec(&path, "dense", None, 60.0);
    assert_eq!(
        (
            dense.lambda,
            &dense.settings["train"]["objective"]["lambda"]
        ),
        (None, &json!(0.0))
    );
    let overrides = json!({"data": {"label": "label"}});
    let dataset = path.to_str().unwrap();
    let refused = modality().spec(&SpecRequest {
        lambda: Some(1.0),
        overrides: &overrides,
        ..SpecRequest::new(dataset, "dense")
    });
    let message = refused.unwrap_err().to_string();
    assert!(message.contains("no lambda"), "{message}");
}
