//! What can go wrong between a graph's files and a trained model. Every message says which file, line
//! or setting is meant, what was expected and what to do.
use l0gm_gate::readable;
use std::path::{Path, PathBuf};

/// The crate's result.
pub type Result<T> = std::result::Result<T, Error>;

/// The crate's error.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting outside its range; names it, its value and what is allowed.
    #[error("{}", readable(.0))]
    Setting(String),
    /// A file that could not be read, or is not what it should be.
    #[error("{}", readable(format_args!("{}: {message}", path.display())))]
    File {
        /// Which file or folder.
        path: PathBuf,
        /// What is wrong with it and what to do.
        message: String,
    },
    /// Rows of nodes or edges that cannot be read as asked.
    #[error(transparent)]
    Rows(#[from] l0gm_data::rows::Error),
    /// Parts of a graph in memory that do not fit each other.
    #[error("{}", readable(.0))]
    Graph(String),
    /// The dataset could not be had.
    #[error(transparent)]
    Data(#[from] l0gm_data::Error),
    /// A gate's error.
    #[error(transparent)]
    Gate(#[from] l0gm_gate::Error),
    /// Training failed.
    #[error(transparent)]
    Train(#[from] l0gm_train::Error),
    /// A tensor operation failed.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}

impl Error {
    /// An error about a file.
    pub(crate) fn file(path: &Path, message: impl Into<String>) -> Self {
        Self::File {
            path: path.to_path_buf(),
            message: message.into(),
        }
    }

    /// A file that could not be opened or read. A gzip stream that ends early has its own wording,
    /// because an interrupted download is the usual reason.
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
