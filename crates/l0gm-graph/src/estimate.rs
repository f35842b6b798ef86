//! How long a run takes on two CPU cores, from the size of its graph and of its network.

use crate::extent::Extent;
use crate::scores::Reach;
use crate::settings::{FeatureScaling, GraphSettings};
use crate::start::MOST_ITERATIONS;
use crate::{Graph, GraphTask};
use l0gm_train::ClassScores;
use std::time::Duration;

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
    /// Whether nearly all features are 0, so that they are multiplied without their zeros.
    pub(crate) fn is_sparse(&self) -> bool {
        8.0 * self.stored < self.nodes * self.features
    }

    /// The size of a graph that has been read.
    pub(crate) fn of(graph: &Graph, task: &GraphTask) -> Self {
        let values = graph.features().stored();
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
    let sparse = gcn.sparse_features && size.is_sparse();
    let (dense_inputs, first_entries) = match sparse {
        true => (0.0, weights * size.stored + size.entries),
        false => (size.features, 0.0),
    };
    let dense = 2.0 * size.nodes * width * weights * (dense_inputs + rounds * width) / DENSE;
    let sparse = 2.0 * width * (first_entries + rounds * size.entries) / SPARSE;
    let between = size.nodes * width * (rounds + 1.0) * 1.5e-9;
    3.0 * (dense + sparse) + between
}

/// Reading a graph, whatever is trained on it, and judging the predictions of its test nodes: their calibration measures
/// are drawn again 500 times.
fn reading_and_judging(extent: &Extent) -> f64 {
    let size = &extent.size;
    let cells = match size.is_sparse() {
        true => size.stored,
        false => size.nodes * size.features,
    };
    READING_S * (cells + size.entries) + JUDGING_S * extent.test * extent.classes.sqrt()
}

const READING_S: f64 = 4e-8;
const JUDGING_S: f64 = 1e-4;

/// Passes over the training nodes in which a regression's penalty is chosen and its weights are fitted, with 60
/// iterations allowed for each penalty. Measured like the speeds below on the Amazon graphs and coauthor-physics.
const PASSES: f64 = 200.0;
/// With more iterations allowed, fits converge before so many times these passes.
const MOST_PASSES: f64 = 3.0;
/// Multiplications a second of CPU time of a regression on features written out, and without their zeros.
const WRITTEN_OUT: f64 = 4e9;
const WITHOUT_ZEROS: f64 = 3.5e8;

/// Seconds to fit a logistic regression with at most so many iterations for each penalty.
fn regression(extent: &Extent, reach: Reach, iterations: usize) -> f64 {
    let size = &extent.size;
    let share = extent.train / size.nodes.max(1.0);
    let outputs = ClassScores::outputs(extent.classes as usize) as f64;
    let (products, speed) = match (size.is_sparse(), reach) {
        (false, _) => (extent.train * size.features, WRITTEN_OUT),
        (true, Reach::Own) => (share * size.stored, WITHOUT_ZEROS),
        (true, Reach::TwoHops) => (size.stored + (1.0 + share) * size.entries, WITHOUT_ZEROS),
    };
    let averages = match reach {
        Reach::Own => 0.0,
        Reach::TwoHops => 2.0 * 2.0 * size.features * (1.0 + share) * size.entries / SPARSE,
    };
    let passes = PASSES * (iterations as f64 / MOST_ITERATIONS as f64).min(MOST_PASSES);
    averages + passes * 2.0 * products * outputs / speed
}

/// A run of a logistic regression.
pub(crate) fn logistic(extent: &Extent, reach: Reach, iterations: usize) -> Duration {
    Duration::from_secs_f64(reading_and_judging(extent) + regression(extent, reach, iterations))
}

/// The time of a run that only reads the graph and judges predictions, such as that of the majority class.
pub(crate) fn judging(extent: &Extent) -> Duration {
    Duration::from_secs_f64(reading_and_judging(extent))
}

/// A run of the network with or without a gate.
pub(crate) fn gated(extent: &Extent, settings: &GraphSettings) -> Duration {
    let size = &extent.size;
    let scalings = match (settings.features, &settings.search) {
        (FeatureScaling::Auto, Some(_)) => 2.0,
        _ => 1.0,
    };
    let scores = match settings.scores {
        true => Reach::ALL
            .iter()
            .map(|reach| regression(extent, *reach, MOST_ITERATIONS))
            .sum(),
        false => 0.0,
    };
    let trials = settings
        .search
        .as_ref()
        .map_or(0.0, |search| search.cost(size, settings));
    let train = &settings.train;
    let validation = 1.0 + 0.4 / train.validate_every.max(1) as f64;
    let training = train.epochs as f64 * epoch(size, settings) * validation;
    Duration::from_secs_f64(reading_and_judging(extent) + scalings * scores + trials + training)
}
