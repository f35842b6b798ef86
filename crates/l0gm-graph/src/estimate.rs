//! How long a run takes on two CPU cores, from the size of its graph and of its network.

use crate::settings::GraphSettings;
use crate::{Graph, GraphTask};

/// The numbers on which the time of a pass depends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct GraphSize {
    pub(crate) nodes: f64,
    /// Stored entries of the normalised adjacency: two an edge and one a node.
    pub(crate) entries: f64,
    pub(crate) features: f64,
    /// Features that are not 0, over all nodes.
    pub(crate) stored: f64,
}

impl GraphSize {
    /// The size of a graph that has been read.
    pub(crate) fn of(graph: &Graph, task: &GraphTask) -> Self {
        let values = graph.features().values();
        let stored = values.iter().filter(|v| **v != 0.0).count();
        Self {
            nodes: graph.nodes() as f64,
            entries: task.graph().propagation().matrix().values().len() as f64,
            features: graph.features().columns() as f64,
            stored: stored as f64,
        }
    }
}

/// Dense products on two cores, floating-point operations a second.
const DENSE: f64 = 200e9;
/// Sparse products on two cores, floating-point operations a second.
const SPARSE: f64 = 30e9;

/// Seconds of one epoch of training. Three passes (one forward, and a backward pass that costs two), and the
/// elementwise work between.
pub(crate) fn epoch(size: &GraphSize, settings: &GraphSettings) -> f64 {
    let gcn = &settings.gcn;
    let width = gcn.width as f64;
    let weights = if gcn.own_weight { 2.0 } else { 1.0 };
    let rounds = gcn.layers as f64 - 1.0;
    let sparse = gcn.sparse_features && 8.0 * size.stored < size.nodes * size.features;
    let (dense_inputs, first_entries) = match sparse {
        true => (0.0, weights * size.stored + size.entries),
        false => (size.features, 0.0),
    };
    let dense = 2.0 * size.nodes * width * weights * (dense_inputs + rounds * width) / DENSE;
    let sparse = 2.0 * width * (first_entries + rounds * size.entries) / SPARSE;
    let between = size.nodes * width * (rounds + 1.0) * 1.5e-9;
    3.0 * (dense + sparse) + between
}
