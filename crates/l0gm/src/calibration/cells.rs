//! What is read from a file of predictions, whatever its format: the header's columns, and the cells of those
//! that were asked for.

use l0gm_data::rows::Place;

/// What a column holds, as far as the header tells (for text, its first cell).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Numbers.
    Number,
    /// Text, or anything that is best read as text (truth values, dates).
    Text,
    /// A list of numbers in each row: all classes in one column (Parquet only).
    List,
}

/// One column of the header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Column {
    /// As it stands in the file.
    pub(super) name: String,
    /// What it holds.
    pub(super) kind: Kind,
}

/// The columns to be read, by their place in the header.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    /// Read as text.
    pub(super) texts: Vec<usize>,
    /// Read as numbers; one of kind [`Kind::List`] stands for several.
    pub(super) numbers: Vec<usize>,
}

/// The columns that were asked for.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Cells {
    /// `texts[k][row]` of the k-th text column.
    pub(super) texts: Vec<Vec<String>>,
    /// Row by row: what the number columns hold, a list's entries one after the other.
    pub(super) numbers: Vec<f64>,
    /// Numbers a row.
    pub(super) width: usize,
    /// Rows.
    pub(super) rows: usize,
    /// Each row's number from 0 and its place in the file.
    pub(super) places: Vec<(usize, Place)>,
    /// What was found in the file and a person would like to know.
    pub(super) notes: Vec<String>,
}

impl Cells {
    /// "row 3" or, where the file has lines, "row 3 (line 4)": rows are counted from 1, without the header.
    pub(super) fn place(&self, row: usize) -> String {
        match self.places.get(row) {
            Some((number, Place::Line(line))) => format!("row {} (line {line})", number + 1),
            Some((number, Place::Row(_))) => format!("row {}", number + 1),
            None => format!("row {}", row + 1),
        }
    }
}
