//! How long a run takes on two CPU cores, from the size of its graph and of its network.

use crate::extent::Extent;
use crate::scores::Reach;
use crate::settings::{EncoderKind, FeatureScaling, GraphSettings};
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

/// Dense products of a network, floating-point operations a second. This and all speeds below are of CPU time on one
/// thread, measured on the Amazon graphs and coauthor-physics; on two cores a run takes at most as long.
const DENSE: f64 = 200e9;
/// Sparse products of a network, floating-point operations a second.
const SPARSE: f64 = 15e9;

/// Seconds of one epoch of training, with this share of the nodes in training. Three passes (one forward, and a backward
/// pass that costs two), and the elementwise work between. The last layer works on the training nodes alone.
pub(crate) fn epoch(size: &GraphSize, share: f64, settings: &GraphSettings) -> f64 {
    let gcn = &settings.gcn;
    let width = gcn.width as f64;
    let weights = match settings.encoder.own_weight(gcn.own_weight) {
        true => 2.0,
        false => 1.0,
    };
    // Attention is gathered with weights that have gradients of their own.
    let rounds_of_edges = match settings.encoder {
        EncoderKind::Gat => 2.0,
        EncoderKind::Mlp => 0.0,
        EncoderKind::Gcn | EncoderKind::Sage | EncoderKind::SageMax => 1.0,
    };
    let rounds = match gcn.layers {
        0 | 1 => 0.0,
        layers => layers as f64 - 2.0 + share,
    };
    let sparse =
        gcn.sparse_features && size.is_sparse() && settings.encoder != EncoderKind::SageMax;
    let (dense_inputs, first_entries) = match sparse {
        true => (0.0, weights * size.stored + rounds_of_edges * size.entries),
        // Attention cannot gather the features once for all epochs.
        false if settings.encoder == EncoderKind::Gat => {
            (size.features, rounds_of_edges * size.entries)
        }
        false => (size.features, 0.0),
    };
    // Nor can a graph that loses edges or values in each step, which is also made anew.
    let dropped = gcn.drop_edge > 0.0 || (gcn.input_dropout > 0.0 && !sparse);
    let again = match dropped && settings.encoder != EncoderKind::Mlp {
        true if sparse => 20.0 * size.entries,
        true => (20.0 + 2.0 * size.features) * size.entries,
        false => 0.0,
    };
    let dense = 2.0 * size.nodes * width * weights * (dense_inputs + rounds * width) / DENSE;
    let sparse = 2.0 * width * (first_entries + rounds * rounds_of_edges * size.entries) / SPARSE;
    let between = size.nodes * width * (rounds + 1.0) * 1.5e-9;
    3.0 * (dense + sparse) + between + again / SPARSE
}

/// Starting, reading a graph, whatever is trained on it, and judging the predictions of its test nodes: their calibration
/// measures are drawn again 500 times.
fn reading_and_judging(extent: &Extent) -> f64 {
    let size = &extent.size;
    let cells = match size.is_sparse() {
        true => size.stored,
        false => size.nodes * size.features,
    };
    STARTING_S
        + READING_S * (cells + size.entries)
        + JUDGING_S * extent.test * extent.classes.sqrt()
}

const STARTING_S: f64 = 0.3;
const READING_S: f64 = 1.5e-8;
const JUDGING_S: f64 = 1e-6;

/// Passes over the training nodes in which a regression's penalty is chosen and its weights are fitted, with 60
/// iterations allowed for each penalty.
const PASSES: f64 = 200.0;
/// With more iterations allowed, fits converge before so many times these passes.
const MOST_PASSES: f64 = 3.0;
/// Multiplications a second of a regression on features written out, and without their zeros.
const WRITTEN_OUT: f64 = 11e9;
const WITHOUT_ZEROS: f64 = 4.5e8;
/// Floating-point operations a second where features that are written out are averaged over neighbours.
const AVERAGING: f64 = 2.6e9;

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
        // Without their zeros, features are averaged after they have been multiplied.
        Reach::TwoHops if !size.is_sparse() => {
            2.0 * 2.0 * size.features * (1.0 + share) * size.entries / AVERAGING
        }
        Reach::Own | Reach::TwoHops => 0.0,
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
    let share = extent.train / size.nodes.max(1.0);
    let (trials, an_epoch) = match &settings.search {
        Some(search) => (
            search.cost(size, share, settings),
            search.epoch(size, share, settings),
        ),
        None => (0.0, epoch(size, share, settings)),
    };
    let train = &settings.train;
    let validation = 1.0 + 0.4 / train.validate_every.max(1) as f64;
    let training = train.epochs as f64 * an_epoch * validation;
    Duration::from_secs_f64(reading_and_judging(extent) + scalings * scores + trials + training)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::defaults::profile_settings;
    use l0gm_train::{LogisticSettings, Profile};

    fn extent(graph: [f64; 5], [train, valid, test]: [f64; 3]) -> Extent {
        let [nodes, edges, features, stored, classes] = graph;
        let size = GraphSize {
            nodes,
            entries: 2.0 * edges + nodes,
            features,
            stored,
        };
        Extent {
            size,
            classes,
            train,
            valid,
            test,
        }
    }

    /// Seconds of CPU time on one thread of one machine, each of one run.
    #[test]
    fn estimates_are_within_half_of_what_was_measured() {
        let photo = [7_650.0, 119_081.0, 745.0, 7_650.0 * 745.0, 8.0];
        let computers = [13_752.0, 245_861.0, 767.0, 3_675_081.0, 10.0];
        let physics = [34_493.0, 247_962.0, 8_415.0, 1_137_311.0, 5.0];
        let settings = profile_settings(Profile::General);
        let most = LogisticSettings::default().max_iterations;
        for (graph, parts, own, two_hop, network) in [
            (photo, [4_590.0, 1_530.0, 1_530.0], 4.3, 1.5, 27.8),
            (photo, [160.0, 240.0, 7_250.0], 0.8, 0.6, 12.6),
            (computers, [8_251.0, 2_750.0, 2_751.0], 6.9, 2.9, 53.0),
            (computers, [200.0, 300.0, 13_252.0], 0.7, 1.0, 24.2),
            (physics, [20_695.0, 6_898.0, 6_900.0], 8.8, 9.6, 97.0),
        ] {
            let extent = extent(graph, parts);
            for (estimate, measured) in [
                (logistic(&extent, Reach::Own, most), own),
                (logistic(&extent, Reach::TwoHops, MOST_ITERATIONS), two_hop),
                (gated(&extent, &settings), network),
            ] {
                let estimate = estimate.as_secs_f64();
                let near = (estimate - measured).abs() < 0.5;
                assert!(
                    near || (1.0 / 1.5..1.5).contains(&(estimate / measured)),
                    "{estimate:.1} s for {measured} s"
                );
            }
        }
    }
}
