//! What can go wrong between a name and verified files.
use std::path::PathBuf;
/// The crate's result.
pub type Result<T> = std::result::Result<T, Error>;
/// The crate's error.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A name that is not in the catalogue; says the nearest one.
    #[error("{0}")]
    Unknown(String),
    /// A file that could not be read or written, or is not what it should be.
    #[error("{path}: {message}")]
    File {
        /// Which file or folder.
        path: PathBuf,
        /// What is wrong with it and what to do.
        message: String,
    },
    /// A download failed; nothing half-written is left under the final name.
    #[error("{url}: {message}")]
    Download {
        /// From where.
        url: String,
        /// What went wrong and what to do.
        message: String,
    },
}
