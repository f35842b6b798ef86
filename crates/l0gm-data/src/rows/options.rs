//! How a file is to be read. Everything that can be found from the file is found unless it is set here.

use super::missing::MISSING_WORDS;
use super::number::Decimal;
use super::table::no_column;
use super::{Error, Result};
use crate::limits;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

/// How a file is to be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadOptions {
    /// The byte between cells of delimited text; `None`: found from the first rows.
    pub separator: Option<u8>,
    /// The decimal mark; `None`: found from the cells.
    pub decimal: Option<Decimal>,
    /// The decimal mark where no cell tells: that of the rows a model was trained on.
    pub usual_decimal: Option<Decimal>,
    /// Where the column names come from.
    pub header: Header,
    /// Lines of delimited text that begin with this byte are skipped.
    pub comment: Option<u8>,
    /// Cells that mean "missing" beside the empty one.
    pub missing: Vec<String>,
    /// Columns that are left out before they are looked at; each must exist.
    pub ignore: Vec<String>,
    /// If set, the only columns that are looked at. Those that do not exist are passed over here:
    /// [`super::RawTable::column`] names them.
    pub only: Option<Vec<String>>,
    /// How large a file may be.
    pub caps: Caps,
    /// What stands before a setting's name in messages: "data." in a settings file, "--" on a command line.
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

/// Which columns are looked at, ready to be asked about thousands of them.
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

    /// That every ignored column exists, and that something is left.
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
    /// The first row; an error where it looks like a row of data.
    #[default]
    Find,
    /// The first row, whatever it looks like.
    FirstRow,
    /// There is no header; these are the names.
    Names(Vec<String>),
    /// There is no header; columns are called `column 1`, `column 2`, and so on.
    Absent,
}

/// [`Header`] as a setting: absent, it is [`Header::Find`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HeaderRow {
    /// The first row is a header, whatever it looks like.
    FirstRow,
    /// There is none; the columns are called `column 1`, `column 2` and so on.
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

/// How large a file may be. A file beyond a cap is refused, and the message names the environment
/// variable that raises it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caps {
    /// Bytes of one row (`L0GM_MAX_LINE_MIB`).
    pub line_bytes: u64,
    /// Bytes of the file once it is unpacked (`L0GM_MAX_UNPACKED_MIB`): rows are held in memory.
    pub bytes: u64,
    /// Columns (`L0GM_MAX_COLUMNS`).
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

/// The variable that raises the number of columns.
pub(super) const COLUMNS: &str = "L0GM_MAX_COLUMNS";
/// The variable that raises the bytes of a row.
pub(super) const LINE: &str = limits::LINE.variable();
/// The variable that raises the bytes of a file.
pub(super) const BYTES: &str = limits::ROWS.variable();

/// "the 1024 bytes allowed; where the file is right, set the variable X higher", for messages.
pub(super) fn allowed(cap: u64, what: &str, variable: &str) -> String {
    format!(
        "the {cap} {what} allowed; where the file is right as it is, set the variable {variable} higher"
    )
}
