//! Tests of every kind of layer: its equation by definition, its gradients, and its compact form.
#![allow(clippy::unwrap_used)]

use crate::convolution::Convolution;
use crate::settings::{EncoderKind, GcnSettings, Jumping};
use crate::test_graphs::{small_graph, sparse_copy, two_communities};
use crate::{
    CompactGraph, CompactModel, Graph, GraphEncoder, GraphInput, GraphModel, GraphSettings,
    GraphTask, GraphTensors, NodeId, NodeRows, NodeSplit, build_model,
};
use candle_core::{DType, Device, Tensor};
use l0gm_gate::Granularity;
use l0gm_ops::{Generator, Mode};
use l0gm_train::{Encoder, ParameterKind, RunDir, StopFlag, Training, train};
use std::sync::Arc;

const KINDS: [EncoderKind; 5] = [
    EncoderKind::Gcn,
    EncoderKind::Sage,
    EncoderKind::SageMax,
    EncoderKind::Gat,
    EncoderKind::Mlp,
];

fn whole(graph: &Graph) -> GraphInput {
    some(graph, &(0..graph.nodes() as u32).collect::<Vec<_>>())
}

fn some(graph: &Graph, nodes: &[u32]) -> GraphInput {
    let nodes: Vec<NodeId> = nodes.iter().copied().map(NodeId).collect();
    let graph = Arc::new(GraphTensors::new(graph, &Device::Cpu).unwrap());
    let rows = Arc::new(NodeRows::new(&graph, &nodes).unwrap());
    GraphInput { graph, rows }
}

fn rows(t: &Tensor) -> Vec<Vec<f64>> {
    let rows: Vec<Vec<f32>> = t.to_vec2().unwrap();
    let wide = |row: Vec<f32>| row.into_iter().map(f64::from).collect();
    rows.into_iter().map(wide).collect()
}

fn times(w: &[Vec<f64>], x: &[f64]) -> Vec<f64> {
    let dot = |row: &Vec<f64>| row.iter().zip(x).map(|(a, b)| a * b).sum();
    w.iter().map(dot).collect()
}

/// One layer of this kind on the small graph, four features to six channels, without a normalisation.
fn one_layer(kind: EncoderKind, heads: usize) -> GraphEncoder {
    let settings = GcnSettings {
        layers: 1,
        interface_width: 6,
        norm_last: false,
        heads,
        ..GcnSettings::default()
    };
    GraphEncoder::new(kind, 4, &settings, &mut Generator::new(5), &Device::Cpu).unwrap()
}

#[test]
fn graphsage_and_the_perceptron_equal_their_definitions() {
    let graph = small_graph();
    let x: Vec<Vec<f64>> = (0..6)
        .map(|n| graph.features().row(NodeId(n)))
        .map(|row| row.into_iter().map(f64::from).collect())
        .collect();
    for kind in [EncoderKind::Sage, EncoderKind::SageMax, EncoderKind::Mlp] {
        let encoder = one_layer(kind, 1);
        let layer = &encoder.layers[0];
        let weight = rows(&layer.weight);
        let found = rows(&encoder.encode(&whole(&graph), &mut Mode::Eval).unwrap());
        for node in 0..6u32 {
            let around: Vec<&Vec<f64>> = graph
                .adjacency()
                .neighbours(NodeId(node))
                .iter()
                .map(|&other| &x[other as usize])
                .collect();
            let own = &x[node as usize];
            let gathered: Vec<f64> = (0..4)
                .map(|c| match (kind, around.len()) {
                    (EncoderKind::Mlp, _) => own[c],
                    (_, 0) => 0.0,
                    (EncoderKind::SageMax, _) => around
                        .iter()
                        .map(|h| h[c])
                        .fold(f64::NEG_INFINITY, f64::max),
                    (_, count) => around.iter().map(|h| h[c]).sum::<f64>() / count as f64,
                })
                .collect();
            let mut expected = times(&weight, &gathered);
            if let Some(second) = &layer.own {
                let second = times(&rows(second), own);
                expected.iter_mut().zip(second).for_each(|(a, b)| *a += b);
            }
            for (found, expected) in found[node as usize].iter().zip(expected) {
                assert!((found - expected.max(0.0)).abs() < 1e-5, "{kind:?}");
            }
        }
    }
}

