//! An attributed, undirected graph in memory: G = (V, E) with features X of the paper's section 3, before any
//! normalisation. Every node has a row of features and may have a label. A node without a label takes part in message
//! passing but not in the loss. Every reader ends in [`Graph::new`], which checks the parts once.
use crate::{Adjacency, Error, Features, Result};
use serde::{Deserialize, Serialize};

/// Number of a node, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeId(pub u32);

/// An attributed graph whose features, labels and undirected edges match each other.
#[derive(Clone, Debug, PartialEq)]
pub struct Graph {
    features: Features,
    labels: Vec<Option<u32>>,
    classes: Vec<String>,
    adjacency: Adjacency,
}

impl Graph {
    /// Checks and joins the parts of a graph. `labels` holds for each node a class number below `classes.len()`, or
    /// `None` if the node has no label; if all nodes have one, plain numbers may be passed. `adjacency` must have as
    /// many nodes as `features` has rows. An error about parts that do not match states both counts.
    pub fn new<L: Into<Option<u32>>>(
        features: Features,
        labels: Vec<L>,
        classes: Vec<String>,
        adjacency: Adjacency,
    ) -> Result<Self> {
        let labels: Vec<Option<u32>> = labels.into_iter().map(Into::into).collect();
        let nodes = adjacency.nodes();
        if features.rows() != nodes {
            return Err(Error::Graph(format!(
                "{} rows of features for a graph of {nodes} nodes; there must be one a node",
                features.rows()
            )));
        }
        if labels.len() != nodes {
            return Err(Error::Graph(format!(
                "{} labels for a graph of {nodes} nodes; there must be one a node",
                labels.len()
            )));
        }
        if classes.len() < 2 {
            return Err(Error::Graph(format!(
                "{} classes among the labels; a classifier needs at least two",
                classes.len()
            )));
        }
        let outside = |label: &Option<u32>| label.filter(|l| *l as usize >= classes.len());
        let mut found = labels.iter().enumerate();
        if let Some((node, label)) = found.find_map(|(node, l)| Some((node, outside(l)?))) {
            return Err(Error::Graph(format!(
                "node {node} has label {label}, outside the classes 0 to {}",
                classes.len() - 1
            )));
        }
        Ok(Self {
            features,
            labels,
            classes,
            adjacency,
        })
    }
    /// Number of nodes.
    pub fn nodes(&self) -> usize {
        self.labels.len()
    }
    /// Number of undirected edges. Each is counted once; self-loops and repetitions are not counted.
    pub fn edges(&self) -> usize {
        self.adjacency.edges()
    }
    /// X: nodes x features.
    pub fn features(&self) -> &Features {
        &self.features
    }
    /// The class number of each node; `None` if it has no label.
    pub fn labels(&self) -> &[Option<u32>] {
        &self.labels
    }
    /// Class names; a label is a position among them.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }
    /// The neighbours of every node.
    pub fn adjacency(&self) -> &Adjacency {
        &self.adjacency
    }
    pub(crate) fn features_mut(&mut self) -> &mut Features {
        &mut self.features
    }
}

/// Class names "0", "1", ... for labels that are plain numbers.
pub(crate) fn numbered_classes(labels: &[Option<u32>]) -> Vec<String> {
    // A label above the number of nodes cannot be a class; `Graph::new` refuses it by name.
    let most = labels.len().max(2);
    let count = labels
        .iter()
        .flatten()
        .max()
        .map_or(0, |&m| (m as usize + 1).min(most));
    (0..count).map(|c| c.to_string()).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn path_graph() -> Adjacency {
        Adjacency::from_edges(3, &[(NodeId(0), NodeId(1)), (NodeId(1), NodeId(2))]).unwrap()
    }

    #[test]
    fn a_label_outside_the_classes_is_refused() {
        let features = Features::new(1, vec![0.0; 3]).unwrap();
        let error = Graph::new(
            features,
            vec![0u32, 1, 2],
            vec!["a".into(), "b".into()],
            path_graph(),
        )
        .unwrap_err()
        .to_string();
        assert!(error.contains("node 2 has label 2"), "{error}");
    }

    #[test]
    fn too_few_rows_of_features_are_refused() {
        let features = Features::new(1, vec![0.0; 2]).unwrap();
        let error = Graph::new(
            features,
            vec![0u32, 1, 0],
            vec!["a".into(), "b".into()],
            path_graph(),
        )
        .unwrap_err()
        .to_string();
        assert!(
            error.contains("2 rows of features") && error.contains("3 nodes"),
            "{error}"
        );
    }
}
