//! How long methods take that propagate once: SGC, SIGN and label propagation. Rough, like [`estimate`](crate::estimate).

use crate::GraphSettings;
use crate::estimate::{judging, logistic};
use crate::extent::Extent;
use crate::hops::{SgcSettings, SignSettings};
use crate::label_propagation::LabelSettings;
use crate::scores::Reach;
use std::time::Duration;

/// Floating-point operations a second where rows that are written out are averaged over neighbours.
const AVERAGING: f64 = 2.6e9;
/// Floating-point operations a second of a network's dense products.
const DENSE: f64 = 100e9;
/// Values that are gathered into batches a second.
const GATHERED: f64 = 5e8;
/// Share of the iterations that label propagation takes before nothing changes, over the usual values of alpha.
const ITERATIONS: f64 = 0.4;

/// Seconds to propagate so many columns over all edges so many times.
fn propagation(extent: &Extent, columns: f64, times: f64) -> f64 {
    2.0 * extent.size.entries * columns * times / AVERAGING
}

/// A run of label propagation.
pub(crate) fn label_propagation(extent: &Extent, own: &LabelSettings) -> Duration {
    let times = ITERATIONS * own.iterations as f64 * own.alphas.len() as f64;
    judging(extent) + Duration::from_secs_f64(propagation(extent, extent.classes, times))
}

/// A run of SGC.
pub(crate) fn sgc(extent: &Extent, own: &SgcSettings) -> Duration {
    let size = &extent.size;
    // Propagated features are written out, however few of the node's own are not 0.
    let mut written_out = *extent;
    written_out.size.stored = size.nodes * size.features;
    let seconds = propagation(extent, size.features, own.hops as f64);
    logistic(&written_out, Reach::Own, own.regression.max_iterations)
        + Duration::from_secs_f64(seconds)
}

/// A run of SIGN, with or without a gate.
pub(crate) fn sign(extent: &Extent, own: &SignSettings, settings: &GraphSettings) -> Duration {
    let (hops, width) = (own.hops as f64, own.width as f64);
    let inputs = (hops + 1.0) * extent.size.features;
    let hidden = match own.layers {
        1 => 0.0,
        layers => (hops + 1.0) * width * width + (layers as f64 - 2.0) * width * width,
    };
    let products = inputs * width + hidden + own.interface_width() as f64 * extent.classes;
    let train = &settings.train;
    // A backward pass costs two; validation is one pass.
    let passes = train.epochs as f64
        * (3.0 * extent.train + extent.valid / train.validate_every.max(1) as f64);
    // Under the robustness protocol features are propagated again for each of twelve conditions.
    let times = match train.robustness {
        true => 13.0 * hops,
        false => hops,
    };
    let seconds = propagation(extent, extent.size.features, times)
        + passes * (2.0 * products / DENSE + inputs / GATHERED);
    judging(extent) + Duration::from_secs_f64(seconds)
}
