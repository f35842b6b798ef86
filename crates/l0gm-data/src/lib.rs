//! Where a dataset or a pretrained model comes from: catalogue, cache, download, checksum, twin.

mod catalogue;
mod checksum;
mod error;
mod folders;
mod manifest;
pub mod twin;

pub use catalogue::{Catalogue, DataOptions, FetchPolicy, Resolved};
pub use error::{Error, Result};
pub use manifest::{Alternative, Entry, FileSpec, Source, TwinSpec};
