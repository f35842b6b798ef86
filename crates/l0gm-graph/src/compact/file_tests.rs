#![allow(clippy::unwrap_used)]
use super::*;
use crate::compact::model::tests::gated;
use crate::read_graph;
use crate::settings::GcnSettings;
use crate::test_graphs::two_communities;
use crate::{GraphModality, NodeSplit};
use l0gm_data::{Catalogue, DataOptions, FetchPolicy};
use l0gm_train::{
    Modality, RunContext, RunRecord, Sizes, SpecRequest, Split, StopFlag, read_predictions,
};
use serde_json::json;
use std::path::PathBuf;

pub(crate) fn write(dir: &Path, parts: CompactParts) {
    let header = CompactHeader {
        format: CompactFolder::FORMAT,
        modality: MODALITY.into(),
        run_id: "a-run".into(),
        classes: vec!["left".into(), "right".into()],
        temperature: 1.0,
        label: None,
        decision: None,
        gated: Sizes::default(),
        compact: Sizes::default(),
        files: BTreeMap::new(),
        model: serde_json::Value::Null,
    };
    CompactFolder::write(dir, header, parts).unwrap();
}

#[test]
fn loaded_logits_equal_gated_logits_with_and_without_norms_and_with_all_closed() {
    let graph = two_communities(30, 2);
    for (layers, interface_width, norm_last, residual, closed) in [
        (3, 16, true, true, false),
        (3, 16, false, true, false),
        (1, 16, true, false, false),
        (1, 16, false, false, false),
        (2, 16, true, false, true),
        // Few of many channels are kept, so mean and variance come from the layer's input.
        (3, 48, true, false, false),
    ] {
        let gcn = GcnSettings {
            layers,
            width: 16,
            interface_width,
            norm_last,
            residual,
            ..GcnSettings::default()
        };
        let settings = GraphSettings {
            features: FeatureScaling::Row,
            ..GraphSettings::default()
        };
        let model = gated(&gcn, |at| match at % 2 == 0 || closed {
            true => -8.0,
            false => 0.3 * at as f32,
        });
        let small = CompactModel::new(&model).unwrap();
        assert_eq!(small.is_closed(), closed);
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), small.parts(8, &settings).unwrap());
        let loaded = CompactGraph::load(dir.path(), &Device::Cpu).unwrap();
        // A normalised last layer of 16 channels keeps all of them.
        let kept = match (closed, norm_last && interface_width == 16) {
            (true, _) => 0,
            (false, true) => 16,
            (false, false) => interface_width / 2,
        };
        assert_eq!(loaded.kept().len(), kept);
        let spread = |layer: &&CompactLayer| matches!(layer.norm, CompactNorm::Spread { .. });
        let spreads = loaded.model().layers.iter().filter(spread).count();
        assert_eq!(spreads, usize::from(interface_width == 48));

        let mut scaled = graph.clone();
        scale_features(&mut scaled, FeatureScaling::Row).unwrap();
        let tensors = Arc::new(GraphTensors::new(&scaled, &Device::Cpu).unwrap());
        let all: Vec<NodeId> = (0..60).map(NodeId).collect();
        let rows = Arc::new(NodeRows::new(&tensors, &all).unwrap());
        let input = GraphInput {
            graph: tensors,
            rows,
        };
        let expected = model.logits(&input).unwrap();
        let found = loaded.logits(graph.clone()).unwrap();
        let difference = (expected - found).unwrap().abs().unwrap();
        let difference: f32 = difference.max_all().unwrap().to_scalar().unwrap();
        assert!(difference < 1e-5, "{difference} for {gcn:?}");
    }
}

