//! Makes a trained model smaller: in memory ([`CompactModel`]), and as files that can be applied to a graph's files
//! ([`CompactGraph`]).

mod compare;
mod convolution;
mod file;
mod layer;
mod model;
mod spread;
mod stream;

pub(crate) use compare::compacted;
pub use file::{CompactGraph, NodePredictions};
pub use model::CompactModel;
pub use stream::NodeStream;

/// Writes a compact model with a header of no run.
#[cfg(test)]
pub(crate) use file::tests::write as write_for_tests;
