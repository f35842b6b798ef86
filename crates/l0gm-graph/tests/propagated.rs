//! Runs of the methods that propagate features or labels once, through the door that the runner uses, on a small graph.
#![allow(clippy::unwrap_used)]

use candle_core::Device;
use l0gm_data::{Catalogue, DataOptions};
use l0gm_graph::GraphModality;
use l0gm_train::{
    Error, Modality, Role, RunContext, RunRecord, RunSpec, SpecRequest, Split, StopFlag,
    read_predictions,
};
use serde_json::{Value, json};
use std::path::PathBuf;

const NODES: usize = 240;

struct Bench {
    folder: tempfile::TempDir,
    graphs: GraphModality,
}

impl Bench {
    /// Three classes, each a ring of its own, with noisy attributes. The last node has no edge.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let nodes = (0..=NODES).map(|node| {
            let attribute = |column: usize| {
                let noise = (node * 37 + column * 101 + node * node * 11) % 97;
                noise as f64 / 97.0 + if node % 3 == column { 0.4 } else { 0.0 }
            };
            let class = ["a", "b", "c"][node % 3];
            let [x, y, z] = [0, 1, 2].map(attribute);
            format!("n{node},{class},{x},{y},{z}\n")
        });
        let edges = (0..NODES)
            .flat_map(|node| [3, 6, 9].map(|step| format!("n{node},n{}\n", (node + step) % NODES)));
        let (nodes, edges): (String, String) = (nodes.collect(), edges.collect());
        let graph = folder.path().join("graph");
        std::fs::create_dir(&graph).unwrap();
        std::fs::write(graph.join("nodes.csv"), format!("id,label,x,y,z\n{nodes}")).unwrap();
        std::fs::write(graph.join("edges.csv"), format!("source,target\n{edges}")).unwrap();
        Self {
            folder,
            graphs: GraphModality::new(Catalogue::new(DataOptions::default()).unwrap()),
        }
    }

    /// The spec of a method with a short training and a narrow network.
    fn spec(&self, method: &str, overrides: &Value) -> l0gm_train::Result<RunSpec> {
        let mut all = json!({
            "train": {"epochs": 80, "batch-size": 48, "target": 0.25},
            "method": {
                "sign": {"width": 16, "dropout": 0.2},
                "sign-l0gm": {"width": 16, "dropout": 0.2},
            },
        });
        if let Value::Object(given) = overrides {
            for (key, value) in given {
                all[key] = value.clone();
            }
        }
        let graph = self.folder.path().join("graph");
        self.graphs.spec(&SpecRequest {
            overrides: &all,
            ..SpecRequest::new(graph.to_str().unwrap(), method)
        })
    }

    fn dir(&self, spec: &RunSpec) -> PathBuf {
        self.folder.path().join("out").join(spec.id())
    }

    fn run(&self, spec: &RunSpec, stop: StopFlag) -> l0gm_train::Result<RunRecord> {
        let mut context = RunContext {
            dir: self.dir(spec),
            device: Device::Cpu,
            device_name: "cpu".into(),
            threads: 2,
            progress: &mut (),
            stop,
            baselines: Vec::new(),
        };
        self.graphs.run(spec, &mut context)
    }
}

