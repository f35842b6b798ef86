#![allow(clippy::unwrap_used)]
use super::*;
use crate::input::DTYPE;
use crate::test_graphs::{dense_normalisation, small_graph, sparse_copy, two_communities};
use crate::{GraphTask, GraphTensors, LinearHead, NodeId, NodeRows, NodeSplit};
use candle_core::Var;
use l0gm_gate::{Gate, GateConfig, Objective};
use l0gm_train::{GatedModel, Split, Task};
use std::sync::Arc;

fn settings(layers: usize, width: usize) -> GcnSettings {
    GcnSettings {
        layers,
        width,
        interface_width: width,
        dropout: 0.0,
        interface_dropout: 0.0,
        ..GcnSettings::default()
    }
}

fn network(features: usize, settings: &GcnSettings) -> GraphEncoder {
    of_kind(EncoderKind::Gcn, features, settings)
}

fn of_kind(kind: EncoderKind, features: usize, settings: &GcnSettings) -> GraphEncoder {
    let mut generator = Generator::new(5);
    GraphEncoder::new(kind, features, settings, &mut generator, &Device::Cpu).unwrap()
}

/// The product of a (n x k) and b (k x m), by its definition.
fn product(a: &[f64], b: &[f64], k: usize) -> Vec<f64> {
    let (n, m) = (a.len() / k, b.len() / k);
    let mut out = vec![0.0; n * m];
    for i in 0..n {
        for j in 0..m {
            out[i * m + j] = (0..k).map(|l| a[i * k + l] * b[l * m + j]).sum();
        }
    }
    out
}

fn values(var: &Tensor) -> Vec<f64> {
    var.flatten_all()
        .unwrap()
        .to_vec1::<f32>()
        .unwrap()
        .into_iter()
        .map(f64::from)
        .collect()
}

#[test]
fn two_layers_without_extras_equal_equation_2_in_dense_form() {
    // The widths 4 -> 5 -> 5 and 4 -> 2 -> 2 use both orders of the product.
    for width in [5, 2] {
        let graph = small_graph();
        let n = graph.nodes();
        let options = GcnSettings {
            norm: false,
            norm_last: false,
            ..settings(2, width)
        };
        let mut gcn = network(4, &options);
        for layer in &mut gcn.layers {
            layer.bias = Var::from_tensor(
                &Generator::new(9)
                    .normal_tensor(width, 0.0, 0.3, DTYPE, &Device::Cpu)
                    .unwrap(),
            )
            .unwrap();
        }
        let tensors = Arc::new(GraphTensors::new(&graph, &Device::Cpu).unwrap());
        let wanted = [NodeId(5), NodeId(0), NodeId(3)];
        let rows = Arc::new(NodeRows::new(&tensors, &wanted).unwrap());
        let found = gcn
            .encode(
                &GraphInput {
                    graph: tensors,
                    rows,
                },
                &mut Mode::Eval,
            )
            .unwrap();
        assert_eq!(found.dims(), &[3, width]);

        let a = dense_normalisation(graph.adjacency());
        let mut h: Vec<f64> = graph
            .features()
            .dense()
            .unwrap()
            .iter()
            .map(|&v| f64::from(v))
            .collect();
        for layer in &gcn.layers {
            let inputs = layer.weight.dim(1).unwrap();
            let transposed = values(&layer.weight.t().unwrap().contiguous().unwrap());
            let bias = values(&layer.bias);
            h = product(&a, &product(&h, &transposed, inputs), n);
            h.iter_mut()
                .enumerate()
                .for_each(|(at, v)| *v = (*v + bias[at % width]).max(0.0));
        }
        for (at, v) in values(&found).iter().enumerate() {
            let expected = h[wanted[at / width].0 as usize * width + at % width];
            assert!((v - expected).abs() < 1e-5, "{v} {expected}");
        }
    }
}

