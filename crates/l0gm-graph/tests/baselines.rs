//! Runs of the baselines for graphs through the door that the runner uses, on a small graph.
#![allow(clippy::unwrap_used)]

use candle_core::Device;
use l0gm_data::rows::{self, ReadOptions, Source};
use l0gm_data::{Catalogue, DataOptions};
use l0gm_graph::GraphModality;
use l0gm_train::{
    Error, Modality, Role, RunContext, RunRecord, RunSpec, SpecRequest, Split, StopFlag,
    read_predictions,
};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// How many nodes the graph has.
const NODES: usize = 240;

struct Bench {
    folder: tempfile::TempDir,
    graphs: GraphModality,
}

impl Bench {
    /// Three classes, each a ring of its own. A node's attributes tell little of its class, and those of its
    /// neighbours together tell much.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let nodes = (0..NODES).map(|node| {
            let attribute = |column: usize| {
                let noise = (node * 37 + column * 101 + node * node * 11) % 97;
                noise as f64 / 97.0 + if node % 3 == column { 0.4 } else { 0.0 }
            };
            let class = ["a", "b", "c"][node % 3];
            format!(
                "n{node},{class},{},{},{}\n",
                attribute(0),
                attribute(1),
                attribute(2)
            )
        });
        let edges = (0..NODES)
            .flat_map(|node| [3, 6, 9].map(|step| format!("n{node},n{}\n", (node + step) % NODES)));
        let nodes: String = nodes.collect();
        let edges: String = edges.collect();
        let graph = folder.path().join("graph");
        std::fs::create_dir(&graph).unwrap();
        std::fs::write(graph.join("nodes.csv"), format!("id,label,x,y,z\n{nodes}")).unwrap();
        std::fs::write(graph.join("edges.csv"), format!("source,target\n{edges}")).unwrap();
        let catalogue = Catalogue::new(DataOptions::default()).unwrap();
        Self {
            folder,
            graphs: GraphModality::new(catalogue),
        }
    }

    fn spec(&self, method: &str, overrides: &Value) -> RunSpec {
        let graph = self.folder.path().join("graph");
        let request = SpecRequest {
            overrides,
            ..SpecRequest::new(graph.to_str().unwrap(), method)
        };
        self.graphs.spec(&request).unwrap()
    }

    fn dir(&self, out: &str, spec: &RunSpec) -> PathBuf {
        self.folder.path().join(out).join(spec.id())
    }

    fn run(&self, spec: &RunSpec, out: &str, stop: StopFlag) -> l0gm_train::Result<RunRecord> {
        let mut context = RunContext {
            dir: self.dir(out, spec),
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

fn bytes(dir: &Path, name: &str) -> Vec<u8> {
    std::fs::read(dir.join(name)).unwrap()
}

#[test]
fn both_baselines_are_planned_run_perturbed_and_recorded() {
    let bench = Bench::new();
    let accuracy = |method: &str| {
        let spec = bench.spec(method, &json!({}));
        assert_eq!(spec.lambda, None);
        assert!(spec.settings[RunSpec::METHOD_SETTINGS]["max-iterations"].is_u64());
        assert!(bench.graphs.estimate(&spec).unwrap().as_secs() < 300);
        let record = bench.run(&spec, "out", StopFlag::default()).unwrap();
        assert_eq!(record.method.role, Role::Baseline);
        assert!(record.gate.kind.is_none() && record.gate.total_dims == 0);
        assert_eq!(record.data.classes, ["a", "b", "c"]);
        assert!(record.data.reading.is_some());
        assert_eq!(record.not_offered.len(), 1);
        assert_eq!(record.not_offered[0].what, "compact form");
        assert!(record.latency_us_per_example.is_some());
        let robustness = record.robustness.unwrap();
        assert_eq!(robustness.conditions.len(), 12);
        for result in &robustness.conditions {
            assert_eq!(result.at, "features of test nodes");
        }
        record.test.accuracy
    };
    let (own, two_hop) = (accuracy("logistic"), accuracy("two-hop"));
    assert!(own > 1.0 / 3.0 && two_hop > own, "{own} {two_hop}");
}

#[test]
fn a_finished_run_is_not_run_again_and_a_stopped_one_ends_in_the_same_record() {
    let bench = Bench::new();
    for method in ["logistic", "two-hop"] {
        let spec = bench.spec(method, &json!({}));
        let whole = bench.run(&spec, "whole", StopFlag::default()).unwrap();
        let before = bytes(&bench.dir("whole", &spec), "record.json");
        assert_eq!(
            bench.run(&spec, "whole", StopFlag::default()).unwrap(),
            whole
        );
        assert_eq!(bytes(&bench.dir("whole", &spec), "record.json"), before);
        let stop = StopFlag::default();
        stop.stop();
        let stopped = bench.run(&spec, "cut", stop);
        assert!(matches!(stopped, Err(Error::Stopped)), "{stopped:?}");
        let again = bench.run(&spec, "cut", StopFlag::default()).unwrap();
        assert_eq!((again.test, again.valid), (whole.test, whole.valid));
        assert_eq!(
            again.robustness.unwrap().rob_mu(),
            whole.robustness.unwrap().rob_mu()
        );
        for file in ["logistic.safetensors", "predictions.parquet"] {
            let of = |out: &str| bytes(&bench.dir(out, &spec), file);
            assert!(of("cut") == of("whole"), "{method}: {file}");
        }
    }
}

#[test]
fn predictions_are_joined_to_nodes_by_their_ids() {
    let bench = Bench::new();
    let spec = bench.spec("majority", &json!({}));
    let record = bench.run(&spec, "out", StopFlag::default()).unwrap();
    let path = bench.dir("out", &spec).join("predictions.parquet");
    let found = rows::read(&Source::path(path), &ReadOptions::default()).unwrap();
    assert_eq!(
        found.rows(),
        record.data.rows["valid"] + record.data.rows["test"]
    );
    let mut met = HashSet::new();
    for row in 0..found.rows() {
        let cell = |name: &str| found.column(name).unwrap().cell(row).unwrap();
        let id = cell("source_row");
        assert!(met.insert(id.to_owned()), "{id} twice");
        let node: usize = id.strip_prefix('n').unwrap().parse().unwrap();
        assert_eq!(cell("label_class"), ["a", "b", "c"][node % 3], "{id}");
        assert_eq!(cell("source_file"), "nodes.csv");
    }
}

#[test]
fn the_model_of_a_finished_run_is_built_again_to_be_timed() {
    let bench = Bench::new();
    for method in ["logistic", "two-hop"] {
        let spec = bench.spec(method, &json!({}));
        bench.run(&spec, "out", StopFlag::default()).unwrap();
        let dir = bench.dir("out", &spec);
        let timed = bench.graphs.timed(&spec, &dir, &Device::Cpu).unwrap();
        let tables = read_predictions(&dir.join("predictions.parquet")).unwrap();
        let test = tables
            .iter()
            .find(|table| table.split == Split::Test)
            .unwrap();
        // Two hops at once or one after the other: the sums are rounded differently.
        assert!(timed.check(test).unwrap() < 1e-5, "{method}");
        // All test nodes, whatever size is asked for.
        let batch = timed.batch(1).unwrap().unwrap();
        assert_eq!((batch.trained)().unwrap().dims(), [test.rows.len(), 3]);
    }
}
