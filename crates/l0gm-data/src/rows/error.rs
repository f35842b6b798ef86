//! The errors of reading rows. Every message names the file and, if possible, the place in it. Text from the file is
//! shortened, and its control characters are escaped.

use super::shown::{shown, shown_name};

/// Result with the [`Error`] of this module.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The place of a row in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Line of a text file on which the row begins, counted from 1.
    Line(u64),
    /// Row of a Parquet file, counted from 1.
    Row(u64),
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Place::Line(line) => write!(f, "line {line}"),
            Place::Row(row) => write!(f, "row {row}"),
        }
    }
}

/// A file of rows that cannot be read as the options ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error(Box<Parts>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Parts {
    file: String,
    place: Option<Place>,
    column: Option<String>,
    message: String,
}

impl Error {
    /// Makes an error about the file as a whole.
    pub fn file(file: &str, message: impl Into<String>) -> Self {
        Self(Box::new(Parts {
            file: file.to_owned(),
            place: None,
            column: None,
            message: message.into(),
        }))
    }

    /// Makes an error about one row.
    pub fn row(file: &str, place: Place, message: impl Into<String>) -> Self {
        let mut error = Self::file(file, message);
        error.0.place = Some(place);
        error
    }

    /// Makes an error about one cell, with what was expected and what it holds.
    pub fn cell(file: &str, place: Place, column: &str, expected: &str, found: &str) -> Self {
        let mut error = Self::row(
            file,
            place,
            format!("expected {expected}, found {}", shown(found)),
        );
        error.0.column = Some(column.to_owned());
        error
    }

    /// Name of the file as it was given.
    pub fn file_name(&self) -> &str {
        &self.0.file
    }

    /// Place of the row, if the error is about one.
    pub fn place(&self) -> Option<Place> {
        self.0.place
    }

    /// Name of the column, if the error is about one.
    pub fn column(&self) -> Option<&str> {
        self.0.column.as_deref()
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Parts {
            file,
            place,
            column,
            message,
        } = &*self.0;
        write!(f, "{}", shown_name(file))?;
        if let Some(place) = place {
            write!(f, ", {place}")?;
        }
        if let Some(column) = column {
            write!(f, ", column {}", shown(column))?;
        }
        write!(f, ": {message}")
    }
}

impl std::error::Error for Error {}
