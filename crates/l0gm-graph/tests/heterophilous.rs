//! A graph whose neighbours are mostly of other classes: a user's own files must be predicted at least as well as by
//! the attributes alone.

#![allow(clippy::unwrap_used)]

use candle_core::Device;
use l0gm_data::{Catalogue, DataOptions, FetchPolicy};
use l0gm_graph::GraphModality;
use l0gm_ops::Generator;
use l0gm_train::{Modality, RunContext, RunRecord, SpecRequest, StopFlag};
use serde_json::json;
use std::fmt::Write;
use std::path::Path;

/// Three classes with dense attributes on different scales. Of five neighbours that a node asks for, few are of its
/// class.
fn write_graph(dir: &Path) {
    let mut random = Generator::new(3);
    let nodes = 600u64;
    let (classes, columns) = (3u64, 6usize);
    let centres: Vec<f64> = (0..classes as usize * columns)
        .map(|_| random.normal())
        .collect();
    let labels: Vec<u64> = (0..nodes).map(|_| random.below(classes)).collect();
    let mut table = String::from("id,label,a,b,c,d,e,f\n");
    let mut edges = String::from("source,target\n");
    for (node, &label) in labels.iter().enumerate() {
        write!(table, "{node},class{label}").unwrap();
        for column in 0..columns {
            let centre = centres[label as usize * columns + column];
            let value = (centre + random.normal()) * (1.0 + 10.0 * column as f64);
            write!(table, ",{value:.4}").unwrap();
        }
        table.push('\n');
        let mut asked = 0;
        while asked < 5 {
            let other = random.below(nodes);
            let kept = if labels[other as usize] == label {
                0.1
            } else {
                0.9
            };
            if other != node as u64 && random.uniform() < kept {
                writeln!(edges, "{node},{other}").unwrap();
                asked += 1;
            }
        }
    }
    std::fs::write(dir.join("nodes.csv"), table).unwrap();
    std::fs::write(dir.join("edges.csv"), edges).unwrap();
}

fn run(path: &Path, method: &str, target: Option<&str>, out: &Path) -> RunRecord {
    let options = DataOptions {
        fetch: FetchPolicy::LocalOnly,
        ..DataOptions::default()
    };
    let graphs = GraphModality::new(Catalogue::new(options).unwrap());
    let mut overrides = json!({"train": {"epochs": 80, "robustness": false}});
    if let Some(target) = target {
        overrides["train"]["target"] = json!(target);
    }
    let spec = graphs
        .spec(&SpecRequest {
            overrides: &overrides,
            ..SpecRequest::new(path.to_str().unwrap(), method)
        })
        .unwrap();
    let mut context = RunContext {
        dir: out.join(spec.id()),
        device: Device::Cpu,
        device_name: "cpu".into(),
        threads: 1,
        progress: &mut (),
        stop: StopFlag::default(),
        baselines: Vec::new(),
    };
    graphs.run(&spec, &mut context).unwrap()
}

#[test]
fn neither_dense_nor_gated_loses_to_the_attributes_alone() {
    let dir = tempfile::tempdir().unwrap();
    write_graph(dir.path());
    let out = dir.path().join("runs");
    let nll = |record: &RunRecord| record.calibration.nll;
    let logistic = nll(&run(dir.path(), "logistic", None, &out));
    let dense = run(dir.path(), "dense", None, &out);
    let gated = run(dir.path(), "l0gm", Some("15%"), &out);
    for record in [&dense, &gated] {
        assert!(nll(record) <= logistic * 1.02, "{} {logistic}", nll(record));
        let selection = record.selection.unwrap();
        assert!(selection.gap() <= 0.05, "{selection:?}");
        let notes = record.data.notes.join(" ");
        assert!(
            notes.contains("search of") && notes.contains("class scores"),
            "{notes}"
        );
    }
    assert!((record_active(&gated) - 0.15).abs() < 0.02);
}

fn record_active(record: &RunRecord) -> f64 {
    record.gate.active_fraction
}
