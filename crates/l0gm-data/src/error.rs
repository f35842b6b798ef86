//! What can go wrong between a name and verified files.

use crate::readable::readable;
use std::path::{Path, PathBuf};

/// The crate's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The crate's error.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A name that is not in the catalogue; lists those that are.
    #[error("{}", readable(.0))]
    Unknown(String),
    /// A file that could not be read or written, or is not what it should be.
    #[error("{}", readable(format_args!("{}: {message}", path.display())))]
    File {
        /// Which file or folder.
        path: PathBuf,
        /// What is wrong with it and what to do.
        message: String,
    },
    /// A file of rows that cannot be read as asked.
    #[error(transparent)]
    Rows(#[from] crate::rows::Error),
    /// A download failed; nothing half-written is left under the final name.
    #[error("{}", readable(format_args!("{url}: {message}")))]
    Download {
        /// From where.
        url: String,
        /// What went wrong and what to do.
        message: String,
    },
}

impl Error {
    /// A file or folder, and what is wrong with it.
    pub(crate) fn file(path: impl AsRef<Path>, message: impl Into<String>) -> Self {
        Error::File {
            path: path.as_ref().to_path_buf(),
            message: message.into(),
        }
    }
}

/// Turns an I/O error into ours: `doing` says what was tried ("cannot write").
pub(crate) fn io(path: impl AsRef<Path>, doing: &str) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.as_ref().to_path_buf();
    let doing = doing.to_owned();
    move |e| Error::File {
        path,
        message: format!("{doing}: {e}"),
    }
}
