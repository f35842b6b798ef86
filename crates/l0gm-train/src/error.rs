//! What can go wrong while training or judging.
use l0gm_gate::readable;
use std::path::PathBuf;
/// The result type of this crate.
pub type Result<T> = std::result::Result<T, Error>;
/// The error type of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting that is unknown or outside its range; names it, its value and what is allowed.
    #[error("{}", readable(.0))]
    Setting(String),
    /// A loss or a gradient was NaN or infinite. The last good checkpoint is kept.
    #[error("{}", readable(.0))]
    NotFinite(String),
    /// A task or a model breaks its contract, for example with no training rows or a label that is not a class.
    #[error("{}", readable(.0))]
    Task(String),
    /// A finished run keeps no model that could be built again; says why, and what to do about it.
    #[error("{}", readable(.0))]
    NoModel(String),
    /// The user asked to stop. The same command continues from the last checkpoint.
    #[error("stopped on request; the same command goes on from the last checkpoint")]
    Stopped,
    /// A file cannot be read or written, or is not what it should be.
    #[error("{}", readable(format_args!("{}: {message}", path.display())))]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        message: String,
    },
    /// An error of a modality crate, such as bad data or bad weights.
    #[error(transparent)]
    Modality(Box<dyn std::error::Error + Send + Sync>),
    /// An error of a gate.
    #[error(transparent)]
    Gate(#[from] l0gm_gate::Error),
    /// A tensor operation failed.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}

impl Error {
    pub(crate) fn file(path: &std::path::Path, message: impl Into<String>) -> Self {
        Self::File {
            path: path.to_owned(),
            message: message.into(),
        }
    }

    /// An input or output error on `path`, with advice where the kind of error suggests one.
    pub(crate) fn io(path: &std::path::Path, doing: &str, error: &std::io::Error) -> Self {
        use std::io::ErrorKind;
        let remedy = match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                "; free some space and give the same command again"
            }
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
                "; choose a folder that you may write to"
            }
            _ => "",
        };
        Self::file(path, format!("cannot {doing}: {error}{remedy}"))
    }

    /// Wraps an error of a modality crate, which stays available as the source.
    pub fn modality(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Modality(error.into())
    }
}
