//! Reads the Adult census table from UCI's two files as published: no header, a comment in the first line of
//! `adult.test`, '?' for a missing value, and labels that end in '.' in the test file only.

use crate::Result;
use l0gm_data::rows::{self, Header, RawTable, ReadOptions, Source};
use std::path::Path;

/// The columns in file order as listed in `adult.names`, and then the label.
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

/// Reads `adult.data` and `adult.test` from a folder. Returns all rows and the number of rows of `adult.data`. The
/// trailing '.' of labels is removed. `ignore` names columns to leave out.
///
/// # Errors
/// Fails if a file cannot be read or its rows have the wrong length.
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
