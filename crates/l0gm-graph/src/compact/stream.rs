//! Predicts the nodes of a graph as a single chunk, because every node may depend on all others.

use super::CompactGraph;
use crate::Result;
use l0gm_train::{CompactHeader, PredictedRows, RowKeys, RowPredictor, Unseen};
use std::path::PathBuf;

/// The nodes of a graph with their predictions.
#[derive(Debug)]
pub struct NodeStream {
    model: CompactGraph,
    /// The graph, until it is predicted.
    graph: Option<PathBuf>,
    said: Vec<String>,
}

impl NodeStream {
    pub(super) fn new(model: CompactGraph, graph: PathBuf) -> Self {
        Self {
            model,
            graph: Some(graph),
            said: Vec::new(),
        }
    }

    /// Predicts all nodes; `None` after that.
    ///
    /// # Errors
    /// Fails like [`CompactGraph::predict_files`].
    pub fn next_rows(&mut self) -> Result<Option<PredictedRows>> {
        let Some(graph) = self.graph.take() else {
            return Ok(None);
        };
        let found = self.model.predict_files(&graph)?;
        self.said = found.said;
        Ok(Some(PredictedRows {
            keys: RowKeys::Names(found.names),
            kept: Vec::new(),
            probabilities: found.probabilities,
        }))
    }
}

impl RowPredictor for NodeStream {
    fn header(&self) -> &CompactHeader {
        self.model.header()
    }

    fn next_rows(&mut self) -> l0gm_train::Result<Option<PredictedRows>> {
        self.next_rows().map_err(l0gm_train::Error::modality)
    }

    fn said(&self) -> Vec<String> {
        self.said.clone()
    }

    /// Cells that training did not meet are among the remarks.
    fn unseen(&self) -> Option<Vec<Unseen>> {
        None
    }

    fn share(&self) -> Option<f64> {
        None
    }
}
