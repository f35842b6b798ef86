//! The robustness protocol for graphs. It perturbs the features of the test nodes as they enter the network. Edges
//! and other nodes stay as they are, so a test node also has neighbours that are perturbed.

use crate::input::Attributes;
use crate::{Error, GraphTensors, NodeId, Result};
use candle_core::Tensor;
use l0gm_ops::{Csr, SparseMatrix};
use l0gm_train::{FeatureScale, Perturbation, column_scales};
use rayon::prelude::*;

/// Value of a missing feature: an absent word, or the mean of standardised features.
const MISSING: f32 = 0.0;

/// Standard deviation and range of every feature over all nodes, whose features training sees too.
pub(crate) fn feature_scales(graph: &GraphTensors) -> Result<Vec<FeatureScale>> {
    match stored(graph)? {
        Some(matrix) => Ok(column_scales(matrix.matrix())),
        None => Ok(FeatureScale::of_columns(&values(graph)?, graph.columns())),
    }
}

/// The graph with the features of `nodes` perturbed; the node's number determines each perturbation.
pub(crate) fn perturbed(
    graph: &GraphTensors,
    nodes: &[NodeId],
    perturbation: &Perturbation,
    scales: &[FeatureScale],
) -> Result<GraphTensors> {
    let columns = scales.len();
    if let Some(matrix) = stored(graph)? {
        let matrix = perturbed_sparse(matrix.matrix(), nodes, perturbation, scales)?;
        return Ok(graph.with_features(Attributes::Sparse(SparseMatrix::new(matrix))));
    }
    let mut all = values(graph)?;
    let mut rows: Vec<(u64, Vec<f32>)> = nodes
        .iter()
        .map(|node| {
            let start = node.0 as usize * columns;
            (u64::from(node.0), all[start..start + columns].to_vec())
        })
        .collect();
    rows.par_iter_mut()
        .for_each(|(node, row)| perturbation.apply(*node, row, scales, MISSING));
    for (node, row) in rows {
        let start = node as usize * columns;
        all[start..start + columns].copy_from_slice(&row);
    }
    let features = Tensor::from_vec(all, (graph.nodes(), columns), graph.device())?;
    Ok(graph.with_features(Attributes::Dense(features)))
}

/// Number of rows that are written out at a time.
const ROWS: usize = 1024;

/// Features without their zeros, those of `nodes` perturbed. Noise leaves no 0, but only these nodes' rows are full.
fn perturbed_sparse(
    matrix: &Csr,
    nodes: &[NodeId],
    perturbation: &Perturbation,
    scales: &[FeatureScale],
) -> Result<Csr> {
    let mut changed = vec![false; matrix.rows()];
    nodes
        .iter()
        .for_each(|node| changed[node.0 as usize] = true);
    let (mut indptr, mut indices, mut values) = (vec![0u32], Vec::new(), Vec::new());
    for first in (0..matrix.rows()).step_by(ROWS) {
        let some: Vec<usize> = (first..matrix.rows().min(first + ROWS)).collect();
        let rows: Vec<(Vec<u32>, Vec<f32>)> = some
            .into_par_iter()
            .map(|node| {
                let span = matrix.indptr()[node] as usize..matrix.indptr()[node + 1] as usize;
                let (at, kept) = (&matrix.indices()[span.clone()], &matrix.values()[span]);
                if !changed[node] {
                    return (at.to_vec(), kept.to_vec());
                }
                let mut row = vec![0f32; matrix.columns()];
                for (&column, &value) in at.iter().zip(kept) {
                    row[column as usize] = value;
                }
                perturbation.apply(node as u64, &mut row, scales, MISSING);
                let present = row.iter().enumerate().filter(|(_, value)| **value != 0.0);
                present.map(|(at, value)| (at as u32, *value)).unzip()
            })
            .collect();
        for (at, kept) in rows {
            indices.extend(at);
            values.extend(kept);
            let end = u32::try_from(indices.len()).map_err(|_| {
                Error::Graph(format!(
                    "perturbed features have more than {} values; leave the robustness protocol out with \
                     train.robustness=false",
                    u32::MAX
                ))
            })?;
            indptr.push(end);
        }
    }
    Ok(Csr::new(
        matrix.rows(),
        matrix.columns(),
        indptr,
        indices,
        values,
    )?)
}

/// X, if it is stored without its zeros.
fn stored(graph: &GraphTensors) -> Result<Option<SparseMatrix>> {
    match graph.is_sparse() {
        true => Ok(graph.sparse()?),
        false => Ok(None),
    }
}

