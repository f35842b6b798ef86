//! Every technique of `l0gm_train::compression` on a small table, through the door that the runner uses.
#![allow(clippy::unwrap_used)]

use super::runs::{modality, run};
use super::{small_csv, write};
use candle_core::Device;
use l0gm_train::{Modality, RunSpec, SpecRequest, TECHNIQUES, Unit};
use serde_json::json;
use std::path::Path;

/// A spec with a quarter left, every branch behind the gate or the linear one beside it.
fn spec(path: &Path, method: &str, bypass: bool) -> RunSpec {
    let overrides = json!({
        "data": {"label": "label"},
        "encoding": {"bins": 8},
        "model": {"dim": 4, "deep": [16], "cin": {"maps": [4]}, "bypass": bypass},
        "train": {"epochs": 6, "batch-size": 64, "target": 0.25, "robustness": true},
        "method": {"deep-ensemble": {"members": 2}},
    });
    let request = SpecRequest {
        overrides: &overrides,
        ..SpecRequest::new(path.to_str().unwrap(), method)
    };
    modality().spec(&request).unwrap()
}

#[test]
fn every_technique_runs_is_judged_and_says_what_it_left() {
    let dir = tempfile::tempdir().unwrap();
    let path = write(dir.path(), "own.csv", small_csv(400));
    for (technique, bypass) in TECHNIQUES
        .into_iter()
        .zip([true, false].into_iter().cycle())
    {
        let info = technique.info();
        let spec = spec(&path, &info.name, bypass);
        let folder = dir.path().join(&*info.name);
        let record = run(&spec, &folder);
        assert_eq!(record.method, info);
        assert!(record.robustness.is_some(), "{}", info.name);
        let refused = |what: &str| record.not_offered.iter().find(|no| no.what == what);
        match record.compression {
            None => {
                assert!(!info.has_knob());
                assert!(refused("compact form").is_some());
            }
            Some(kept) if kept.unit == Unit::Weights => {
                assert!((kept.share() - 0.25).abs() < 0.5 / kept.of as f64 + 1e-9);
                let reason = &refused("compact form").unwrap().reason;
                assert!(reason.contains("single weights"), "{reason}");
                assert!(record.sizes.parameters < kept.of as u64, "{}", info.name);
                assert!(record.compact.is_none());
            }
            Some(kept) => {
                // 4 fields of 4 dimensions.
                assert_eq!((kept.kept, kept.of), (4, 16), "{}", info.name);
                assert_eq!(record.gate.active_fraction, 0.25);
                let compact = record.compact.unwrap();
                assert!(compact.max_logit_difference < 1e-5, "{}", info.name);
                assert!(compact.compact.parameters < compact.gated.parameters);
                assert_eq!(record.gate.fields.len(), 4);
            }
        }
        let timed = modality().timed(&spec, &folder, &Device::Cpu);
        assert_eq!(timed.is_ok(), technique.members(&spec).unwrap() == 1);
    }
}

#[test]
fn a_technique_needs_a_target_and_a_head_that_it_can_rank_by() {
    let dir = tempfile::tempdir().unwrap();
    let path = write(dir.path(), "own.csv", small_csv(60));
    let overrides = json!({"data": {"label": "label"}});
    let request = SpecRequest {
        overrides: &overrides,
        ..SpecRequest::new(path.to_str().unwrap(), "snip")
    };
    let message = modality().spec(&request).unwrap_err().to_string();
    assert!(message.contains("--target"), "{message}");
}
