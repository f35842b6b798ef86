//! An attributed, undirected graph in memory: one row of features a node, a label where it has one, and who
//! is joined to whom. A node without a label takes part in message passing, and in no loss. This is G = (V, E) with features X of the paper's section 3, before any
//! normalisation; everything a reader produces goes through [`Graph::new`], which checks it once.
use crate::{Adjacency, Error, Result};
use serde::{Deserialize, Serialize};

/// A node's number, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeId(pub u32);

/// A dense matrix of node features, row by row.
#[derive(Clone, Debug, PartialEq)]
pub struct Features {
    columns: usize,
    values: Vec<f32>,
}

impl Features {
    /// `values` holds nodes x columns finite numbers. A value that is not finite is an error that
    /// names its row and column.
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
    /// Number of features a node.
    pub fn columns(&self) -> usize {
        self.columns
    }
    /// One node's features.
    pub fn row(&self, node: NodeId) -> &[f32] {
        let start = node.0 as usize * self.columns;
        &self.values[start..start + self.columns]
    }
    /// All values, row by row.
    pub fn values(&self) -> &[f32] {
        &self.values
    }
    /// The same values, to change in place.
    pub(crate) fn values_mut(&mut self) -> &mut [f32] {
        &mut self.values
    }
}

/// An attributed graph: features, labels and undirected edges that fit each other.
#[derive(Clone, Debug, PartialEq)]
pub struct Graph {
    features: Features,
    labels: Vec<Option<u32>>,
    classes: Vec<String>,
    adjacency: Adjacency,
}

impl Graph {
    /// `labels` holds one class number a node, each below `classes.len()`, or `None` where a node has no
    /// label (a list of plain numbers will do where all have one); `adjacency` has as many nodes as
    /// `features` has rows. What does not fit is an error that says both counts.
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
    /// Number of undirected edges, each counted once; self-loops and repetitions not counted.
    pub fn edges(&self) -> usize {
        self.adjacency.edges()
    }
    /// X: nodes x features.
    pub fn features(&self) -> &Features {
        &self.features
    }
    /// Each node's class number; `None` where it has no label.
    pub fn labels(&self) -> &[Option<u32>] {
        &self.labels
    }
    /// The classes' names.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }
    /// Who is joined to whom.
    pub fn adjacency(&self) -> &Adjacency {
        &self.adjacency
    }
    pub(crate) fn features_mut(&mut self) -> &mut Features {
        &mut self.features
    }
}

/// Names "0", "1", ... for labels that are plain numbers.
pub(crate) fn numbered_classes(labels: &[Option<u32>]) -> Vec<String> {
    // A label beyond the number of nodes cannot be a class; `Graph::new` refuses it by name.
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