#[test]
fn a_compact_model_with_class_scores_and_own_weights_keeps_the_logits() {
    let graph = two_communities(30, 2);
    // Which channels are closed: every other one, the whole network, both regressions, everything.
    let closed: [fn(usize) -> bool; 4] = [|c| c % 2 == 0, |c| c < 16, |c| c >= 16, |_| true];
    for norm_last in [false, true] {
        for closed in closed {
            let settings = GraphSettings {
                scores: true,
                gcn: GcnSettings {
                    layers: 2,
                    width: 12,
                    interface_width: 16,
                    norm_last,
                    own_weight: true,
                    sparse_features: true,
                    ..GcnSettings::default()
                },
                ..GraphSettings::default()
            };
            let device = Device::Cpu;
            let model = crate::build_model(&graph, &settings, true, 0, &device).unwrap();
            let mut random = l0gm_ops::Generator::new(5);
            for parameter in l0gm_train::GatedModel::parameters(&model) {
                let shape = parameter.var.shape().clone();
                let noise = random
                    .normal_tensor(shape, 0.1, 0.3, candle_core::DType::F32, &device)
                    .unwrap();
                parameter
                    .var
                    .set(&(parameter.var.as_tensor() + noise).unwrap())
                    .unwrap();
            }
            let log_alpha: Vec<f32> = (0..18)
                .map(|c| if closed(c) { -8.0 } else { 0.3 * c as f32 })
                .collect();
            let gates = candle_core::Tensor::new(log_alpha, &device).unwrap();
            model.gate.log_alpha().unwrap().set(&gates).unwrap();

            let small = CompactModel::new(&model).unwrap();
            let dir = tempfile::tempdir().unwrap();
            write(dir.path(), small.parts(8, &settings).unwrap());
            let loaded = CompactGraph::load(dir.path(), &device).unwrap();
            assert_eq!(loaded.kept(), small.kept());
            let tensors = Arc::new(GraphTensors::new(&graph, &device).unwrap());
            let all: Vec<NodeId> = (0..60).map(NodeId).collect();
            let rows = Arc::new(NodeRows::new(&tensors, &all).unwrap());
            let input = GraphInput {
                graph: tensors,
                rows,
            };
            let expected = model.logits(&input).unwrap();
            let found = loaded.logits(graph.clone()).unwrap();
            let apart = (expected - found).unwrap().abs().unwrap();
            let apart: f32 = apart.max_all().unwrap().to_scalar().unwrap();
            assert!(apart < 1e-5, "{apart}");
        }
    }
}

/// A gated run of two epochs on the dataset at `path`.
fn run(path: &str, data: Option<PathBuf>, out: &Path) -> RunRecord {
    let options = DataOptions {
        data_dir: data,
        fetch: FetchPolicy::LocalOnly,
        ..DataOptions::default()
    };
    let graphs = GraphModality::new(Catalogue::new(options).unwrap());
    let overrides = json!({
        "gcn": {"layers": 2, "width": 8, "interface-width": 8},
        "train": {"epochs": 2, "optimiser": {"gate-travel": 1.0}},
    });
    let spec = graphs
        .spec(&SpecRequest {
            lambda: Some(1e-3),
            overrides: &overrides,
            ..SpecRequest::new(path, "l0gm")
        })
        .unwrap();
    let mut context = RunContext {
        dir: out.to_path_buf(),
        device: Device::Cpu,
        device_name: "cpu".into(),
        threads: 1,
        progress: &mut (),
        stop: StopFlag::default(),
        baselines: Vec::new(),
    };
    graphs.run(&spec, &mut context).unwrap()
}

/// An edge list and its table of nodes: two communities with mostly internal edges.
fn files(dir: &Path) {
    let graph = two_communities(30, 2);
    let (mut nodes, mut edges) = (
        String::from("id,label,a,b,c,d,e,f,g,h\n"),
        String::from("source,target\n"),
    );
    for node in 0..graph.nodes() as u32 {
        let row = graph.features().row(NodeId(node));
        let row: Vec<String> = row.iter().map(f32::to_string).collect();
        let label = ["left", "right"][graph.labels()[node as usize].unwrap() as usize];
        nodes += &format!("n{node},{label},{}\n", row.join(","));
        for other in graph.adjacency().neighbours(NodeId(node)) {
            edges += &format!("n{node},n{other}\n");
        }
    }
    std::fs::write(dir.join("nodes.csv"), nodes).unwrap();
    std::fs::write(dir.join("edges.csv"), edges).unwrap();
}

/// The loaded model must reproduce the run's test predictions from the graph's files. `part` holds the test nodes.
fn predicts_its_graph_again(record: &RunRecord, out: &Path, path: &Path, part: &[NodeId]) {
    let loaded = CompactGraph::load(out.join("compact"), &Device::Cpu).unwrap();
    assert_eq!(loaded.header().temperature, record.scaling_temperature);
    let found = loaded.predict_folder(path).unwrap();
    let tables = read_predictions(&out.join("predictions.parquet")).unwrap();
    let test = tables.iter().find(|t| t.split == Split::Test).unwrap();
    assert_eq!(test.rows.len(), part.len());
    for (row, node) in part.iter().enumerate() {
        let logits = &test.logits[row * test.classes..(row + 1) * test.classes];
        // A small temperature makes logits of thousands, whose exponentials overflow.
        let top = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let shares: Vec<f64> = logits
            .iter()
            .map(|&l| (f64::from(l - top) / record.scaling_temperature).exp())
            .collect();
        let total: f64 = shares.iter().sum();
        // Logits agree to 1e-5; a temperature below 1 makes more of that.
        let allowed = 1e-5 / record.scaling_temperature.min(1.0);
        for (share, p) in shares.iter().zip(found.row(node.0 as usize)) {
            assert!((share / total - p).abs() < allowed, "node {}", node.0);
        }
    }
}

