//! Errors of gates, their settings and files, and of predictions to be judged.

use crate::readable;
use std::path::PathBuf;

/// The result type of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// The error type of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting is outside its range. The message names the setting, its value and the range.
    #[error("{}", readable(.0))]
    Setting(String),
    /// Inputs do not fit each other.
    #[error("{}", readable(.0))]
    Input(String),
    /// A file cannot be read or written, or is not a gate's file.
    #[error("{}", readable(format_args!("{}: {message}", path.display())))]
    File {
        /// The file as the caller named it.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        message: String,
    },
    /// A tensor operation failed.
    #[error(transparent)]
    Tensor(#[from] candle_core::Error),
}

impl Error {
    pub(crate) fn setting(name: &str, value: f64, range: &str) -> Self {
        Error::Setting(format!("{name} is {value}, but must be {range}"))
    }

    pub(crate) fn input(message: impl Into<String>) -> Self {
        Error::Input(message.into())
    }
}
