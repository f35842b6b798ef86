//! Reads the Adult census table from UCI's two files as they are published: no header, a comment
//! line at the top of `adult.test`, '?' for a missing value, and labels that end in '.' in the test
//! file only.

use crate::read_csv::{CsvFormat, read_csv};
use crate::table::{Cells, Table};
use crate::{Error, Result};
use std::path::Path;

/// The columns in file order, as `adult.names` gives them, then the label.
pub const ADULT_COLUMNS: [&str; 15] = [
    "age",
    "workclass",
    "fnlwgt",
    "education",
    "education-num",
    "marital-status",
    "occupation",
    "relationship",
    "race",
    "sex",
    "capital-gain",
    "capital-loss",
    "hours-per-week",
    "native-country",
    "income",
];

/// The two classes, in the order of their numbers.
pub const ADULT_CLASSES: [&str; 2] = ["<=50K", ">50K"];

/// Reads `adult.data` and `adult.test` from a folder: (all rows, number of rows of `adult.data`).
/// Labels lose their trailing '.'.
///
/// # Errors
/// As [`read_csv`]; a label other than the two classes.
pub fn read_adult(dir: &Path) -> Result<(Table, usize)> {
    let mut table = read_file(&dir.join("adult.data"))?;
    let train_rows = table.rows();
    table.append(read_file(&dir.join("adult.test"))?)?;
    Ok((table, train_rows))
}

fn read_file(path: &Path) -> Result<Table> {
    let format = CsvFormat {
        columns: Some(ADULT_COLUMNS.map(str::to_owned).to_vec()),
        comment: Some(b'|'),
        ..CsvFormat::default()
    };
    let mut table = read_csv(path, &format)?;
    let mut labels = crate::table::Categories::default();
    let Cells::Categorical(found) = &table.column("income")?.cells else {
        return Err(Error::file(path, "its label column is not text"));
    };
    for row in 0..table.rows() {
        labels.push(found.get(row).map(|label| label.trim_end_matches('.')));
    }
    let last = ADULT_COLUMNS.len() - 1;
    table.columns_mut()[last].cells = Cells::Categorical(labels);
    Ok(table)
}