#[test]
fn attention_equals_its_definition() {
    let graph = small_graph();
    let x: Vec<Vec<f64>> = (0..6)
        .map(|n| graph.features().row(NodeId(n)))
        .map(|row| row.into_iter().map(f64::from).collect())
        .collect();
    for heads in [1, 2, 3] {
        let encoder = one_layer(EncoderKind::Gat, heads);
        let layer = &encoder.layers[0];
        let Convolution::Gat(attention) = &layer.convolution else {
            panic!("not attention")
        };
        let vectors = attention.parameters();
        let (source, target) = (rows(vectors[0].1), rows(vectors[1].1));
        let weight = rows(&layer.weight);
        let h: Vec<Vec<f64>> = x.iter().map(|x| times(&weight, x)).collect();
        let each = 6 / heads;
        // The receivers are asked for in another order, and not all of them.
        let wanted = [4, 5, 0];
        let found = rows(
            &encoder
                .encode(&some(&graph, &wanted), &mut Mode::Eval)
                .unwrap(),
        );
        for (row, &node) in wanted.iter().enumerate() {
            let around = graph.adjacency().neighbours(NodeId(node)).iter().copied();
            let around: Vec<u32> = around.chain([node]).collect();
            for head in 0..heads {
                let part = |node: u32| &h[node as usize][head * each..(head + 1) * each];
                let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
                let score = |other: u32| {
                    let s = dot(&target[head], part(node)) + dot(&source[head], part(other));
                    (if s > 0.0 { s } else { 0.2 * s }).exp()
                };
                let total: f64 = around.iter().map(|&other| score(other)).sum();
                for channel in 0..each {
                    let sum: f64 = around
                        .iter()
                        .map(|&other| score(other) / total * part(other)[channel])
                        .sum();
                    let found = found[row][head * each + channel];
                    assert!((found - sum.max(0.0)).abs() < 1e-5, "{found} {sum}");
                }
            }
        }
    }
}

/// A model of this kind with every number moved away from where it starts.
fn model(settings: &GraphSettings, graph: &Graph, closed: impl Fn(usize) -> bool) -> GraphModel {
    let model = build_model(graph, settings, true, 0, &Device::Cpu).unwrap();
    let mut random = Generator::new(3);
    for parameter in model.encoder.parameters() {
        let shape = parameter.var.shape().clone();
        let noise = random
            .normal_tensor(shape, 0.1, 0.3, DType::F32, &Device::Cpu)
            .unwrap();
        let moved = (parameter.var.as_tensor() + noise).unwrap();
        let moved = match parameter.name.ends_with("norm.variance") {
            true => moved.abs().unwrap(),
            false => moved,
        };
        parameter.var.set(&moved).unwrap();
    }
    for gate in model.gates() {
        let log_alpha = gate.log_alpha().unwrap();
        let values: Vec<f32> = (0..log_alpha.elem_count())
            .map(|at| {
                if closed(at) {
                    -8.0
                } else {
                    0.3 + 0.1 * at as f32
                }
            })
            .collect();
        log_alpha
            .set(&Tensor::new(values, &Device::Cpu).unwrap())
            .unwrap();
    }
    model
}

fn small_settings(encoder: EncoderKind) -> GraphSettings {
    GraphSettings {
        encoder,
        gcn: GcnSettings {
            layers: 3,
            width: 12,
            interface_width: 12,
            heads: if encoder == EncoderKind::Gat { 3 } else { 1 },
            ..GcnSettings::default()
        },
        ..GraphSettings::default()
    }
}

fn apart(a: &Tensor, b: &Tensor) -> f32 {
    let apart = (a - b).unwrap().abs().unwrap();
    apart.max_all().unwrap().to_scalar().unwrap()
}

