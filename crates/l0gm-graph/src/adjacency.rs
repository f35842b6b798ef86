//! Undirected neighbour lists in compressed sparse rows, built from any list of edges by a counting sort. Each row is
//! sorted and names each neighbour once. There are no self-loops, because eq. 2 adds its own.
use crate::{Error, NodeId, Result};

/// The neighbours of every node; symmetric by construction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adjacency {
    indptr: Vec<u32>,
    indices: Vec<u32>,
}

impl Adjacency {
    /// Builds the lists from edges. An edge joins both of its ends, whatever its direction and however often it is
    /// listed; self-loops are dropped. An end outside `0..nodes` is an error that names the edge's position in the
    /// list.
    pub fn from_edges(nodes: usize, edges: &[(NodeId, NodeId)]) -> Result<Self> {
        if u32::try_from(nodes).is_err() || u32::try_from(2 * edges.len() + nodes).is_err() {
            return Err(Error::Graph(format!(
                "{nodes} nodes and {} edges are too many: ids and offsets are 32 bits wide",
                edges.len()
            )));
        }
        let mut start = vec![0u32; nodes + 1];
        for (at, &(a, b)) in edges.iter().enumerate() {
            if let Some(end) = [a, b].into_iter().find(|end| end.0 as usize >= nodes) {
                return Err(Error::Graph(format!(
                    "edge {at} ends in node {}, but the graph has {nodes} nodes (ids 0 to {})",
                    end.0,
                    nodes as i64 - 1
                )));
            }
            if a != b {
                start[a.0 as usize + 1] += 1;
                start[b.0 as usize + 1] += 1;
            }
        }
        for node in 0..nodes {
            start[node + 1] += start[node];
        }
        let mut neighbours = vec![0u32; start[nodes] as usize];
        let mut next = start[..nodes].to_vec();
        for &(a, b) in edges.iter().filter(|(a, b)| a != b) {
            for (from, to) in [(a, b), (b, a)] {
                let slot = &mut next[from.0 as usize];
                neighbours[*slot as usize] = to.0;
                *slot += 1;
            }
        }
        let mut indptr = Vec::with_capacity(nodes + 1);
        indptr.push(0);
        let mut kept = 0;
        for node in 0..nodes {
            let (low, high) = (start[node] as usize, start[node + 1] as usize);
            neighbours[low..high].sort_unstable();
            // Compact the rows in place; the write position never passes the read position.
            for at in low..high {
                let value = neighbours[at];
                if kept == indptr[node] as usize || neighbours[kept - 1] != value {
                    neighbours[kept] = value;
                    kept += 1;
                }
            }
            indptr.push(kept as u32);
        }
        neighbours.truncate(kept);
        neighbours.shrink_to_fit();
        Ok(Self {
            indptr,
            indices: neighbours,
        })
    }
    /// Number of nodes.
    pub fn nodes(&self) -> usize {
        self.indptr.len() - 1
    }
    /// Number of undirected edges, each counted once.
    pub fn edges(&self) -> usize {
        self.indices.len() / 2
    }
    /// A node's neighbours in ascending order, each once, without the node itself.
    pub fn neighbours(&self, node: NodeId) -> &[u32] {
        let (low, high) = (
            self.indptr[node.0 as usize],
            self.indptr[node.0 as usize + 1],
        );
        &self.indices[low as usize..high as usize]
    }
    /// Row offsets; there are nodes + 1 of them.
    pub fn indptr(&self) -> &[u32] {
        &self.indptr
    }
    /// The neighbours of all nodes, row after row.
    pub fn indices(&self) -> &[u32] {
        &self.indices
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn rows_are_sorted_symmetric_and_without_repetition(
            nodes in 1usize..30,
            pairs in prop::collection::vec((0u32..30, 0u32..30), 0..200),
        ) {
            let edges: Vec<_> = pairs
                .iter()
                .map(|&(a, b)| (NodeId(a % nodes as u32), NodeId(b % nodes as u32)))
                .collect();
            let adjacency = Adjacency::from_edges(nodes, &edges).unwrap();
            let mut expected = vec![BTreeSet::new(); nodes];
            for (a, b) in edges.iter().filter(|(a, b)| a != b) {
                expected[a.0 as usize].insert(b.0);
                expected[b.0 as usize].insert(a.0);
            }
            prop_assert_eq!(adjacency.nodes(), nodes);
            prop_assert_eq!(adjacency.edges() * 2, adjacency.indices().len());
            for node in 0..nodes {
                let row: Vec<u32> = expected[node].iter().copied().collect();
                prop_assert_eq!(adjacency.neighbours(NodeId(node as u32)), row.as_slice());
            }
        }
    }

    #[test]
    fn an_edge_to_a_node_that_does_not_exist_is_named() {
        let error = Adjacency::from_edges(3, &[(NodeId(0), NodeId(1)), (NodeId(1), NodeId(7))])
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("edge 1") && error.contains("node 7") && error.contains("3 nodes"),
            "{error}"
        );
    }
}
