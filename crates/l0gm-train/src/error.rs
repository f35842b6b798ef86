//! What can go wrong while training or judging.
use l0gm_gate::readable;
use std::path::PathBuf;
/// The crate's result.
pub type Result<T> = std::result::Result<T, Error>;
/// The crate's error.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting that is unknown or outside its range; names it, its value and what is allowed.
    #[error("{}", readable(.0))]
    Setting(String),
    /// A loss or gradient was not finite; the last good checkpoint is kept.
    #[error("{}", readable(.0))]
    NotFinite(String),
    /// A task or a model that breaks its contract: no training rows, a label outside the classes.
    #[error("{}", readable(.0))]
    Task(String),
    /// The user asked to stop; the same command goes on from the last checkpoint.
    #[error("stopped on request; the same command goes on from the last checkpoint")]
    Stopped,
    /// A file that could not be read or written, or is not what it should be.
    #[error("{}", readable(format_args!("{}: {message}", path.display())))]
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

impl Error {
    /// A file's error.
    pub(crate) fn file(path: &std::path::Path, message: impl Into<String>) -> Self {
        Self::File {
            path: path.to_owned(),
            message: message.into(),
        }
    }

    /// An input/output error on `path`, with what to do where that is known.
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

    /// A modality's own error, kept as its source.
    pub fn modality(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Modality(error.into())
    }
}
