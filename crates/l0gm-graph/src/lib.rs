#![doc = include_str!("../README.md")]
//!
//! # Map
//!
//! [`read_graph`] and [`from_petgraph`] read a graph, which is then normalised as in eq. 2 of the paper. A
//! [`GraphEncoder`] turns every node into a representation. The gate acts on the last layer's representation, before the linear
//! classifier; [`CompactModel`] drops what it closed, and [`CompactGraph`] reads the compact model of a finished run.

mod adjacency;
mod build;
mod compact;
mod convolution;
mod defaults;
mod door;
mod drop_edge;
mod encoder;
mod entry_hash;
mod error;
mod estimate;
mod estimate_hops;
mod extent;
mod feature_dropout;
mod feature_matrix;
mod feature_schema;
mod features;
#[cfg(test)]
mod fine_tests;
mod found;
mod from_petgraph;
mod gathering;
mod graph;
mod head;
mod hops;
mod input;
#[cfg(test)]
mod kinds_tests;
mod label_propagation;
mod layer;
mod load;
mod methods;
mod modality;
mod node_ids;
mod node_table;
mod norm;
mod normalise;
#[cfg(test)]
mod one_step_tests;
mod propagation;
mod read_edge_list;
mod read_npz;
mod read_ogb_binary;
mod read_ogb_raw;
mod reading;
mod ready;
mod robustness;
mod rows;
mod scores;
mod search;
pub mod settings;
mod sizes;
mod split;
mod start;
mod task;
#[cfg(test)]
mod test_graphs;
mod text_matrix;
mod two_hop;

pub use adjacency::Adjacency;
pub use build::build_model;
pub use compact::{CompactGraph, CompactModel, NodePredictions, NodeStream};
pub use defaults::profile_settings;
pub use encoder::GraphEncoder;
pub use error::{Error, Result};
pub use features::Features;
pub use from_petgraph::from_petgraph;
pub use graph::{Graph, NodeId};
pub use head::{GraphModel, LinearHead};
pub use input::{GraphInput, GraphTensors, NodeRows};
pub use load::read_graph;
pub use modality::GraphModality;
pub use normalise::{scale_features, symmetric_normalisation};
pub use read_edge_list::read_edge_list;
pub use read_npz::read_npz;
pub use read_ogb_binary::read_ogb_binary;
pub use read_ogb_raw::read_ogb_raw;
pub use settings::GraphSettings;
pub use sizes::sizes;
pub use split::{NodeSplit, RANDOM, split_kinds};
pub use task::GraphTask;
