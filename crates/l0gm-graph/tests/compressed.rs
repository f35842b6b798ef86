//! Every technique of `l0gm_train::compression` on a small graph, through the door that the runner uses.
#![allow(clippy::unwrap_used)]

use candle_core::Device;
use l0gm_data::{Catalogue, DataOptions};
use l0gm_graph::GraphModality;
use l0gm_train::{Modality, RunContext, SpecRequest, StopFlag, TECHNIQUES, Unit};
use serde_json::json;
use std::path::Path;

const NODES: usize = 120;

/// Three classes, each a ring of its own, with noisy attributes.
fn write_graph(folder: &Path) {
    let nodes = (0..NODES).map(|node| {
        let attribute = |column: usize| {
            let noise = (node * 37 + column * 101 + node * node * 11) % 97;
            noise as f64 / 97.0 + if node % 3 == column { 0.4 } else { 0.0 }
        };
        let class = ["a", "b", "c"][node % 3];
        let [x, y, z] = [0, 1, 2].map(attribute);
        format!("n{node},{class},{x},{y},{z}\n")
    });
    let edges = (0..NODES)
        .flat_map(|node| [3, 6].map(|step| format!("n{node},n{}\n", (node + step) % NODES)));
    let (nodes, edges): (String, String) = (nodes.collect(), edges.collect());
    std::fs::write(folder.join("nodes.csv"), format!("id,label,x,y,z\n{nodes}")).unwrap();
    std::fs::write(folder.join("edges.csv"), format!("source,target\n{edges}")).unwrap();
}

#[test]
fn every_technique_runs_is_judged_and_says_what_it_left() {
    let folder = tempfile::tempdir().unwrap();
    write_graph(folder.path());
    let graphs = GraphModality::new(Catalogue::new(DataOptions::default()).unwrap());
    let overrides = json!({
        "scores": false, "search": null,
        "gcn": {"layers": 2, "width": 16, "interface-width": 16},
        "train": {"epochs": 40, "target": 0.25, "patience": 0},
        "method": {"deep-ensemble": {"members": 2}},
    });
    for technique in TECHNIQUES {
        let info = technique.info();
        let request = SpecRequest {
            overrides: &overrides,
            ..SpecRequest::new(folder.path().to_str().unwrap(), &info.name)
        };
        let spec = graphs.spec(&request).unwrap();
        let dir = folder.path().join("out").join(spec.id());
        let mut context = RunContext {
            dir: dir.clone(),
            device: Device::Cpu,
            device_name: "cpu".into(),
            threads: 2,
            progress: &mut (),
            stop: StopFlag::default(),
            baselines: Vec::new(),
        };
        assert!(graphs.estimate(&spec).unwrap().as_secs() < 300);
        let record = graphs.run(&spec, &mut context).unwrap();
        assert_eq!(record.method, info);
        match record.compression {
            None => assert!(!info.has_knob()),
            Some(kept) if kept.unit == Unit::Weights => {
                assert!((kept.share() - 0.25).abs() < 0.5 / kept.of as f64 + 1e-9);
                assert!(record.compact.is_none());
            }
            Some(kept) => {
                assert_eq!((kept.kept, kept.of), (4, 16), "{}", info.name);
                let compact = record.compact.unwrap();
                assert!(compact.max_logit_difference < 1e-4, "{}", info.name);
                assert!(compact.compact.parameters < compact.gated.parameters);
            }
        }
        let timed = graphs.timed(&spec, &dir, &Device::Cpu);
        assert_eq!(timed.is_ok(), technique.members(&spec).unwrap() == 1);
    }
}