#[test]
fn every_kind_has_a_compact_form_that_keeps_the_logits_in_memory_and_in_files() {
    let graph = two_communities(30, 2);
    let input = whole(&graph);
    for kind in KINDS {
        for (granularity, batch_norm, norm, jumping) in [
            (Granularity::Interface, false, true, Jumping::None),
            (Granularity::Interface, true, true, Jumping::None),
            (Granularity::Interface, false, false, Jumping::Concat),
            (Granularity::Interface, true, true, Jumping::Max),
            (Granularity::Fine, false, true, Jumping::None),
            (Granularity::Fine, true, true, Jumping::None),
            (Granularity::Fine, false, false, Jumping::None),
            (Granularity::Fine, true, true, Jumping::Concat),
        ] {
            let mut settings = small_settings(kind);
            settings.gate.granularity = granularity;
            let gcn = &mut settings.gcn;
            (gcn.batch_norm, gcn.norm, gcn.norm_last) = (batch_norm, norm, norm);
            gcn.jumping = jumping;
            // Of a network that joins all layers, the last layer's channels are closed altogether.
            let model = model(&settings, &graph, |at| at % 3 == 0 || at >= 24);
            let small = CompactModel::new(&model).unwrap();
            let expected = model.logits(&input).unwrap();
            let what = format!("{kind:?} {granularity:?} {batch_norm} {norm} {jumping:?}");
            let found = small.logits(&input).unwrap();
            assert!(apart(&expected, &found) < 1e-5, "{what}");

            let entries = input.graph.propagation().matrix().values().len();
            let (before, after) = (crate::sizes(&model, 60, entries), small.sizes(60, entries));
            if kind != EncoderKind::Gat {
                // Attention's vectors become as wide as the layer's input.
                assert!(after.parameters < before.parameters, "{what}");
            }
            let free = (batch_norm || !norm) && jumping == Jumping::None;
            if free {
                assert!(after.flops < before.flops, "{what}");
            }
            if granularity == Granularity::Fine {
                // Attributes 0, 3 and 6 of 8 are gone.
                assert_eq!(small.layers[0].weight.dim(1).unwrap(), 5, "{what}");
            }
            if granularity == Granularity::Fine && free {
                let shapes = small
                    .layers
                    .iter()
                    .map(|layer| layer.weight.dims().to_vec());
                assert_eq!(
                    shapes.collect::<Vec<_>>(),
                    [[8, 5], [8, 8], [8, 8]],
                    "{what}"
                );
            }
            if jumping == Jumping::Concat {
                assert_eq!(small.layers.len(), 2, "{what}");
            }

            let dir = tempfile::tempdir().unwrap();
            let parts = small.parts(8, &settings).unwrap();
            crate::compact::write_for_tests(dir.path(), parts);
            let loaded = CompactGraph::load(dir.path(), &Device::Cpu).unwrap();
            let found = loaded.logits(graph.clone()).unwrap();
            assert!(apart(&expected, &found) < 1e-5, "{what}");
        }
    }
}

#[test]
fn joined_layers_with_residual_connections_survive_the_files() {
    let graph = two_communities(30, 2);
    let input = whole(&graph);
    for jumping in [Jumping::Concat, Jumping::Max] {
        let mut settings = small_settings(EncoderKind::Gcn);
        settings.gcn.residual = true;
        settings.gcn.jumping = jumping;
        let model = model(&settings, &graph, |at| at >= 24);
        let expected = model.logits(&input).unwrap();
        let small = CompactModel::new(&model).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let parts = small.parts(8, &settings).unwrap();
        crate::compact::write_for_tests(dir.path(), parts);
        let loaded = CompactGraph::load(dir.path(), &Device::Cpu).unwrap();
        let found = loaded.logits(graph.clone()).unwrap();
        assert!(apart(&expected, &found) < 1e-5, "{jumping:?}");
    }
}

#[test]
fn a_layer_whose_gates_all_close_still_gives_the_gated_logits() {
    let graph = two_communities(30, 2);
    let input = whole(&graph);
    for kind in KINDS {
        let mut settings = small_settings(kind);
        settings.gate.granularity = Granularity::Fine;
        settings.gcn.batch_norm = true;
        let model = model(&settings, &graph, |_| false);
        for closed in [0, 1] {
            let var = model.gates()[closed].log_alpha().unwrap().clone();
            var.set(&(var.zeros_like().unwrap() - 8.0).unwrap())
                .unwrap();
            let small = CompactModel::new(&model).unwrap();
            let found = small.logits(&input).unwrap();
            let expected = model.logits(&input).unwrap();
            assert!(apart(&expected, &found) < 1e-5, "{kind:?} {closed}");
        }
    }
}

