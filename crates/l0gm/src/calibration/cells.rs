//! What is read from a file of predictions in any format: the columns of its header, and the cells of the columns
//! that are needed.

use l0gm_data::rows::Place;

/// The type of a column, as far as the header tells (for text files, its first cell).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Numbers in each row.
    Number,
    /// Text, or anything best read as text, such as truth values and dates.
    Text,
    /// A list of numbers in each row, with all classes in one column (Parquet only).
    List,
}

/// One column of the header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Column {
    /// Name as the file writes it.
    pub(super) name: String,
    pub(super) kind: Kind,
}

/// The columns to read, by their position in the header.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    /// Columns to read as text.
    pub(super) texts: Vec<usize>,
    /// Columns to read as numbers; one of kind [`Kind::List`] gives several numbers.
    pub(super) numbers: Vec<usize>,
}

/// The cells of the columns that were read.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Cells {
    /// The cells of the k-th text column are `texts[k]`, one for each row.
    pub(super) texts: Vec<Vec<String>>,
    /// The numbers of all rows, row by row. Entries of a list follow one another.
    pub(super) numbers: Vec<f64>,
    /// Number of numbers in a row.
    pub(super) width: usize,
    /// Number of rows.
    pub(super) rows: usize,
    /// Number of each row, from 0, and its place in the file.
    pub(super) places: Vec<(usize, Place)>,
    /// Remarks on the file for the user.
    pub(super) notes: Vec<String>,
}

impl Cells {
    /// Describes a row's place: "row 3", or "row 3 (line 4)" if the file has lines. Rows count from 1, without the
    /// header.
    pub(super) fn place(&self, row: usize) -> String {
        match self.places.get(row) {
            Some((number, Place::Line(line))) => format!("row {} (line {line})", number + 1),
            Some((number, Place::Row(_))) => format!("row {}", number + 1),
            None => format!("row {}", row + 1),
        }
    }
}
