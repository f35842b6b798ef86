//! Nodes as rows for a linear model: their attributes, or the means of the attributes around them.

use crate::normalise::select_rows;
use crate::scores::Reach;
use crate::two_hop::TwoHopMeans;
use crate::{GraphTensors, NodeId, Result};
use candle_core::{Device, Tensor};
use l0gm_ops::{Csr, embedding};
use l0gm_train::Rows;

/// Features of some nodes, in the form that suits a linear model.
#[derive(Debug)]
pub(crate) enum NodeFeatures {
    /// Without zeros.
    Sparse(Csr),
    /// f32 (nodes, features), on the host.
    Dense(Tensor),
    /// Averages of attributes that are mostly 0, which are not written out.
    TwoHops(TwoHopMeans),
}

impl NodeFeatures {
    /// What `reach` makes of the attributes of these nodes.
    pub(crate) fn new(graph: &GraphTensors, reach: Reach, nodes: &[NodeId]) -> Result<Self> {
        match (reach, graph.sparse()?) {
            (Reach::Own, Some(features)) => Ok(Self::Sparse(
                select_rows(features.matrix(), nodes)?.matrix().clone(),
            )),
            (Reach::TwoHops, Some(features)) => {
                let means = TwoHopMeans::new(features, graph.mean().clone(), nodes)?;
                Ok(Self::TwoHops(means))
            }
            (reach, None) => Ok(Self::Dense(gathered(graph, reach, nodes)?)),
        }
    }

    /// The features as a regression reads them.
    pub(crate) fn rows(&self) -> Rows<'_> {
        match self {
            Self::Sparse(rows) => Rows::Sparse(rows),
            Self::Dense(rows) => Rows::Dense(rows),
            Self::TwoHops(rows) => Rows::Products(rows),
        }
    }

    /// The features without zeros.
    pub(crate) fn into_csr(self) -> Result<Csr> {
        match self {
            Self::Sparse(rows) => Ok(rows),
            Self::Dense(rows) => without_zeros(&rows),
            Self::TwoHops(rows) => rows.to_csr(),
        }
    }
}

/// Number of columns that are averaged at a time, so that the averages of all nodes need not fit in memory at once.
const COLUMNS: usize = 512;

/// What `reach` makes of the attributes of some nodes, on the host: (nodes, features).
fn gathered(graph: &GraphTensors, reach: Reach, nodes: &[NodeId]) -> Result<Tensor> {
    let columns = graph.columns();
    let ids: Vec<u32> = nodes.iter().map(|node| node.0).collect();
    let ids = Tensor::new(ids.as_slice(), graph.device())?;
    let mut blocks = Vec::new();
    for first in (0..columns).step_by(COLUMNS) {
        let width = COLUMNS.min(columns - first);
        let some = graph.features()?.narrow(1, first, width)?.contiguous()?;
        let around = reach.around(graph, &some)?;
        blocks.push(embedding(&around, &ids)?.to_device(&Device::Cpu)?);
    }
    match &blocks[..] {
        [one] => Ok(one.clone()),
        several => Ok(Tensor::cat(several, 1)?.contiguous()?),
    }
}

/// A matrix (rows, features) without its zeros.
fn without_zeros(features: &Tensor) -> Result<Csr> {
    let (rows, columns) = features.dims2()?;
    let values: Vec<f32> = features.flatten_all()?.to_vec1()?;
    let (mut indptr, mut indices, mut kept) = (vec![0], Vec::new(), Vec::new());
    for row in values.chunks_exact(columns) {
        for (column, &value) in row.iter().enumerate().filter(|(_, v)| **v != 0.0) {
            indices.push(column as u32);
            kept.push(value);
        }
        indptr.push(indices.len() as u32);
    }
    Ok(Csr::new(rows, columns, indptr, indices, kept)?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::test_graphs::{small_graph, sparse_copy};

    #[test]
    fn two_hop_means_are_means_of_means_by_their_definition() {
        let graph = small_graph();
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
        let x: Vec<Vec<f64>> = (0..6)
            .map(|node| graph.features().row(NodeId(node)))
            .map(|row| row.iter().map(|v| f64::from(*v)).collect())
            .collect();
        let expected = step(&step(&x));
        let nodes = [5, 0, 3].map(NodeId);
        for graph in [graph.clone(), sparse_copy(&graph)] {
            let tensors = GraphTensors::new(&graph, &Device::Cpu).unwrap();
            let found = NodeFeatures::new(&tensors, Reach::TwoHops, &nodes).unwrap();
            let found = written_out(&found.into_csr().unwrap());
            for (found, node) in found.chunks_exact(4).zip(nodes) {
                for (a, b) in found.iter().zip(&expected[node.0 as usize]) {
                    assert!((f64::from(*a) - b).abs() < 1e-6);
                }
            }
            // Node 5 has no neighbour: its mean is itself.
            assert_eq!(found[..4], graph.features().row(NodeId(5)));
        }
    }

    #[test]
    fn rows_keep_the_order_asked_for() {
        let graph = small_graph();
        let nodes = [NodeId(4), NodeId(1)];
        let expected = nodes.map(|n| graph.features().row(n)).concat();
        for graph in [graph.clone(), sparse_copy(&graph)] {
            let tensors = GraphTensors::new(&graph, &Device::Cpu).unwrap();
            let found = NodeFeatures::new(&tensors, Reach::Own, &nodes).unwrap();
            assert_eq!(written_out(&found.into_csr().unwrap()), expected);
        }
    }

    fn written_out(csr: &Csr) -> Vec<f32> {
        let mut dense = vec![0f32; csr.rows() * csr.columns()];
        for row in 0..csr.rows() {
            for at in csr.indptr()[row] as usize..csr.indptr()[row + 1] as usize {
                dense[row * csr.columns() + csr.indices()[at] as usize] = csr.values()[at];
            }
        }
        dense
    }
}