#[test]
fn features_stored_without_zeros_give_every_kind_but_the_maximum_the_same() {
    let graph = small_graph();
    let sparse = sparse_copy(&graph);
    for kind in KINDS {
        for granularity in [Granularity::Interface, Granularity::Fine] {
            let mut settings = small_settings(kind);
            settings.gate.granularity = granularity;
            let model = model(&settings, &graph, |at| at % 3 == 0);
            let expected = model.logits(&whole(&graph)).unwrap();
            let found = model.logits(&whole(&sparse));
            if kind == EncoderKind::SageMax {
                let error = found.unwrap_err().to_string();
                assert!(error.contains("sage-max"), "{error}");
                continue;
            }
            assert!(apart(&expected, &found.unwrap()) < 1e-5, "{kind:?}");
            let small = CompactModel::new(&model).unwrap();
            let found = small.logits(&whole(&sparse)).unwrap();
            assert!(apart(&expected, &found) < 1e-5, "{kind:?}, compact");
        }
    }
}

#[test]
fn one_training_step_moves_every_parameter_of_every_kind() {
    let graph = two_communities(60, 1);
    let split = NodeSplit::random(120, 0.6, 0.2, 0).unwrap();
    let task = GraphTask::new(&graph, split, &Device::Cpu).unwrap();
    let folder = tempfile::tempdir().unwrap();
    for (at, kind) in KINDS.into_iter().enumerate() {
        for (batch_norm, drop_edge, jumping) in
            [(false, 0.0, Jumping::None), (true, 0.3, Jumping::Concat)]
        {
            let mut settings = small_settings(kind);
            settings.gcn.batch_norm = batch_norm;
            settings.gcn.drop_edge = drop_edge;
            settings.gcn.input_dropout = drop_edge;
            settings.gcn.jumping = jumping;
            settings.train.epochs = 1;
            settings.train.optimiser.weight_decay = 0.0;
            settings.train.objective.lambda = 1e-3;
            let model = build_model(&graph, &settings, true, 0, &Device::Cpu).unwrap();
            let read = || -> Vec<(String, ParameterKind, Vec<f32>)> {
                let all = model.parameters().into_iter();
                all.map(|p| {
                    let values = p.var.flatten_all().unwrap().to_vec1().unwrap();
                    (p.name, p.kind, values)
                })
                .collect()
            };
            let before = read();
            let name = format!("{at}-{batch_norm}");
            let run = RunDir::open(&folder.path().join(name)).unwrap();
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
                &StopFlag::default(),
            )
            .unwrap();
            for ((name, kind_of, before), (_, _, after)) in before.iter().zip(&read()) {
                // A bias before batch normalisation shifts a channel that is centred afterwards.
                let centred = batch_norm && name.ends_with(".bias") && !name.contains("norm");
                let encoder = name.starts_with("encoder");
                assert!(
                    before != after || (encoder && centred),
                    "{name} of {kind:?} ({kind_of:?}) has not moved"
                );
            }
        }
    }
}

#[test]
fn settings_that_do_not_fit_a_kind_are_refused_by_name() {
    let refused = |change: fn(&mut GraphSettings)| {
        let mut settings = small_settings(EncoderKind::Gat);
        change(&mut settings);
        settings.check().unwrap_err().to_string()
    };
    let error = refused(|settings| {
        settings.gcn.batch_norm = true;
        settings.gcn.norm = false;
        settings.gcn.norm_last = false;
    });
    assert!(error.contains("gcn.batch-norm is true"), "{error}");
    let error = refused(|settings| {
        settings.gcn.batch_norm = true;
        settings.train.average_epochs = 2.0;
    });
    assert!(error.contains("train.average-epochs is 2"), "{error}");
    let error = refused(|settings| settings.gcn.heads = 5);
    assert!(error.contains("does not divide the width 12"), "{error}");
    let error = refused(|settings| {
        settings.gcn.jumping = Jumping::Max;
        settings.gcn.interface_width = 24;
    });
    assert!(error.contains("gcn.width is 12"), "{error}");
    let error = refused(|settings| {
        settings.gcn.layers = 1;
        settings.gcn.width = 10;
        settings.search = Some(crate::search::SearchSettings::default());
    });
    assert!(error.contains("does not divide the width 10"), "{error}");
    let error = refused(|settings| settings.gcn.drop_edge = 1.0);
    assert!(error.contains("gcn.drop-edge is 1"), "{error}");
}
