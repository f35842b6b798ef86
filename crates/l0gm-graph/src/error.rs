//! The errors between a graph's files and a trained model. Every message names the file, line or setting, and says
//! what was expected and what to do.
use l0gm_gate::readable;
use std::path::{Path, PathBuf};

/// Result with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting outside its range; the message names the setting, its value and what is allowed.
    #[error("{}", readable(.0))]
    Setting(String),
    /// A file that cannot be read or has the wrong content.
    #[error("{}", readable(format_args!("{}: {message}", path.display())))]
    File {
        /// The file or folder at fault.
        path: PathBuf,
        /// What is wrong with it and what to do.
        message: String,
    },
    /// A file of nodes or edges whose rows cannot be read as the settings ask.
    #[error(transparent)]
    Rows(#[from] l0gm_data::rows::Error),
    /// Parts of a graph in memory that do not match.
    #[error("{}", readable(.0))]
    Graph(String),
    /// A dataset that cannot be found or fetched.
    #[error(transparent)]
    Data(#[from] l0gm_data::Error),
    /// An error of the gate.
    #[error(transparent)]
    Gate(#[from] l0gm_gate::Error),
    /// An error of training.
    #[error(transparent)]
    Train(#[from] l0gm_train::Error),
    /// A tensor operation that failed.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}

impl Error {
    /// Makes an error about a file.
    pub(crate) fn file(path: &Path, message: impl Into<String>) -> Self {
        Self::File {
            path: path.to_path_buf(),
            message: message.into(),
        }
    }

    /// Makes an error about a file that could not be opened or read. A gzip stream that ends early has its own
    /// wording, because it usually comes from an interrupted download.
    pub(crate) fn read(path: &Path, error: &std::io::Error) -> Self {
        let message = match error.kind() {
            std::io::ErrorKind::NotFound => {
                "there is no such file; give a folder in OGB's raw or binary layout, or an edge list".to_string()
            }
            std::io::ErrorKind::UnexpectedEof => {
                format!("the file ends in the middle of its compressed data ({error}); delete it and fetch it again")
            }
            std::io::ErrorKind::InvalidInput | std::io::ErrorKind::InvalidData => {
                format!("not a whole gzip file ({error}); delete it and fetch it again")
            }
            _ => format!("cannot be read: {error}"),
        };
        Self::file(path, message)
    }
}

impl From<Error> for l0gm_train::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Train(inner) => inner,
            Error::Gate(inner) => Self::Gate(inner),
            Error::Tensor(inner) => Self::Tensor(inner),
            Error::Setting(message) => Self::Setting(message),
            Error::File { path, message } => Self::File { path, message },
            other => Self::Modality(Box::new(other)),
        }
    }
}
