//! Tests of gates on every layer's channels and on the raw node attributes (granularity fine), and of gates that
//! depend on their nodes.
#![allow(clippy::unwrap_used)]

use crate::test_graphs::{small_graph, two_communities};
use crate::{
    CompactModel, GraphInput, GraphModel, GraphSettings, GraphTask, GraphTensors, NodeId, NodeRows,
    NodeSplit, build_model,
};
use candle_core::{Device, Tensor};
use l0gm_gate::{GateKind, GateMode, Granularity, Temperature};
use l0gm_ops::{Generator, Mode};
use l0gm_train::{Encoder, Gating, RunDir, StopFlag, Training, train};
use std::sync::Arc;

const TAU: Temperature = Temperature(2.0 / 3.0);

fn fine() -> GraphSettings {
    let mut settings = GraphSettings::default();
    settings.gate.granularity = Granularity::Fine;
    settings.gcn.width = 6;
    settings.gcn.interface_width = 5;
    settings.gcn.dropout = 0.0;
    settings
}

fn built(settings: &GraphSettings) -> (GraphModel, GraphInput) {
    let graph = small_graph();
    let model = build_model(&graph, settings, true, 0, &Device::Cpu).unwrap();
    let graph = Arc::new(GraphTensors::new(&graph, &Device::Cpu).unwrap());
    let nodes: Vec<NodeId> = (0..6).map(NodeId).collect();
    let rows = Arc::new(NodeRows::new(&graph, &nodes).unwrap());
    (model, GraphInput { graph, rows })
}

fn set(model: &GraphModel, gate: usize, log_alpha: &[f32]) {
    let var = model.gates()[gate].log_alpha().unwrap().clone();
    var.set(&Tensor::new(log_alpha, &Device::Cpu).unwrap())
        .unwrap();
}

fn encoded(model: &GraphModel, input: &GraphInput, mode: &mut Mode<'_>) -> Vec<f32> {
    let r = model
        .encoder
        .encode_gated(input, Gating::Sampled(TAU), mode)
        .unwrap();
    r.flatten_all().unwrap().to_vec1().unwrap()
}

fn near(a: &[f32], b: &[f32]) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5)
}

#[test]
fn there_is_a_gate_a_channel_of_the_attributes_and_of_every_layer() {
    let (model, input) = built(&fine());
    // Four attributes, two hidden layers of six channels, and an interface of five.
    let widths: Vec<usize> = model
        .gates()
        .iter()
        .map(|g| g.interface().width())
        .collect();
    assert_eq!(widths, [4, 6, 6, 5]);
    for gate in 0..3 {
        set(&model, gate, &vec![20.0; widths[gate]]);
    }
    let plain = model.encoder.encode(&input, &mut Mode::Eval).unwrap();
    let plain: Vec<f32> = plain.flatten_all().unwrap().to_vec1().unwrap();
    assert!(near(&encoded(&model, &input, &mut Mode::Eval), &plain));
}

#[test]
fn closed_channels_do_what_zeros_in_their_place_do() {
    for residual in [false, true] {
        let mut settings = fine();
        settings.gcn.residual = residual;
        if residual {
            settings.gcn.width = 4; // As wide as the attributes: the first layer adds them.
        }
        let (model, input) = built(&settings);
        let width = settings.gcn.width;
        for gate in 1..3 {
            set(&model, gate, &vec![20.0; width]);
        }
        set(&model, 0, &[20.0, -20.0, 20.0, -20.0]);
        // The same network, on attributes of which two are 0.
        let graph = small_graph();
        let zeroed: Vec<f32> = graph
            .features()
            .dense()
            .unwrap()
            .iter()
            .enumerate()
            .map(|(at, &v)| if at % 2 == 1 { 0.0 } else { v })
            .collect();
        let graph = crate::Graph::new(
            crate::Features::new(4, zeroed).unwrap(),
            graph.labels().to_vec(),
            graph.classes().to_vec(),
            graph.adjacency().clone(),
        )
        .unwrap();
        let other = Arc::new(GraphTensors::new(&graph, &Device::Cpu).unwrap());
        let plain = GraphInput {
            graph: other,
            rows: input.rows.clone(),
        };
        let expected = model.encoder.encode(&plain, &mut Mode::Eval).unwrap();
        let expected: Vec<f32> = expected.flatten_all().unwrap().to_vec1().unwrap();
        let found = encoded(&model, &input, &mut Mode::Eval);
        assert!(near(&found, &expected), "residual {residual}");
        // If all hidden channels of a layer are closed, every node has the same value.
        set(&model, 2, &vec![-20.0; width]);
        let found = encoded(&model, &input, &mut Mode::Eval);
        if !residual {
            let rows: Vec<&[f32]> = found.chunks(5).collect();
            assert!(rows.iter().all(|row| near(row, rows[0])));
        }
    }
}

