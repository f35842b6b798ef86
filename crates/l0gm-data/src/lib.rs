#![doc = include_str!("../README.md")]

mod catalogue;
mod checksum;
mod encoder_files;
mod error;
mod fetch;
mod folders;
pub mod limits;
mod manifest;
mod node_split;
mod npz;
mod npz_graph;
mod ogb_layout;
mod presence;
mod readable;
mod rng;
pub mod rows;
pub mod twin;

pub use catalogue::{Catalogue, DataOptions, FetchPolicy, Resolved, is_hub_name};
pub use checksum::checksums_of;
pub use error::{Error, Result};
pub use folders::rivals_folder;
pub use manifest::{Alternative, Entry, FileSpec, Source, TwinSpec};
pub use npz::Npz;
pub use npz_graph::NpzGraph;
pub use presence::{is_file, is_there};