#[test]
fn every_method_is_run_perturbed_recorded_and_built_again_to_be_timed() {
    let bench = Bench::new();
    for (method, features, gated) in [
        ("label-propagation", false, false),
        ("sgc", true, false),
        ("sign", true, false),
        ("sign-l0gm", true, true),
    ] {
        let spec = bench.spec(method, &json!({})).unwrap();
        assert!(bench.graphs.estimate(&spec).unwrap().as_secs() < 300);
        let record = bench.run(&spec, StopFlag::default()).unwrap();
        assert_eq!(record.method.role, Role::Rival);
        assert_eq!(record.method.gated, gated);
        assert!(!record.method.is_planned_by_default());
        assert!(
            record.test.accuracy > 0.6,
            "{method}: {}",
            record.test.accuracy
        );
        match (features, record.robustness) {
            (true, Some(robustness)) => {
                assert_eq!(robustness.conditions.len(), 12);
                for result in &robustness.conditions {
                    assert_eq!(result.at, "features of test nodes");
                }
            }
            (features, robustness) => assert!(!features && robustness.is_none(), "{method}"),
        }
        assert_eq!(record.compact.is_some(), gated);
        if let Some(compact) = record.compact {
            assert_eq!(record.gate.total_dims, 16);
            assert!(record.gate.open_dims < 10, "{}", record.gate.open_dims);
            assert!(compact.max_logit_difference < 1e-5);
            assert!(compact.compact.parameters < compact.gated.parameters);
        }
        let timed = bench.graphs.timed(&spec, &bench.dir(&spec), &Device::Cpu);
        if !features {
            assert!(matches!(timed, Err(Error::NoModel(_))));
            continue;
        }
        let timed = timed.unwrap();
        let tables = read_predictions(&bench.dir(&spec).join("predictions.parquet")).unwrap();
        let test = tables.iter().find(|table| table.split == Split::Test);
        assert!(timed.check(test.unwrap()).unwrap() < 1e-5, "{method}");
        let batch = timed.batch(8).unwrap().unwrap();
        let trained = (batch.trained)().unwrap();
        assert_eq!(trained.dim(1).unwrap(), 3);
        assert_eq!(batch.compact.is_some(), gated);
        if let Some(compact) = batch.compact {
            let apart = l0gm_train::largest_difference(&trained, &compact().unwrap());
            assert!(apart.unwrap() < 1e-5);
        }
    }
}

#[test]
fn a_stopped_run_ends_in_the_same_record() {
    let bench = Bench::new();
    for method in ["label-propagation", "sign"] {
        let spec = bench.spec(method, &json!({})).unwrap();
        let stop = StopFlag::default();
        stop.stop();
        let stopped = bench.run(&spec, stop);
        assert!(matches!(stopped, Err(Error::Stopped)), "{stopped:?}");
        let again = bench.run(&spec, StopFlag::default()).unwrap();
        let other = Bench::new();
        let spec = other.spec(method, &json!({})).unwrap();
        let whole = other.run(&spec, StopFlag::default()).unwrap();
        assert_eq!((again.test, again.valid), (whole.test, whole.valid));
    }
}

#[test]
fn what_cannot_work_is_refused_with_the_setting_to_change() {
    let bench = Bench::new();
    let own = |settings: Value| json!({"method": settings});
    for (method, settings, named) in [
        (
            "sign",
            json!({"sign": {"hops": 0}}),
            "method.sign.hops is 0",
        ),
        ("sign", json!({"sign": {"hop": 2}}), "hops"),
        (
            "label-propagation",
            json!({"label-propagation": {"alphas": [2.0]}}),
            "method.label-propagation.alphas",
        ),
        (
            "sgc",
            json!({"sgc": {"regression": {"strengths": []}}}),
            "strengths",
        ),
    ] {
        let error = bench.spec(method, &own(settings)).unwrap_err().to_string();
        assert!(error.contains(named), "{error}");
    }
    // Groups that fill the graph network's interface and not SIGN's, before the graph is loaded.
    let mut groups = own(json!({"sign-l0gm": {"width": 16}}));
    groups["gate"] = json!({"granularity": "group", "group-width": 32});
    let spec = bench.spec("sign-l0gm", &groups).unwrap();
    let error = bench.graphs.estimate(&spec).unwrap_err().to_string();
    assert!(error.contains("method.sign-l0gm.width"), "{error}");
    let tight = own(json!({"sign": {"memory-gib": 1e-6}, "sgc": {"memory-gib": 1e-6}}));
    for method in ["sign", "sgc"] {
        let spec = bench.spec(method, &tight).unwrap();
        let error = bench.run(&spec, StopFlag::default()).unwrap_err();
        let named = format!("method.{method}.memory-gib");
        assert!(error.to_string().contains(&named), "{error}");
    }
}
