#![allow(clippy::unwrap_used)]
use super::encoder::HopInput;
use super::*;
use crate::test_graphs::{dense_normalisation, small_graph, sparse_copy, two_communities};
use crate::{Graph, GraphSettings, GraphTask, NodeSplit};
use candle_core::Var;
use l0gm_gate::InferenceGate;
use l0gm_train::{
    Condition, ConditionKind, Perturbation, RunDir, Split, StopFlag, Task, Training,
    largest_difference, train,
};

/// Â^k X by its definition, in double precision.
fn by_definition(graph: &Graph, hop: usize) -> Vec<Vec<f64>> {
    let nodes = graph.nodes();
    let matrix = dense_normalisation(graph.adjacency());
    let mut x: Vec<Vec<f64>> = (0..nodes as u32)
        .map(|node| graph.features().row(NodeId(node)))
        .map(|row| row.into_iter().map(f64::from).collect())
        .collect();
    for _ in 0..hop {
        let row = |node: usize| -> Vec<f64> {
            let cell = |column: usize| {
                (0..nodes)
                    .map(|other| matrix[node * nodes + other] * x[other][column])
                    .sum()
            };
            (0..x[0].len()).map(cell).collect()
        };
        x = (0..nodes).map(row).collect();
    }
    x
}

#[test]
fn hops_equal_their_definition_with_and_without_zeros_for_all_nodes_and_for_some() {
    let graph = small_graph();
    let some = [4, 0, 5].map(NodeId);
    let all: Vec<NodeId> = (0..6).map(NodeId).collect();
    for graph in [graph.clone(), sparse_copy(&graph)] {
        let tensors = GraphTensors::new(&graph, &Device::Cpu).unwrap();
        for (wanted, nodes) in [(None, &all[..]), (Some(&some[..]), &some[..])] {
            for hops in [0..=3, 2..=2, 0..=0] {
                let found = propagate(&tensors, hops.clone(), wanted).unwrap();
                assert_eq!(found.len(), hops.clone().count());
                for (hop, found) in hops.zip(found) {
                    let expected = by_definition(&graph, hop);
                    let found: Vec<Vec<f32>> = found.to_vec2().unwrap();
                    assert_eq!(found.len(), nodes.len());
                    for (row, node) in found.iter().zip(nodes) {
                        for (a, b) in row.iter().zip(&expected[node.0 as usize]) {
                            assert!((f64::from(*a) - b).abs() < 1e-5, "hop {hop}");
                        }
                    }
                }
            }
        }
    }
}

const HALF: usize = 60;

fn graph() -> Graph {
    two_communities(HALF, 1)
}

fn task(graph: &Graph, hops: usize) -> HopTask {
    let split = NodeSplit::random(2 * HALF, 0.6, 0.2, 0).unwrap();
    HopTask::new(GraphTask::new(graph, split, &Device::Cpu).unwrap(), hops).unwrap()
}

fn model(layers: usize, gated: bool) -> HopModel {
    let own = SignSettings {
        hops: 2,
        width: 16,
        layers,
        ..SignSettings::default()
    };
    let mut settings = GraphSettings::default();
    // Open gates are then not all 1.
    settings.gate.inference = InferenceGate::Median;
    build_hop_model((8, 2), &own, &settings, (gated, 0), &Device::Cpu).unwrap()
}

#[test]
fn a_batch_has_the_rows_of_its_nodes_and_their_labels() {
    let graph = graph();
    for graph in [graph.clone(), sparse_copy(&graph)] {
        let task = task(&graph, 2);
        let rows = [3, 0, 7];
        let batch = task.batch(Split::Valid, &rows, &Device::Cpu).unwrap();
        let labels: Vec<u32> = batch.labels.to_vec1().unwrap();
        let nodes = &task.parts_of(Split::Valid).0;
        for (hop, matrix) in batch.input.hops.iter().enumerate() {
            let expected = by_definition(&graph, hop);
            let found: Vec<Vec<f32>> = matrix.to_vec2().unwrap();
            for ((found, row), label) in found.iter().zip(rows).zip(&labels) {
                let node = nodes[row as usize] as usize;
                assert_eq!(graph.labels()[node], Some(*label));
                for (a, b) in found.iter().zip(&expected[node]) {
                    assert!((f64::from(*a) - b).abs() < 1e-5);
                }
            }
        }
    }
}

fn values(var: &Var) -> Vec<f32> {
    var.flatten_all().unwrap().to_vec1().unwrap()
}

