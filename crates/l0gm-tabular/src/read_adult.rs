//! Reads the Adult census table from UCI's two files as they are published: no header, a comment
//! line at the top of `adult.test`, '?' for a missing value, and labels that end in '.' in the test
//! file only.

use crate::Result;
use l0gm_data::rows::{self, Header, RawTable, ReadOptions, Source};
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
/// Labels lose their trailing '.'. `ignore`: columns that are left out.
///
/// # Errors
/// A file that cannot be read or has rows of another length.
pub fn read_adult(dir: &Path, ignore: &[String]) -> Result<(RawTable, usize)> {
    let options = ReadOptions {
        separator: Some(b','),
        header: Header::Names(ADULT_COLUMNS.map(str::to_owned).to_vec()),
        comment: Some(b'|'),
        missing: vec!["?".into()],
        ignore: ignore.to_vec(),
        prefix: "data.",
        ..ReadOptions::default()
    };
    let read = |name: &str| rows::read(&Source::path(dir.join(name)), &options);
    let mut table = read("adult.data")?;
    let train_rows = table.rows();
    table.append(read("adult.test")?)?;
    table.rewrite("income", |label| label.trim_end_matches('.'));
    Ok((table, train_rows))
}