#[test]
fn wanted_rows_do_not_depend_on_who_else_is_wanted() {
    let graph = small_graph();
    let options = GcnSettings {
        residual: true,
        ..settings(3, 6)
    };
    let gcn = network(4, &options);
    let tensors = Arc::new(GraphTensors::new(&graph, &Device::Cpu).unwrap());
    let of = |nodes: &[u32]| {
        let nodes: Vec<NodeId> = nodes.iter().map(|&n| NodeId(n)).collect();
        let rows = Arc::new(NodeRows::new(&tensors, &nodes).unwrap());
        gcn.encode(
            &GraphInput {
                graph: tensors.clone(),
                rows,
            },
            &mut Mode::Eval,
        )
        .unwrap()
        .to_vec2::<f32>()
        .unwrap()
    };
    let all = of(&[0, 1, 2, 3, 4, 5]);
    let some = of(&[4, 2]);
    for (row, node) in [(0, 4), (1, 2)] {
        for (a, b) in some[row].iter().zip(&all[node]) {
            assert!((a - b).abs() < 1e-6);
        }
    }
}

#[test]
fn every_parameter_gets_a_gradient_in_one_step() {
    let graph = two_communities(20, 1);
    let split = NodeSplit::random(40, 0.6, 0.2, 0).unwrap();
    let task = GraphTask::new(&graph, split, &Device::Cpu).unwrap();
    // Test `norm_last` off and on: without it, every channel's own weight must still get a gradient.
    for norm_last in [true, false] {
        let options = GcnSettings {
            residual: true,
            norm_last,
            dropout: 0.2,
            ..settings(3, 8)
        };
        let encoder = network(8, &options);
        let head = LinearHead::new(8, 2, &mut Generator::new(6), &Device::Cpu).unwrap();
        let step = Schedule::default().at(0.5);
        let gate = Gate::new(
            encoder.interface(),
            &GateConfig::default(),
            &Schedule::default(),
            &Device::Cpu,
        )
        .unwrap();
        let model = GatedModel {
            encoder,
            gate,
            head,
        };
        let batch = task
            .batch(
                Split::Train,
                &task.plan(Split::Train, 1, None)[0],
                &Device::Cpu,
            )
            .unwrap();
        let mut generator = Generator::new(7);
        let logits = model
            .forward(
                &batch.input,
                Gating::Sampled(step.temperature),
                &mut Mode::Train(&mut generator),
            )
            .unwrap()
            .logits;
        let loss = l0gm_ops::cross_entropy(&logits, &batch.labels).unwrap();
        let loss = Objective {
            lambda: 1e-3,
            ..Objective::default()
        }
        .value(&loss, &model.gate, step)
        .unwrap();
        let gradients = loss.backward().unwrap();
        for parameter in model.parameters() {
            let gradient = gradients
                .get(&parameter.var)
                .unwrap_or_else(|| panic!("{} has no gradient", parameter.name));
            let size = values(gradient).iter().map(|g| g.abs()).sum::<f64>();
            assert!(size > 0.0 && size.is_finite(), "{}: {size}", parameter.name);
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_weights() {
    let a = network(4, &settings(2, 3));
    let b = network(4, &settings(2, 3));
    for (x, y) in a.parameters().iter().zip(b.parameters()) {
        assert_eq!(values(&x.var), values(&y.var));
    }
    assert_ne!(
        values(&a.layers[0].weight)[..9],
        values(&a.layers[1].weight)[..9]
    );
}

#[test]
fn a_weight_for_the_nodes_own_representation_adds_h_v_by_its_definition() {
    let graph = small_graph();
    let n = graph.nodes();
    let options = GcnSettings {
        norm: false,
        norm_last: false,
        own_weight: true,
        ..settings(1, 5)
    };
    let gcn = network(4, &options);
    let tensors = Arc::new(GraphTensors::new(&graph, &Device::Cpu).unwrap());
    let all: Vec<NodeId> = (0..n as u32).map(NodeId).collect();
    let rows = Arc::new(NodeRows::new(&tensors, &all).unwrap());
    let input = GraphInput {
        graph: tensors,
        rows,
    };
    let found = values(&gcn.encode(&input, &mut Mode::Eval).unwrap());
    let layer = &gcn.layers[0];
    let x: Vec<f64> = graph
        .features()
        .dense()
        .unwrap()
        .iter()
        .map(|v| f64::from(*v))
        .collect();
    let transposed = |w: &Tensor| values(&w.t().unwrap().contiguous().unwrap());
    let around = product(&dense_normalisation(graph.adjacency()), &x, n);
    let neighbours = product(&around, &transposed(&layer.weight), 4);
    let own = product(&x, &transposed(layer.own.as_ref().unwrap()), 4);
    for ((found, a), b) in found.iter().zip(neighbours).zip(own) {
        assert!((found - (a + b).max(0.0)).abs() < 1e-5);
    }
}

#[test]
fn sparse_features_give_the_same_interface_and_gradients() {
    // One feature in ten is not 0.
    let mut random = Generator::new(6);
    let nodes = 40;
    let values: Vec<f32> = (0..nodes * 30)
        .map(|_| if random.uniform() < 0.1 { 1.0 } else { 0.0 })
        .collect();
    let edges: Vec<_> = (1..nodes as u32)
        .map(|b| (NodeId(b / 2), NodeId(b)))
        .collect();
    let adjacency = crate::Adjacency::from_edges(nodes, &edges).unwrap();
    let labels: Vec<u32> = (0..nodes as u32).map(|n| n % 2).collect();
    let features = crate::Features::new(30, values).unwrap();
    let names = vec!["a".into(), "b".into()];
    let graph = crate::Graph::new(features, labels, names, adjacency).unwrap();
    let tensors = Arc::new(GraphTensors::new(&graph, &Device::Cpu).unwrap());
    assert!(tensors.sparse().unwrap().is_some());
    let stored = Arc::new(GraphTensors::new(&sparse_copy(&graph), &Device::Cpu).unwrap());
    assert!(stored.is_sparse() && stored.features().is_err());
    let some: Vec<NodeId> = [3, 0, 17].map(NodeId).into();
    let input = |graph: &Arc<GraphTensors>| GraphInput {
        graph: graph.clone(),
        rows: Arc::new(NodeRows::new(graph, &some).unwrap()),
    };
    let (written_out, stored) = (input(&tensors), input(&stored));
    for (layers, own_weight) in [(1, true), (2, false), (2, true)] {
        let encoded = |sparse_features, input: &GraphInput| {
            let options = GcnSettings {
                own_weight,
                sparse_features,
                ..settings(layers, 6)
            };
            let gcn = network(30, &options).with_scores(2, &Device::Cpu).unwrap();
            for scores in &gcn.scores {
                let weight = Generator::new(8)
                    .normal_tensor((2, 30), 0.0, 1.0, DTYPE, &Device::Cpu)
                    .unwrap();
                scores.weight.set(&weight).unwrap();
            }
            let interface = gcn.encode(input, &mut Mode::Eval).unwrap();
            let gradients = interface.sqr().unwrap().sum_all().unwrap().backward();
            let of_weight = gradients.unwrap().get(&gcn.layers[0].weight).cloned();
            (interface, of_weight.unwrap())
        };
        let (interface, gradient) = encoded(false, &written_out);
        // Features that are stored without their zeros are multiplied so, whatever the setting says.
        for (setting, input) in [(true, &written_out), (true, &stored), (false, &stored)] {
            let found = encoded(setting, input);
            for (a, b) in [(&interface, found.0), (&gradient, found.1)] {
                let apart = (a - b).unwrap().abs().unwrap();
                let apart: f32 = apart.max_all().unwrap().to_scalar().unwrap();
                assert!(apart < 1e-4, "{apart}");
            }
        }
    }
}