#[test]
fn one_training_step_moves_every_parameter_gates_included() {
    let graph = graph();
    let task = task(&graph, 2);
    let folder = tempfile::tempdir().unwrap();
    let mut config = GraphSettings::default().train;
    config.epochs = 1;
    config.optimiser.weight_decay = 0.0;
    config.objective.lambda = 1e-3;
    for (layers, gated) in [(1, false), (2, false), (2, true), (3, true)] {
        let model = model(layers, gated);
        let parameters = model.parameters();
        // Three maps, the hidden layers and the classifier have a weight and a bias each.
        assert_eq!(parameters.len(), 2 * (3 + layers) + usize::from(gated));
        let before: Vec<Vec<f32>> = parameters.iter().map(|p| values(&p.var)).collect();
        let run = RunDir::open(&folder.path().join(format!("{layers}-{gated}"))).unwrap();
        let training = Training {
            task: &task,
            model: &model,
            config: &config,
            seed: 0,
            device: &Device::Cpu,
        };
        let outcome = train(training, &run, &mut (), &StopFlag::default()).unwrap();
        assert_eq!(outcome.steps, 1);
        for (parameter, before) in parameters.iter().zip(before) {
            let after = values(&parameter.var);
            let moved = before.iter().zip(&after).filter(|(a, b)| a != b).count();
            let least = match parameter.name.as_str() {
                "gate.log_alpha" => before.len() / 2,
                _ => 1,
            };
            let name = &parameter.name;
            assert!(moved >= least, "{moved} numbers of {name} moved");
        }
    }
}

/// Closes the gates of these dimensions, and opens the others to different degrees.
fn close(model: &HopModel, closed: impl Fn(usize) -> bool) {
    let gates = model.gate.log_alpha().unwrap();
    let log_alpha = |at: usize| match closed(at) {
        true => -4.0,
        false => 0.4 + 0.3 * at as f32,
    };
    let values: Vec<f32> = (0..gates.elem_count()).map(log_alpha).collect();
    gates
        .set(&Tensor::new(values, &Device::Cpu).unwrap())
        .unwrap();
}

#[test]
fn the_compact_model_keeps_logits_and_drops_closed_channels() {
    let graph = graph();
    let task = task(&graph, 2);
    let rows = &task.plan(Split::Test, 4096, None)[0];
    let input = task.batch(Split::Test, rows, &Device::Cpu).unwrap().input;
    for layers in [1, 2, 3] {
        let model = model(layers, true);
        // With one layer the second hop's 16 channels are all closed, and every other one elsewhere.
        close(&model, |at| at % 2 == 0 || (layers == 1 && at / 16 == 1));
        let small = CompactHops::new(&model).unwrap();
        let apart = largest_difference(
            &model.logits(&input).unwrap(),
            &small.logits(&input).unwrap(),
        );
        assert!(apart.unwrap() < 1e-5);
        assert_eq!(small.kept().len(), if layers == 1 { 16 } else { 8 });
        let read = if layers == 1 {
            vec![0, 2]
        } else {
            vec![0, 1, 2]
        };
        assert_eq!(small.hops(), read);
        let (before, after) = (hop_sizes(&model), small.sizes());
        assert!(after.parameters < before.parameters && after.flops < before.flops);

        close(&model, |_| true);
        let nothing = CompactHops::new(&model).unwrap();
        let apart = largest_difference(
            &model.logits(&input).unwrap(),
            &nothing.logits(&input).unwrap(),
        );
        assert!(apart.unwrap() < 1e-6);
        // The classifier's bias is all that is left.
        assert_eq!(nothing.sizes().parameters, 2);
    }
}

#[test]
fn perturbed_features_are_propagated_again_and_the_same_in_every_batch() {
    let dense = graph();
    for graph in [dense.clone(), sparse_copy(&dense)] {
        let task = task(&graph, 2);
        let perturbation = Perturbation {
            condition: Condition {
                kind: ConditionKind::Missingness,
                severity: 0.5,
            },
            seed: 3,
        };
        let whole = task.plan(Split::Test, 4096, None).concat();
        let under = |rows: &[u32], perturbation: &Perturbation| -> HopInput {
            let batch = task.perturbed_batch(rows, perturbation, &Device::Cpu);
            batch.unwrap().input
        };
        // The same graph perturbed and propagated as a whole.
        let perturbed = task
            .graph_task()
            .perturbed_batch(&whole, &perturbation, &Device::Cpu)
            .unwrap();
        let reference = propagate(&perturbed.input.graph, 0..=2, None).unwrap();
        let ids = perturbed.input.rows.ids().clone();
        let found = under(&whole, &perturbation);
        for (found, all) in found.hops.iter().zip(&reference) {
            let expected = all.index_select(&ids, 0).unwrap();
            assert!(largest_difference(found, &expected).unwrap() < 1e-5);
        }
        let clean = task.batch(Split::Test, &whole, &Device::Cpu).unwrap().input;
        for (found, clean) in found.hops.iter().zip(&clean.hops) {
            assert!(largest_difference(found, clean).unwrap() > 1e-3);
        }
        // Another condition in between, and batches of two rows.
        let other = Perturbation {
            seed: 4,
            ..perturbation
        };
        let of_other = under(&whole, &other);
        assert!(largest_difference(&of_other.hops[2], &found.hops[2]).unwrap() > 1e-3);
        for (at, rows) in whole.chunks(2).enumerate() {
            let part = under(rows, &perturbation);
            for (part, found) in part.hops.iter().zip(&found.hops) {
                let expected = found.narrow(0, 2 * at, rows.len()).unwrap();
                assert_eq!(largest_difference(part, &expected).unwrap(), 0.0);
            }
        }
    }
}
