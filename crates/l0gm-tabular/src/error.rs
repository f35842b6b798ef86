//! The errors between a file of rows and a trained model. Every message about data names the file, the place in it,
//! what was expected and what was found.

use l0gm_gate::readable;
use std::path::{Path, PathBuf};

/// Result with this crate's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file that cannot be read or has the wrong content as a whole.
    #[error("{}", readable(format_args!("{}: {message}", path.display())))]
    File {
        /// The file at fault.
        path: PathBuf,
        /// What is wrong with it and what to do.
        message: String,
    },
    /// A file whose rows cannot be read as the settings ask.
    #[error(transparent)]
    Rows(#[from] l0gm_data::rows::Error),
    /// A cell with the wrong content.
    #[error("{}", readable(format_args!("{}, {place}, column '{column}': expected {expected}, found {found}", path.display())))]
    Cell {
        /// The file at fault.
        path: PathBuf,
        /// Place of the row in the file.
        place: l0gm_data::rows::Place,
        /// The column that holds the cell.
        column: String,
        /// What was expected in the cell.
        expected: String,
        /// What the cell holds.
        found: String,
    },
    /// An unknown setting or one outside its range; the message names it, its value and the range.
    #[error("{}", readable(.0))]
    Setting(String),
    /// A dataset that cannot be found or fetched.
    #[error(transparent)]
    Data(#[from] l0gm_data::Error),
    /// An error of training or judging.
    #[error(transparent)]
    Train(#[from] l0gm_train::Error),
    /// An error of the gate.
    #[error(transparent)]
    Gate(#[from] l0gm_gate::Error),
    /// A tensor operation that failed.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}

impl Error {
    /// Makes an error about a file as a whole.
    pub(crate) fn file(path: &Path, message: impl Into<String>) -> Self {
        Error::File {
            path: path.to_path_buf(),
            message: message.into(),
        }
    }
}

/// Errors of the training crate pass through unchanged; any other is boxed as the modality's error.
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

/// ", did you mean 'x'?" for the known name nearest to a wrong one, or empty if none is near.
pub(crate) fn did_you_mean<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    l0gm_train::nearest_name(wrong, known)
        .map(|name| format!("; did you mean '{name}'?"))
        .unwrap_or_default()
}
