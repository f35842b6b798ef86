//! Reads any kind of `petgraph` graph. Closures give a node's features and label, and every edge joins both of its
//! ends.
use crate::graph::numbered_classes;
use crate::{Adjacency, Error, Features, Graph, NodeId, Result};
use petgraph::visit::{
    Data, EdgeRef, IntoEdgeReferences, IntoNodeReferences, NodeIndexable, NodeRef,
};

/// Numbers the nodes in the order in which `graph` lists them. From a node's weight, `features` appends its features
/// (always the same number) and `label` returns its class number. If some nodes have no label, `label` returns an
/// `Option`.
pub fn from_petgraph<G, L>(
    graph: G,
    mut features: impl FnMut(&G::NodeWeight) -> Vec<f32>,
    mut label: impl FnMut(&G::NodeWeight) -> L,
) -> Result<Graph>
where
    G: IntoNodeReferences + IntoEdgeReferences + NodeIndexable + Data,
    L: Into<Option<u32>>,
{
    // Node indices have gaps if nodes were removed from the graph; our node numbers have none.
    let mut numbers = vec![None; graph.node_bound()];
    let (mut values, mut labels, mut columns) = (Vec::new(), Vec::new(), None);
    for node in graph.node_references() {
        let number = labels.len();
        numbers[graph.to_index(node.id())] = Some(NodeId(number as u32));
        let row = features(node.weight());
        if *columns.get_or_insert(row.len()) != row.len() {
            return Err(Error::Graph(format!(
                "node {number} has {} features, where other nodes have {}",
                row.len(),
                columns.unwrap_or_default()
            )));
        }
        values.extend(row);
        labels.push(label(node.weight()).into());
    }
    let mut edges = Vec::new();
    for edge in graph.edge_references() {
        let number = |id| {
            numbers[graph.to_index(id)].ok_or_else(|| {
                Error::Graph("an edge ends in a node that the graph does not list".into())
            })
        };
        edges.push((number(edge.source())?, number(edge.target())?));
    }
    let adjacency = Adjacency::from_edges(labels.len(), &edges)?;
    let classes = numbered_classes(&labels);
    Graph::new(
        Features::new(columns.unwrap_or_default(), values)?,
        labels,
        classes,
        adjacency,
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use petgraph::graph::UnGraph;
    use petgraph::visit::NodeFiltered;

    #[test]
    fn a_petgraph_keeps_its_features_labels_and_edges() {
        let mut g = UnGraph::<(f32, u32), ()>::default();
        let ids: Vec<_> = (0..5).map(|i| g.add_node((i as f32, i % 2))).collect();
        for (a, b) in [(0, 1), (1, 2), (3, 4), (4, 0), (2, 4)] {
            g.add_edge(ids[a], ids[b], ());
        }
        // Node 2 is missing, so nodes 3 and 4 get the numbers before theirs.
        let without_2 = NodeFiltered::from_fn(&g, |id| id != ids[2]);
        let ours = from_petgraph(&without_2, |&(x, _)| vec![x, -x], |&(_, label)| label).unwrap();
        assert_eq!(ours.nodes(), 4);
        assert_eq!(ours.labels(), &[0, 1, 1, 0].map(Some));
        assert_eq!(ours.features().row(NodeId(3)), &[4.0, -4.0]);
        let mut pairs = Vec::new();
        for node in 0..4 {
            for &other in ours.adjacency().neighbours(NodeId(node)) {
                pairs.push((node, other));
            }
        }
        assert_eq!(pairs, [(0, 1), (0, 3), (1, 0), (2, 3), (3, 0), (3, 2)]);
    }

    #[test]
    fn a_label_that_cannot_be_a_class_is_an_error_and_takes_no_memory() {
        let mut g = UnGraph::<u32, ()>::default();
        let (a, b) = (g.add_node(0), g.add_node(u32::MAX));
        g.add_edge(a, b, ());
        let error = from_petgraph(&g, |_| vec![1.0], |&label| label).unwrap_err();
        assert!(error.to_string().contains("4294967295"), "{error}");
    }
}
