//! What can go wrong while rows are read. Every message names the file and, where there is one, the
//! place in it; what came from the file is shortened and its control characters are escaped.

use super::shown::{shown, shown_name};

/// The reading room's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Where a row stands in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The 1-based line on which the row begins in a text file.
    Line(u64),
    /// The 1-based row of a Parquet file.
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

/// A file of rows that cannot be read as asked.
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
    /// About the file as a whole.
    pub fn file(file: &str, message: impl Into<String>) -> Self {
        Self(Box::new(Parts {
            file: file.to_owned(),
            place: None,
            column: None,
            message: message.into(),
        }))
    }

    /// About one row.
    pub fn row(file: &str, place: Place, message: impl Into<String>) -> Self {
        let mut error = Self::file(file, message);
        error.0.place = Some(place);
        error
    }

    /// About one cell: what was expected there, and the cell as it stands.
    pub fn cell(file: &str, place: Place, column: &str, expected: &str, found: &str) -> Self {
        let mut error = Self::row(
            file,
            place,
            format!("expected {expected}, found {}", shown(found)),
        );
        error.0.column = Some(column.to_owned());
        error
    }

    /// The file's name as it was given.
    pub fn file_name(&self) -> &str {
        &self.0.file
    }

    /// The row it is about.
    pub fn place(&self) -> Option<Place> {
        self.0.place
    }

    /// The column it is about.
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
