//! The trained model made smaller: in memory ([`CompactModel`]), and as files that run on a graph's files
//! ([`CompactGraph`]).

mod compare;
mod file;
mod layer;
mod model;
mod spread;

pub(crate) use compare::compacted;
pub use file::{CompactGraph, NodePredictions};
pub use model::CompactModel;
