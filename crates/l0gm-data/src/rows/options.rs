//! Options for reading a file. Anything not set here is found from the file.

use super::missing::MISSING_WORDS;
use super::number::Decimal;
use super::table::no_column;
use super::{Error, Result};
use crate::limits;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

/// Options for reading a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadOptions {
    /// The byte between cells of delimited text; `None` means that it is found from the first rows.
    pub separator: Option<u8>,
    /// The decimal mark; `None` means that it is found from the cells.
    pub decimal: Option<Decimal>,
    /// The decimal mark to use if no cell shows it, such as that of the training data.
    pub usual_decimal: Option<Decimal>,
    /// Where the column names come from.
    pub header: Header,
    /// Lines of delimited text that begin with this byte are skipped.
    pub comment: Option<u8>,
    /// Words that mean "missing" besides the empty cell.
    pub missing: Vec<String>,
    /// Columns to ignore completely; each must exist.
    pub ignore: Vec<String>,
    /// If set, only these columns are read. Missing ones are not an error here; [`super::RawTable::column`] reports
    /// them.
    pub only: Option<Vec<String>>,
    /// Limits for the size of a file.
    pub caps: Caps,
    /// Prefix of a setting's name in messages: "data." in a settings file, "--" on a command line.
    pub prefix: &'static str,
}

impl Default for ReadOptions {
    fn default() -> Self {
        Self {
            separator: None,
            decimal: None,
            usual_decimal: None,
            header: Header::Find,
            comment: None,
            missing: MISSING_WORDS.map(str::to_owned).to_vec(),
            ignore: Vec::new(),
            only: None,
            caps: Caps::default(),
            prefix: "--",
        }
    }
}

/// The columns to read, prepared for checking thousands of names.
pub(super) struct Wanted<'a> {
    ignore: HashSet<&'a str>,
    only: Option<HashSet<&'a str>>,
}

impl<'a> Wanted<'a> {
    pub(super) fn new(options: &'a ReadOptions) -> Self {
        let only = options.only.as_ref();
        Self {
            ignore: options.ignore.iter().map(String::as_str).collect(),
            only: only.map(|only| only.iter().map(String::as_str).collect()),
        }
    }

    pub(super) fn has(&self, column: &str) -> bool {
        !self.ignore.contains(column) && self.only.as_ref().is_none_or(|only| only.contains(column))
    }

    /// Checks that every ignored column exists, and that some column remains.
    pub(super) fn check<'n>(
        &self,
        file: &str,
        names: impl Iterator<Item = &'n str> + Clone,
    ) -> Result<()> {
        let known: HashSet<&str> = names.clone().collect();
        if let Some(unknown) = self.ignore.iter().find(|name| !known.contains(*name)) {
            return Err(no_column(file, unknown, names));
        }
        if !names.clone().any(|name| self.has(name)) {
            let message = match &self.only {
                Some(only) => format!(
                    "has none of the columns asked for ({}); its columns: {}",
                    super::list(only.iter().copied()),
                    super::list(names)
                ),
                None => "has no column that is not ignored".to_owned(),
            };
            return Err(Error::file(file, message));
        }
        Ok(())
    }
}

/// Where the column names come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Header {
    /// The first row; it is an error if that looks like a row of data.
    #[default]
    Find,
    /// The first row, whatever it looks like.
    FirstRow,
    /// There is no header; the columns have these names.
    Names(Vec<String>),
    /// There is no header; columns are called `column 1`, `column 2`, and so on.
    Absent,
}

/// [`Header`] as a setting; if it is not set, [`Header::Find`] applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HeaderRow {
    /// The first row is a header, whatever it looks like.
    FirstRow,
    /// There is no header; the columns are called `column 1`, `column 2` and so on.
    Absent,
}

impl From<Option<HeaderRow>> for Header {
    fn from(setting: Option<HeaderRow>) -> Self {
        match setting {
            None => Header::Find,
            Some(HeaderRow::FirstRow) => Header::FirstRow,
            Some(HeaderRow::Absent) => Header::Absent,
        }
    }
}

/// Limits for the size of a file. The error about a larger file names the environment variable for a higher limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caps {
    /// Number of bytes in a row (`L0GM_MAX_LINE_MIB`).
    pub line_bytes: u64,
    /// Number of bytes of the unpacked file (`L0GM_MAX_UNPACKED_MIB`), because rows are held in memory.
    pub bytes: u64,
    /// Number of columns (`L0GM_MAX_COLUMNS`).
    pub columns: u64,
}

impl Default for Caps {
    fn default() -> Self {
        let columns = std::env::var(COLUMNS)
            .ok()
            .and_then(|text| text.trim().parse().ok());
        Self {
            line_bytes: limits::LINE.bytes(),
            bytes: limits::ROWS.bytes(),
            columns: columns.unwrap_or(100_000),
        }
    }
}

/// Environment variable for the number of columns.
pub(super) const COLUMNS: &str = "L0GM_MAX_COLUMNS";
/// Environment variable for the bytes of a row.
pub(super) const LINE: &str = limits::LINE.variable();
/// Environment variable for the bytes of a file.
pub(super) const BYTES: &str = limits::ROWS.variable();

/// Part of a message: "the 1024 bytes allowed; where the file is right, set the variable X higher".
pub(super) fn allowed(cap: u64, what: &str, variable: &str) -> String {
    format!(
        "the {cap} {what} allowed; where the file is right as it is, set the variable {variable} higher"
    )
}
