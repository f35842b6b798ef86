//! Nodes as rows for a linear model: their attributes, or the means of the attributes around them.

use crate::normalise::select_rows;
use crate::scores::Reach;
use crate::{Adjacency, GraphTensors, NodeId, Result};
use candle_core::{Device, Tensor};
use l0gm_ops::{Csr, SparseMatrix, csr_matmul, embedding};

/// D^-1 (A + I): each row averages over a node and its neighbours.
pub(crate) fn mean_over_neighbours(adjacency: &Adjacency) -> Result<SparseMatrix> {
    let nodes = adjacency.nodes();
    let entries = adjacency.indices().len() + nodes;
    let (mut indptr, mut indices) = (Vec::with_capacity(nodes + 1), Vec::with_capacity(entries));
    indptr.push(0);
    for node in 0..nodes as u32 {
        let row = adjacency.neighbours(NodeId(node));
        // The self-loop goes where it keeps the row sorted.
        let (before, after) = row.split_at(row.partition_point(|&other| other < node));
        indices.extend_from_slice(before);
        indices.push(node);
        indices.extend_from_slice(after);
        indptr.push(indices.len() as u32);
    }
    let values = vec![1.0; indices.len()];
    let matrix = Csr::new(nodes, nodes, indptr, indices, values)?.averaging();
    Ok(SparseMatrix::new(matrix))
}

/// P (P X) with P = D^-1 (A + I): (nodes, features). The features of everything within two steps of a node, weighted by
/// how likely a random walk of two steps, which may stay where it is, ends there.
pub(crate) fn two_hop_means(mean: &SparseMatrix, features: &Tensor) -> Result<Tensor> {
    Ok(csr_matmul(mean, &csr_matmul(mean, features)?)?)
}

/// Some nodes' rows of a matrix (nodes, features), without its zeros.
pub(crate) fn sparse_rows(features: &Tensor, nodes: &[NodeId]) -> Result<Csr> {
    let columns = features.dim(1)?;
    let values: Vec<f32> = features.flatten_all()?.to_vec1()?;
    let (mut indptr, mut indices, mut kept) = (vec![0], Vec::new(), Vec::new());
    for node in nodes {
        let row = &values[node.0 as usize * columns..][..columns];
        for (column, &value) in row.iter().enumerate().filter(|(_, v)| **v != 0.0) {
            indices.push(column as u32);
            kept.push(value);
        }
        indptr.push(indices.len() as u32);
    }
    Ok(Csr::new(nodes.len(), columns, indptr, indices, kept)?)
}

/// Some rows of a sparse matrix, in the given order.
pub(crate) fn sparse_part(matrix: &Csr, rows: &[u32]) -> Result<Csr> {
    let nodes: Vec<NodeId> = rows.iter().map(|&row| NodeId(row)).collect();
    Ok(select_rows(matrix, &nodes)?.matrix().clone())
}

/// Number of columns that are averaged at a time, so that the averages of all nodes need not fit in memory at once.
const COLUMNS: usize = 512;

/// What `reach` makes of the attributes of some groups of nodes, on the host: (group, features) each. `groups` holds
/// the nodes' numbers, (group,) u32.
pub(crate) fn gathered(
    graph: &GraphTensors,
    reach: Reach,
    groups: &[&Tensor],
) -> Result<Vec<Tensor>> {
    let columns = graph.features().dim(1)?;
    let mut blocks = vec![Vec::new(); groups.len()];
    for first in (0..columns).step_by(COLUMNS) {
        let width = COLUMNS.min(columns - first);
        let some = graph.features().narrow(1, first, width)?.contiguous()?;
        let around = reach.around(graph, &some)?;
        for (blocks, ids) in blocks.iter_mut().zip(groups) {
            blocks.push(embedding(&around, ids)?.to_device(&Device::Cpu)?);
        }
    }
    let join = |blocks: Vec<Tensor>| -> Result<Tensor> {
        match &blocks[..] {
            [one] => Ok(one.clone()),
            several => Ok(Tensor::cat(several, 1)?.contiguous()?),
        }
    };
    blocks.into_iter().map(join).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::GraphTensors;
    use crate::test_graphs::small_graph;
    use candle_core::Device;

    #[test]
    fn two_hop_means_are_means_of_means_by_their_definition() {
        let graph = small_graph();
        let tensors = GraphTensors::new(&graph, &Device::Cpu).unwrap();
        let mean = mean_over_neighbours(graph.adjacency()).unwrap();
        let found: Vec<Vec<f32>> = two_hop_means(&mean, tensors.features())
            .unwrap()
            .to_vec2()
            .unwrap();
        let step = |x: &[Vec<f64>]| -> Vec<Vec<f64>> {
            let of_node = |node: u32| {
                let around = graph.adjacency().neighbours(NodeId(node));
                let around: Vec<u32> = around.iter().copied().chain([node]).collect();
                let sum = |column: usize| -> f64 {
                    around.iter().map(|&other| x[other as usize][column]).sum()
                };
                (0..4).map(|c| sum(c) / around.len() as f64).collect()
            };
            (0..graph.nodes() as u32).map(of_node).collect()
        };
        let rows = graph.features().values().chunks_exact(4);
        let x: Vec<Vec<f64>> = rows
            .map(|row| row.iter().map(|v| f64::from(*v)).collect())
            .collect();
        for (found, expected) in found.iter().flatten().zip(step(&step(&x)).iter().flatten()) {
            assert!((f64::from(*found) - expected).abs() < 1e-6);
        }
        // Node 5 has no neighbour: its mean is itself.
        assert_eq!(found[5], graph.features().row(NodeId(5)));
    }

    #[test]
    fn rows_keep_the_order_asked_for() {
        let graph = small_graph();
        let tensors = GraphTensors::new(&graph, &Device::Cpu).unwrap();
        let nodes = [NodeId(4), NodeId(1)];
        let plain = sparse_rows(tensors.features(), &nodes).unwrap();
        let expected = [NodeId(4), NodeId(1)].map(|n| graph.features().row(n).to_vec());
        let (columns, values) = (plain.indices(), plain.values());
        for (row, expected) in expected.iter().enumerate() {
            let mut dense = [0f32; 4];
            for at in plain.indptr()[row] as usize..plain.indptr()[row + 1] as usize {
                dense[columns[at] as usize] = values[at];
            }
            assert_eq!(dense.as_slice(), expected);
        }
    }
}
