//! The errors between a text and its prediction. Every message names the file or setting, and says what was expected
//! and what to do.
use l0gm_gate::readable;
use std::path::PathBuf;

/// Result with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting outside its range, or settings that contradict each other.
    #[error("{}", readable(.0))]
    Setting(String),
    /// A file of texts that cannot be read or has the wrong content.
    #[error("{}", readable(format_args!("{}: {message}", path.display())))]
    Corpus {
        /// The file or folder at fault.
        path: PathBuf,
        /// Row or column, what was expected and what to do.
        message: String,
    },
    /// A file whose rows cannot be read as the settings ask.
    #[error(transparent)]
    Rows(#[from] l0gm_data::rows::Error),
    /// Weights, a configuration or a tokenizer that cannot be read or do not match.
    #[error("{}", readable(format_args!("{}: {message}", path.display())))]
    Model {
        /// The file or folder at fault.
        path: PathBuf,
        /// Tensor or key, what was expected and what to do.
        message: String,
    },
    /// A dataset or model that cannot be found or fetched.
    #[error(transparent)]
    Source(#[from] l0gm_data::Error),
    /// An error of the gate.
    #[error(transparent)]
    Gate(#[from] l0gm_gate::Error),
    /// An error of training or its files, or a requested stop.
    #[error(transparent)]
    Train(Box<l0gm_train::Error>),
    /// A tensor operation that failed.
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

/// ` (the nearest is "x")` for a name that is not in `known`, or empty if no known name is near.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    l0gm_train::nearest_name(name, known)
        .map(|known| format!(" (the nearest is \"{known}\")"))
        .unwrap_or_default()
}
