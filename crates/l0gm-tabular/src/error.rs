//! What can go wrong between a file of rows and a trained model. Every message about data names the
//! file, the place in it, what was expected and what was found there.

use l0gm_gate::readable;
use std::path::{Path, PathBuf};

/// The crate's result.
pub type Result<T> = std::result::Result<T, Error>;

/// The crate's error.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file that could not be read, or is not what it should be as a whole.
    #[error("{}", readable(format_args!("{}: {message}", path.display())))]
    File {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it and what to do.
        message: String,
    },
    /// Rows that cannot be read as asked.
    #[error(transparent)]
    Rows(#[from] l0gm_data::rows::Error),
    /// One cell of a file is not what it should be.
    #[error("{}", readable(format_args!("{}, {place}, column '{column}': expected {expected}, found {found}", path.display())))]
    Cell {
        /// Which file.
        path: PathBuf,
        /// The row's place in it.
        place: l0gm_data::rows::Place,
        /// The column's name.
        column: String,
        /// What should stand there.
        expected: String,
        /// What stands there.
        found: String,
    },
    /// A setting outside its range or unknown; the message names it, its value and the range.
    #[error("{}", readable(.0))]
    Setting(String),
    /// The catalogue could not provide the files.
    #[error(transparent)]
    Data(#[from] l0gm_data::Error),
    /// Training or judging failed.
    #[error(transparent)]
    Train(#[from] l0gm_train::Error),
    /// A gate's error.
    #[error(transparent)]
    Gate(#[from] l0gm_gate::Error),
    /// A tensor operation failed.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}

impl Error {
    /// An error about a file as a whole.
    pub(crate) fn file(path: &Path, message: impl Into<String>) -> Self {
        Error::File {
            path: path.to_path_buf(),
            message: message.into(),
        }
    }
}

/// The one modality error the training crate knows is ours, boxed; its own errors pass through.
impl From<Error> for l0gm_train::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Train(error) => error,
            Error::Gate(error) => l0gm_train::Error::Gate(error),
            Error::Tensor(error) => l0gm_train::Error::Tensor(error),
            Error::Setting(message) => l0gm_train::Error::Setting(message),
            other => l0gm_train::Error::Modality(Box::new(other)),
        }
    }
}

/// ", did you mean 'x'?" for the known name nearest to a wrong one; empty where none is near.
pub(crate) fn did_you_mean<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    l0gm_train::nearest_name(wrong, known)
        .map(|name| format!("; did you mean '{name}'?"))
        .unwrap_or_default()
}
