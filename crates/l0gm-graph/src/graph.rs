//! An attributed, undirected graph in memory: G = (V, E) with features X of the paper's section 3, before any
//! normalisation. Every node has a row of features and may have a label. A node without a label takes part in message
//! passing but not in the loss. Every reader ends in [`Graph::new`], which checks the parts once.
use crate::{Adjacency, Error, Result};
use serde::{Deserialize, Serialize};

/// Number of a node, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeId(pub u32);

/// A dense matrix of node features, stored row by row.
#[derive(Clone, Debug, PartialEq)]
pub struct Features {
    columns: usize,
    values: Vec<f32>,
}

impl Features {
    /// Makes the matrix from nodes x columns values. A value that is not finite is an error that names its row and
    /// column.
    pub fn new(columns: usize, values: Vec<f32>) -> Result<Self> {
        if columns == 0 {
            return Err(Error::Graph(
                "the nodes have no features: at least one column is needed".into(),
            ));
        }
        if !values.len().is_multiple_of(columns) {
            return Err(Error::Graph(format!(
                "{} feature values do not fill rows of {columns} columns",
                values.len()
            )));
        }
        if let Some(at) = values.iter().position(|v| !v.is_finite()) {
            return Err(Error::Graph(format!(
                "feature of row {}, column {} is {}; every feature must be a finite number",
                at / columns,
                at % columns,
                values[at]
            )));
        }
        Ok(Self { columns, values })
    }
    /// Number of nodes.
    pub fn rows(&self) -> usize {
        self.values.len() / self.columns
    }
    /// Number of features of each node.
    pub fn columns(&self) -> usize {
        self.columns
    }
    /// Features of one node.
    pub fn row(&self, node: NodeId) -> &[f32] {
        let start = node.0 as usize * self.columns;
        &self.values[start..start + self.columns]
    }
    /// All values, row by row.
    pub fn values(&self) -> &[f32] {
        &self.values
    }
    /// All values, row by row, to be changed in place.
    pub(crate) fn values_mut(&mut self) -> &mut [f32] {
        &mut self.values
    }
}

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
    fn a_feature_that_is_nan_is_named_by_row_and_column() {
        let error = Features::new(2, vec![0.0, 1.0, 2.0, f32::NAN])
            .unwrap_err()
            .to_string();
        assert!(error.contains("row 1, column 1"), "{error}");
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