#[test]
fn a_finished_run_leaves_a_model_that_predicts_its_graph_again() {
    let dir = tempfile::tempdir().unwrap();
    files(dir.path());
    let out = dir.path().join("run");
    let record = run(dir.path().to_str().unwrap(), None, &out);
    let split = NodeSplit::random(60, 0.6, 0.2, 0).unwrap();
    predicts_its_graph_again(&record, &out, dir.path(), split.part(Split::Test));
    // Predict another graph, without labels and with missing features.
    let loaded = CompactGraph::load(out.join("compact"), &Device::Cpu).unwrap();
    let other = dir.path().join("other");
    std::fs::create_dir(&other).unwrap();
    std::fs::write(other.join("nodes.csv"), "id,label,a\n1,x,0\n2,y,1\n").unwrap();
    std::fs::write(other.join("edges.csv"), "source,target\n1,2\n").unwrap();
    let text = loaded.predict_folder(&other).unwrap_err().to_string();
    assert!(text.contains("no column 'b'"), "{text}");
    let words = "id,a,b,c,d,e,f,g,h\n1,0,0,0,x,0,0,0,0\n2,0,0,0,0,0,0,0,0\n";
    std::fs::write(other.join("nodes.csv"), words).unwrap();
    let text = loaded.predict_folder(&other).unwrap_err().to_string();
    assert!(
        text.contains("a finite number") && text.contains("'d'"),
        "{text}"
    );
    let blank = "id,a,b,c,d,e,f,g,h\n1,0,0,0,,0,0,0,0\n2,0,0,0,0,0,0,0,0\n";
    std::fs::write(other.join("nodes.csv"), blank).unwrap();
    let found = loaded.predict_files(&other).unwrap();
    assert_eq!(found.names, ["1", "2"]);
    assert!(
        found.said[0].contains("1 cells are missing"),
        "{:?}",
        found.said
    );
}

#[test]
fn files_that_are_damaged_or_of_another_version_are_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let model = gated(
        &GcnSettings {
            layers: 1,
            width: 4,
            interface_width: 4,
            ..GcnSettings::default()
        },
        |_| 2.0,
    );
    let small = CompactModel::new(&model).unwrap();
    let parts = small.parts(8, &GraphSettings::default()).unwrap();
    write(dir.path(), parts);
    let refused = || {
        let error = CompactGraph::load(dir.path(), &Device::Cpu).unwrap_err();
        error.to_string()
    };
    let json = dir.path().join("model.json");
    let whole = std::fs::read_to_string(&json).unwrap();
    for (from, to, said) in [
        ("\"format\": 2", "\"format\": 9", "format 9"),
        ("\"features\": 8", "\"features\": 9", "do not fit"),
        ("\"interface\": 4", "\"interface\": 2", "do not fit"),
    ] {
        assert!(whole.contains(from), "{whole}");
        std::fs::write(&json, whole.replacen(from, to, 1)).unwrap();
        assert!(refused().contains(said), "{}", refused());
    }
    std::fs::write(&json, &whole).unwrap();
    let weights = dir.path().join("model.safetensors");
    let bytes = std::fs::read(&weights).unwrap();
    std::fs::write(&weights, &bytes[..bytes.len() - 1]).unwrap();
    assert!(refused().contains("cut off"), "{}", refused());
}

#[test]
fn the_real_graph_is_predicted_again_from_its_files() {
    let Some(path) = l0gm_test_data::dataset("amazon-photo") else {
        return;
    };
    let root = path.parent().unwrap().to_path_buf();
    let dir = tempfile::tempdir().unwrap();
    let record = run("amazon-photo", Some(root), dir.path());
    let settings: GraphSettings = serde_json::from_value(record.spec.settings.clone()).unwrap();
    let graph = read_graph(&path, &settings.table).unwrap();
    let split = NodeSplit::load(&path, graph.labels(), &settings.split).unwrap();
    predicts_its_graph_again(&record, dir.path(), &path, split.part(Split::Test));
}
