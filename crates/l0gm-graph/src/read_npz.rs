//! Reads a graph from one .npz in the form of Shchur et al. 2018: scipy's CSR parts of the adjacency (`adj_*`) and of
//! the features (`attr_*`), and `labels`. The features stay without their zeros.
use crate::graph::numbered_classes;
use crate::{Adjacency, Error, Features, Graph, NodeId, Result};
use l0gm_data::NpzGraph;
use l0gm_ops::Csr;
use std::path::Path;

/// Reads the graph in the .npz at `path`.
pub fn read_npz(path: &Path) -> Result<Graph> {
    let read = NpzGraph::read(path)?;
    let nodes = read.labels.len();
    let stored: usize = read.rows.iter().map(Vec::len).sum();
    if nodes.max(stored).max(read.features) > u32::MAX as usize {
        let message = format!(
            "{nodes} nodes, {} features and {stored} values; at most {} of each can be read",
            read.features,
            u32::MAX
        );
        return Err(Error::file(path, message));
    }
    let (mut indptr, mut indices, mut values) = (
        Vec::with_capacity(nodes + 1),
        Vec::with_capacity(stored),
        Vec::with_capacity(stored),
    );
    indptr.push(0);
    for row in &read.rows {
        indices.extend(row.iter().map(|(column, _)| *column as u32));
        values.extend(row.iter().map(|(_, value)| *value));
        indptr.push(indices.len() as u32);
    }
    let features = Features::from_sparse(Csr::new(nodes, read.features, indptr, indices, values)?)?;
    let edges: Vec<(NodeId, NodeId)> = read
        .edges
        .iter()
        .map(|&(a, b)| (NodeId(a as u32), NodeId(b as u32)))
        .collect();
    let adjacency = Adjacency::from_edges(nodes, &edges)?;
    let labels: Vec<Option<u32>> = read
        .labels
        .iter()
        .map(|&label| Some(label as u32))
        .collect();
    let classes = numbered_classes(&labels);
    Graph::new(features, labels, classes, adjacency)
}
