//! Makes a trained model smaller: in memory ([`CompactModel`]), and as files that predict new texts
//! ([`CompactText`]).
mod file;
mod model;

pub use file::CompactText;
pub use model::{CompactModel, compare, sizes};
pub(crate) use model::{compare_with, mean_tokens};
