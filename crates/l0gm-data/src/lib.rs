//! Where a dataset or a pretrained model comes from: catalogue, cache, download, checksum, twin.

mod catalogue;
mod error;
pub mod twin;

pub use catalogue::{Catalogue, DataOptions, Entry, FetchPolicy, Resolved};
pub use error::{Error, Result};
