//! What can go wrong while an output folder is read or a report is written.

use l0gm_gate::readable;
use plotters::drawing::DrawingAreaErrorKind;
use std::path::{Path, PathBuf};

/// The result type of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The error of another library that caused one of this crate.
type Cause = Box<dyn std::error::Error + Send + Sync>;

/// The error type of this crate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or folder cannot be read or written, or is not what it should be.
    #[error("{}", readable(format_args!("{}: {message}", path.display())))]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it, and what to do where something can be done.
        message: String,
        /// What the operating system or a parser said, if one was asked.
        source: Option<Cause>,
    },
    /// A request that cannot be carried out; says why, and what to ask for instead.
    #[error("{}", readable(.0))]
    Refused(String),
    /// A figure cannot be drawn.
    #[error("drawing {id}")]
    Figure {
        /// The figure's file name, without the extension.
        id: String,
        /// Why not.
        source: Box<Error>,
    },
    /// The drawing library failed.
    #[error(transparent)]
    Drawing(Cause),
    /// Rows or settings cannot be turned into JSON, CSV or Parquet.
    #[error(transparent)]
    Format(Cause),
    /// Predictions cannot be read, or a file cannot be written.
    #[error(transparent)]
    Train(#[from] l0gm_train::Error),
}

impl Error {
    pub(crate) fn file(path: &Path, message: impl Into<String>) -> Self {
        Self::File {
            path: path.to_owned(),
            message: message.into(),
            source: None,
        }
    }
}

/// Says at which file something failed.
pub(crate) trait At<T> {
    /// Turns a foreign error into one about the file at `path`.
    fn at(self, path: &Path, message: impl Into<String>) -> Result<T>;
}

impl<T, E: Into<Cause>> At<T> for std::result::Result<T, E> {
    fn at(self, path: &Path, message: impl Into<String>) -> Result<T> {
        self.map_err(|source| Error::File {
            path: path.to_owned(),
            message: message.into(),
            source: Some(source.into()),
        })
    }
}

impl<E: std::error::Error + Send + Sync + 'static> From<DrawingAreaErrorKind<E>> for Error {
    fn from(error: DrawingAreaErrorKind<E>) -> Self {
        Self::Drawing(error.into())
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::Format(error.into())
    }
}

impl From<csv::Error> for Error {
    fn from(error: csv::Error) -> Self {
        Self::Format(error.into())
    }
}

impl From<arrow::error::ArrowError> for Error {
    fn from(error: arrow::error::ArrowError) -> Self {
        Self::Format(error.into())
    }
}

impl From<parquet::errors::ParquetError> for Error {
    fn from(error: parquet::errors::ParquetError) -> Self {
        Self::Format(error.into())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::error::Error as _;

    #[test]
    fn an_error_names_its_file_and_keeps_its_cause() {
        let denied = std::io::Error::from(std::io::ErrorKind::PermissionDenied);
        let failed: std::result::Result<(), _> = Err(denied);
        let error = failed.at(Path::new("out/report.md"), "cannot be written");
        let error = error.unwrap_err();
        assert_eq!(error.to_string(), "out/report.md: cannot be written");
        let cause = error.source().unwrap();
        assert!(cause.downcast_ref::<std::io::Error>().is_some());
    }
}
