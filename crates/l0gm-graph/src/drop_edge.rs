//! DropEdge (Rong et al. 2020): each training step sees the graph without a share of its edges, so that the network
//! cannot rely on any one of them. An edge goes in both directions or not at all, and degrees are counted anew.

use crate::GraphInput;
use crate::entry_hash::share;
use candle_core::Result;
use l0gm_ops::{Csr, Generator, SparseMatrix};
use std::sync::Arc;

/// The same input with each edge left out with probability `rate`.
pub(crate) fn drop_edges(
    input: &GraphInput,
    rate: f64,
    generator: &mut Generator,
) -> Result<GraphInput> {
    let salt = generator.below(u64::MAX);
    let thinned = thinned(input.graph.propagation().matrix(), rate, salt)?;
    let graph = input.graph.with_propagation(SparseMatrix::new(thinned));
    let rows = input.rows.of_graph(&graph)?;
    Ok(GraphInput {
        graph: Arc::new(graph),
        rows: Arc::new(rows),
    })
}

/// D^-1/2 (A + I) D^-1/2 of the edges that stay, from the matrix of all edges.
fn thinned(all: &Csr, rate: f64, salt: u64) -> Result<Csr> {
    let (mut indptr, mut indices) = (vec![0u32], Vec::with_capacity(all.indices().len()));
    for (row, span) in all.indptr().windows(2).enumerate() {
        let row = row as u32;
        let others = &all.indices()[span[0] as usize..span[1] as usize];
        let stays = |other: &&u32| {
            **other == row || share(row.min(**other), row.max(**other), salt) >= rate
        };
        indices.extend(others.iter().filter(stays));
        indptr.push(indices.len() as u32);
    }
    let degrees: Vec<f64> = indptr.windows(2).map(|s| f64::from(s[1] - s[0])).collect();
    let mut values = Vec::with_capacity(indices.len());
    for (row, span) in indptr.windows(2).enumerate() {
        for &other in &indices[span[0] as usize..span[1] as usize] {
            values.push((1.0 / (degrees[row] * degrees[other as usize]).sqrt()) as f32);
        }
    }
    Csr::new(all.rows(), all.columns(), indptr, indices, values)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::normalise::symmetric_normalisation;
    use crate::test_graphs::two_communities;

    #[test]
    fn a_thinned_graph_is_symmetric_normalised_and_has_the_share_of_edges_asked_for() {
        let graph = two_communities(200, 3);
        let all = symmetric_normalisation(graph.adjacency()).unwrap();
        let nodes = graph.nodes();
        let kept = SparseMatrix::new(thinned(all.matrix(), 0.3, 11).unwrap());
        assert!(kept.is_symmetric());
        let edges = |matrix: &Csr| (matrix.values().len() - nodes) as f64;
        let share = edges(kept.matrix()) / edges(all.matrix());
        assert!((share - 0.7).abs() < 0.04, "{share}");
        let other = thinned(all.matrix(), 0.3, 12).unwrap();
        assert_ne!(kept.matrix().indices(), other.indices());
        let whole = thinned(all.matrix(), 0.0, 11).unwrap();
        for (a, b) in whole.values().iter().zip(all.matrix().values()) {
            assert!((a - b).abs() < 1e-6);
        }
    }
}
