//! What can go wrong with a gate, its settings, its file, or the predictions to be judged.

use crate::readable;
use std::path::PathBuf;

/// The crate's result.
pub type Result<T> = std::result::Result<T, Error>;

/// The crate's error.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting outside its range; the message names the setting, its value and the range.
    #[error("{}", readable(.0))]
    Setting(String),
    /// Inputs that do not fit each other.
    #[error("{}", readable(.0))]
    Input(String),
    /// A file that cannot be read or written, or that is not a gate's file.
    #[error("{}", readable(format_args!("{}: {message}", path.display())))]
    File {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it and what to do.
        message: String,
    },
    /// A tensor operation failed.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}

impl Error {
    /// A setting outside its range.
    pub(crate) fn setting(name: &str, value: f64, range: &str) -> Self {
        Error::Setting(format!("{name} is {value}, but must be {range}"))
    }

    /// Inputs that do not fit each other.
    pub(crate) fn input(message: impl Into<String>) -> Self {
        Error::Input(message.into())
    }
}
