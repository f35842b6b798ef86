#![doc = include_str!("../README.md")]

mod catalogue;
mod checksum;
mod error;
mod fetch;
mod folders;
mod manifest;
mod node_split;
mod npz_graph;
mod ogb_layout;
mod rng;
pub mod twin;

pub use catalogue::{Catalogue, DataOptions, FetchPolicy, Resolved};
pub use checksum::checksums_of;
pub use error::{Error, Result};
pub use manifest::{Alternative, Entry, FileSpec, Source, TwinSpec};