/// The features of all nodes, (nodes x features), row after row.
fn values(graph: &GraphTensors) -> Result<Vec<f32>> {
    Ok(graph.features()?.flatten_all()?.to_vec1()?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use crate::test_graphs::{sparse_copy, two_communities};
    use crate::{GraphTask, NodeSplit, build_model};
    use candle_core::{Device, Tensor};
    use l0gm_train::{Condition, ConditionKind, Perturbation, Split, Task};

    fn task() -> GraphTask {
        let split = NodeSplit::random(120, 0.6, 0.2, 0).unwrap();
        GraphTask::new(&two_communities(60, 1), split, &Device::Cpu).unwrap()
    }

    fn features(task: &GraphTask, condition: Condition, seed: u64) -> Vec<Vec<f32>> {
        let rows = &task.plan(Split::Test, 1, None)[0];
        let perturbation = Perturbation { condition, seed };
        let batch = task.perturbed_batch(rows, &perturbation, &Device::Cpu);
        let batch = batch.unwrap();
        batch.input.graph.features().unwrap().to_vec2().unwrap()
    }

    #[test]
    fn only_test_nodes_change_and_by_seed() {
        let task = task();
        let clean: Vec<Vec<f32>> = task.graph().features().unwrap().to_vec2().unwrap();
        let test: Vec<u32> = task.input(Split::Test).rows.ids().to_vec1().unwrap();
        for condition in Condition::PROTOCOL {
            let once = features(&task, condition, 0);
            assert_eq!(once, features(&task, condition, 0));
            let changed: Vec<u32> = (0..120u32)
                .filter(|node| once[*node as usize] != clean[*node as usize])
                .collect();
            assert!(!changed.is_empty(), "{condition:?}");
            assert!(changed.iter().all(|n| test.contains(n)), "{condition:?}");
            if condition.kind != ConditionKind::Quantisation {
                assert_ne!(once, features(&task, condition, 1), "{condition:?}");
            }
        }
        let nothing = Condition {
            kind: ConditionKind::Missingness,
            severity: 0.0,
        };
        assert_eq!(features(&task, nothing, 0), clean);
    }

    #[test]
    fn features_without_zeros_are_perturbed_to_the_same_values() {
        let split = NodeSplit::random(120, 0.6, 0.2, 0).unwrap();
        let graph = two_communities(60, 1);
        let sparse = GraphTask::new(&sparse_copy(&graph), split, &Device::Cpu).unwrap();
        let rows = &sparse.plan(Split::Test, 1, None)[0];
        for condition in Condition::PROTOCOL {
            let expected = features(&task(), condition, 3);
            let perturbation = Perturbation { condition, seed: 3 };
            let batch = sparse.perturbed_batch(rows, &perturbation, &Device::Cpu);
            let found = batch.unwrap().input.graph.sparse().unwrap().unwrap();
            let identity: Vec<f32> = (0..64).map(|at| f32::from(at % 9 == 0)).collect();
            let identity = Tensor::from_vec(identity, (8, 8), &Device::Cpu).unwrap();
            let found: Vec<Vec<f32>> = l0gm_ops::csr_matmul(&found, &identity)
                .unwrap()
                .to_vec2()
                .unwrap();
            for (a, b) in found.iter().flatten().zip(expected.iter().flatten()) {
                assert!((a - b).abs() < 1e-5, "{condition:?}: {a} {b}");
            }
        }
    }

    #[test]
    fn a_node_is_perturbed_by_its_number_whatever_else_is_tested() {
        let task = task();
        let graph = two_communities(60, 1);
        let other = NodeSplit::random(120, 0.3, 0.2, 5).unwrap();
        let other = GraphTask::new(&graph, other, &Device::Cpu).unwrap();
        let ids = |task: &GraphTask| -> Vec<u32> {
            task.input(Split::Test).rows.ids().to_vec1().unwrap()
        };
        let both: Vec<u32> = ids(&task)
            .into_iter()
            .filter(|node| ids(&other).contains(node))
            .collect();
        assert!(both.len() > 3);
        for condition in Condition::PROTOCOL {
            let (a, b) = (
                features(&task, condition, 2),
                features(&other, condition, 2),
            );
            for node in &both {
                assert_eq!(a[*node as usize], b[*node as usize], "{condition:?}");
            }
        }
    }

    #[test]
    fn the_network_reads_the_perturbed_features_and_not_what_it_propagated_before() {
        let task = task();
        let mut settings = crate::GraphSettings::default();
        settings.gcn.width = 8;
        settings.gcn.interface_width = 16;
        let graph = two_communities(60, 1);
        let model = build_model(&graph, &settings, false, 0, &Device::Cpu).unwrap();
        let logits = |input: &crate::GraphInput| -> Tensor { model.logits(input).unwrap() };
        let clean = logits(&task.input(Split::Test));
        let rows = &task.plan(Split::Test, 1, None)[0];
        let everything = Perturbation {
            condition: Condition {
                kind: ConditionKind::Missingness,
                severity: 1.0,
            },
            seed: 0,
        };
        let batch = task
            .perturbed_batch(rows, &everything, &Device::Cpu)
            .unwrap();
        let moved = (logits(&batch.input) - clean).unwrap().abs().unwrap();
        assert!(moved.max_all().unwrap().to_scalar::<f32>().unwrap() > 1e-3);
    }
}
