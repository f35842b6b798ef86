#![allow(clippy::unwrap_used)]
use super::*;
use crate::test_graphs::{dense_normalisation, small_graph, two_communities};
use crate::{GraphTask, GraphTensors, LinearHead, NodeId, NodeRows, NodeSplit};
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

fn network(features: usize, settings: &GcnSettings) -> Gcn {
    Gcn::new(features, settings, &mut Generator::new(5), &Device::Cpu).unwrap()
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
            .values()
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
