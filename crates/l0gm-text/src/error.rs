//! What can go wrong between a text and its prediction. Every message names the file or setting, what
//! was expected and what to do.
use l0gm_gate::readable;
use std::path::PathBuf;

/// The crate's result.
pub type Result<T> = std::result::Result<T, Error>;

/// The crate's error.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting outside its range, or settings that do not fit each other.
    #[error("{}", readable(.0))]
    Setting(String),
    /// A file of texts that could not be read, or is not what it should be.
    #[error("{}", readable(format_args!("{}: {message}", path.display())))]
    Corpus {
        /// Which file or folder.
        path: PathBuf,
        /// The row or column, what was expected and what to do.
        message: String,
    },
    /// Rows that cannot be read as asked.
    #[error(transparent)]
    Rows(#[from] l0gm_data::rows::Error),
    /// Weights, a model's configuration or a tokenizer that could not be read, or do not fit.
    #[error("{}", readable(format_args!("{}: {message}", path.display())))]
    Model {
        /// Which file or folder.
        path: PathBuf,
        /// The tensor or key, what was expected and what to do.
        message: String,
    },
    /// A dataset or model could not be found or fetched.
    #[error(transparent)]
    Source(#[from] l0gm_data::Error),
    /// A gate's error.
    #[error(transparent)]
    Gate(#[from] l0gm_gate::Error),
    /// Training or its files failed, or a stop was asked for.
    #[error(transparent)]
    Train(Box<l0gm_train::Error>),
    /// A tensor operation failed.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}

impl Error {
    pub(crate) fn corpus(path: impl Into<PathBuf>, message: impl Into<String>) -> Self {
        Self::Corpus {
            path: path.into(),
            message: message.into(),
        }
    }

    pub(crate) fn model(path: impl Into<PathBuf>, message: impl Into<String>) -> Self {
        Self::Model {
            path: path.into(),
            message: message.into(),
        }
    }
}

impl From<l0gm_train::Error> for Error {
    fn from(error: l0gm_train::Error) -> Self {
        Self::Train(Box::new(error))
    }
}

impl From<Error> for l0gm_train::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Setting(message) => Self::Setting(message),
            Error::Train(inner) => *inner,
            Error::Gate(inner) => Self::Gate(inner),
            Error::Tensor(inner) => Self::Tensor(inner),
            Error::Corpus { path, message } | Error::Model { path, message } => {
                Self::File { path, message }
            }
            other => Self::Modality(Box::new(other)),
        }
    }
}

/// ` (the nearest is "x")` for a name that is not among `known`; empty where nothing is near.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    l0gm_train::nearest_name(name, known)
        .map(|known| format!(" (the nearest is \"{known}\")"))
        .unwrap_or_default()
}
