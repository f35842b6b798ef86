//! Makes a trained model smaller: in memory ([`CompactModel`]), and as files that predict new texts
//! ([`CompactText`]).
mod compare;
mod file;
mod model;
mod stream;

pub use compare::{compare, sizes};
pub(crate) use compare::{compare_with, task_sizes};
pub use file::CompactText;
pub use model::CompactModel;
pub use stream::TextStream;
