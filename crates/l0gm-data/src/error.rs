//! The errors between a name and verified files.

use crate::readable::readable;
use std::path::{Path, PathBuf};

/// Result with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A name that is not in the catalogue; the message lists those that are.
    #[error("{}", readable(.0))]
    Unknown(String),
    /// A file that cannot be read or written, or has the wrong content.
    #[error("{}", readable(format_args!("{}: {message}", path.display())))]
    File {
        /// The file or folder at fault.
        path: PathBuf,
        /// What is wrong with it and what to do.
        message: String,
    },
    /// A file whose rows cannot be read as the options ask.
    #[error(transparent)]
    Rows(#[from] crate::rows::Error),
    /// A download that failed. Only complete files ever have their final name.
    #[error("{}", readable(format_args!("{url}: {message}")))]
    Download {
        /// Address of the download.
        url: String,
        /// What went wrong and what to do.
        message: String,
    },
}

impl Error {
    /// Makes an error about a file or folder.
    pub(crate) fn file(path: impl AsRef<Path>, message: impl Into<String>) -> Self {
        Error::File {
            path: path.as_ref().to_path_buf(),
            message: message.into(),
        }
    }
}

/// Converts an I/O error. `doing` says what was tried, such as "cannot write".
pub(crate) fn io(path: impl AsRef<Path>, doing: &str) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.as_ref().to_path_buf();
    let doing = doing.to_owned();
    move |e| Error::File {
        path,
        message: format!("{doing}: {e}"),
    }
}