#[test]
fn one_z_for_all_nodes_commutes_with_aggregation() {
    // The static gate multiplies A X by z; compare that with gating X itself, which a residual connection requires.
    let graph = small_graph();
    let mut settings = fine();
    settings.gate.kind = GateKind::Static;
    settings.gate.initial_open = 0.6;
    let (model, input) = built(&settings);
    let z = |mode: &mut Mode<'_>| {
        let gate = &model.gates()[0].clone();
        let ones = Tensor::ones((6, 4), candle_core::DType::F32, &Device::Cpu).unwrap();
        let z = gate.forward(&ones, GateMode::of(mode, TAU)).unwrap();
        z.to_vec2::<f32>().unwrap()
    };
    let mut generator = Generator::new(4);
    let rows = z(&mut Mode::Train(&mut generator));
    assert!(rows.iter().all(|row| row == &rows[0]));
    // The same seed draws the same z, so the encoder on attributes times z must equal the gated encoder.
    for gate in 1..3 {
        set(&model, gate, &[60.0; 6]);
    }
    let scaled: Vec<f32> = graph
        .features()
        .dense()
        .unwrap()
        .iter()
        .enumerate()
        .map(|(at, &v)| v * rows[0][at % 4])
        .collect();
    let scaled = crate::Graph::new(
        crate::Features::new(4, scaled).unwrap(),
        graph.labels().to_vec(),
        graph.classes().to_vec(),
        graph.adjacency().clone(),
    )
    .unwrap();
    let plain = GraphInput {
        graph: Arc::new(GraphTensors::new(&scaled, &Device::Cpu).unwrap()),
        rows: input.rows.clone(),
    };
    let expected = model.encoder.encode(&plain, &mut Mode::Eval).unwrap();
    let expected: Vec<f32> = expected.flatten_all().unwrap().to_vec1().unwrap();
    let mut generator = Generator::new(4);
    let found = encoded(&model, &input, &mut Mode::Train(&mut generator));
    assert!(near(&found, &expected));
}

#[test]
fn one_training_step_moves_every_gate_below_the_interface_and_a_conditional_gates_weight() {
    let graph = two_communities(60, 1);
    let split = NodeSplit::random(120, 0.6, 0.2, 0).unwrap();
    let task = GraphTask::new(&graph, split, &Device::Cpu).unwrap();
    let folder = tempfile::tempdir().unwrap();
    for (at, (granularity, kind, gates)) in [
        (Granularity::Fine, GateKind::PerExample, 4),
        (Granularity::Fine, GateKind::Static, 4),
        (Granularity::Interface, GateKind::Conditional, 2),
    ]
    .into_iter()
    .enumerate()
    {
        let mut settings = fine();
        settings.gate.granularity = granularity;
        settings.gate.kind = kind;
        settings.gcn.width = 16;
        settings.gcn.interface_width = 16;
        settings.train.epochs = 1;
        settings.train.objective.lambda = 1e-3;
        settings.train.schedule.ramp = 0.0;
        let model = build_model(&graph, &settings, true, 0, &Device::Cpu).unwrap();
        let of_gates = |p: &l0gm_train::Parameter| p.name.starts_with("gate.");
        let read = || -> Vec<(String, Vec<f32>)> {
            let parameters = model.parameters();
            let gates = parameters.iter().filter(|p| of_gates(p));
            gates
                .map(|p| {
                    (
                        p.name.clone(),
                        p.var.flatten_all().unwrap().to_vec1().unwrap(),
                    )
                })
                .collect()
        };
        let before = read();
        assert_eq!(before.len(), gates);
        let run = RunDir::open(&folder.path().join(at.to_string())).unwrap();
        let stop = StopFlag::default();
        train(
            Training {
                task: &task,
                model: &model,
                config: &settings.train,
                seed: 0,
                device: &Device::Cpu,
            },
            &run,
            &mut (),
            &stop,
        )
        .unwrap();
        for ((name, before), (_, after)) in before.iter().zip(&read()) {
            let moved = before.iter().zip(after).filter(|(a, b)| a != b).count();
            // Only the penalty is certain to reach every gate; with it, each log_alpha must change.
            let least = if name.ends_with("log_alpha") {
                before.len()
            } else {
                1
            };
            assert!(moved >= least, "{name}: {moved} of {}", before.len());
        }
        match (CompactModel::new(&model), granularity) {
            (Ok(_), Granularity::Fine) => {}
            (Err(error), Granularity::Interface) => {
                assert!(error.to_string().contains("no compact form"), "{error}");
            }
            (result, _) => panic!("{granularity:?}: {:?}", result.err()),
        }
    }
}

#[test]
fn fine_gates_of_a_network_with_residual_connections_have_no_compact_form() {
    let mut settings = fine();
    settings.gcn.residual = true;
    let (model, _) = built(&settings);
    let error = CompactModel::new(&model).unwrap_err().to_string();
    assert!(error.contains("no compact form"), "{error}");
}

#[test]
fn a_graphs_gates_reach_a_target_whatever_their_kind() {
    let graph = two_communities(60, 1);
    let split = NodeSplit::random(120, 0.6, 0.2, 0).unwrap();
    let task = GraphTask::new(&graph, split, &Device::Cpu).unwrap();
    let folder = tempfile::tempdir().unwrap();
    for (granularity, kind) in [
        (Granularity::Interface, GateKind::PerExample),
        (Granularity::Interface, GateKind::Conditional),
        (Granularity::Fine, GateKind::PerExample),
    ] {
        let mut settings = fine();
        settings.gate.granularity = granularity;
        settings.gate.kind = kind;
        settings.gcn.width = 32;
        settings.gcn.interface_width = 64;
        settings.gcn.dropout = 0.5;
        settings.train.epochs = 60;
        settings.train.target = Some("25%".parse().unwrap());
        let model = build_model(&graph, &settings, true, 0, &Device::Cpu).unwrap();
        let run = RunDir::open(&folder.path().join(format!("{granularity:?}-{kind:?}"))).unwrap();
        let stop = StopFlag::default();
        let outcome = train(
            Training {
                task: &task,
                model: &model,
                config: &settings.train,
                seed: 0,
                device: &Device::Cpu,
            },
            &run,
            &mut (),
            &stop,
        )
        .unwrap();
        let best = outcome
            .history
            .iter()
            .find(|r| r.epoch == outcome.best_epoch)
            .unwrap();
        let off = (best.active_fraction - 0.25).abs();
        assert!(
            off < 0.01,
            "{granularity:?} {kind:?}: {}",
            best.active_fraction
        );
    }
}
