//! What can go wrong while training or judging.
use std::path::PathBuf;
/// The crate's result.
pub type Result<T> = std::result::Result<T, Error>;
/// The crate's error.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting that is unknown or outside its range; names it, its value and what is allowed.
    #[error("{0}")]
    Setting(String),
    /// A loss or gradient was not finite; the last good checkpoint is kept.
    #[error("{0}")]
    NotFinite(String),
    /// The user asked to stop; the same command goes on from the last checkpoint.
    #[error("stopped on request; the same command goes on from the last checkpoint")]
    Stopped,
    /// A file that could not be read or written, or is not what it should be.
    #[error("{path}: {message}")]
    File {
        /// Which file or folder.
        path: PathBuf,
        /// What is wrong with it and what to do.
        message: String,
    },
    /// A modality's own error (bad data, bad weights).
    #[error(transparent)]
    Modality(Box<dyn std::error::Error + Send + Sync>),
    /// A gate's error.
    #[error(transparent)]
    Gate(#[from] l0gm_gate::Error),
    /// A tensor operation failed.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}
