//! Which data are read, and how they are split.

use super::check::{check, open_unit};
use crate::Result;
use l0gm_data::rows::{Decimal, HeaderRow, ReadOptions, SplitBy, SplitShares};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Where the test rows come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SplitKind {
    /// Drawn at random with the seed, stratified by class.
    #[default]
    Random,
    /// As published: UCI's two files of Adult, or `data.test-file` of a user's table.
    Official,
}

/// Which data are read, and how they are split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct DataSettings {
    /// Name of the label's column; not needed for Adult.
    pub label: Option<String>,
    /// Class names in the order of their numbers; default: the distinct labels.
    pub classes: Option<Vec<String>>,
    /// Columns to read as numbers, whatever they look like.
    pub numeric: Vec<String>,
    /// Columns to read as categories, whatever they look like.
    pub categorical: Vec<String>,
    /// Columns to ignore completely.
    pub ignore: Vec<String>,
    /// Words that mean "missing" besides the empty cell; default: the list in `docs/rows.md`.
    #[serde(with = "crate::found::missing")]
    pub missing: Option<Vec<String>>,
    /// The character between cells; default: whichever separator divides the first rows evenly.
    #[serde(with = "crate::found::separator")]
    pub separator: Option<char>,
    /// Where the test rows come from.
    pub split: SplitKind,
    /// A second file with the test rows, for a table of one's own. The split is then the official one.
    pub test_file: Option<PathBuf>,
    /// A second file with the validation rows, for a table of one's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid_file: Option<PathBuf>,
    /// Column that groups rows: all rows of a group are in one part of the split. The column is no feature.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Column of dates or numbers by which the latest rows are for test and those before them for validation. The
    /// column is no feature.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
    /// Share of all rows drawn for test, in (0, 1).
    pub test_fraction: f64,
    /// Share of the remaining rows held out for selection, in (0, 1).
    pub valid_fraction: f64,
    /// Trains on a sample of so many training rows, stratified by class; validation and test rows stay the same.
    /// Default: all training rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub train_rows: Option<usize>,
    /// Columns to keep even if they look like an identifier, a constant or a copy of the label.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keep: Vec<String>,
    /// Whether rows without a label are left out; otherwise the first one is an error.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub drop_unlabelled: bool,
    /// The decimal mark; default: found from the cells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decimal: Option<Decimal>,
    /// Where the column names come from; default: the first row, unless it looks like data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<HeaderRow>,
}

impl DataSettings {
    /// The options for reading the files.
    pub fn read_options(&self) -> ReadOptions {
        let default = ReadOptions::default();
        ReadOptions {
            separator: self.separator.map(|separator| separator as u8),
            decimal: self.decimal,
            header: self.header.into(),
            missing: self.missing.clone().unwrap_or(default.missing),
            ignore: self.ignore.clone(),
            prefix: "data.",
            ..default
        }
    }

    /// The column that decides on the split, where one is named.
    pub(crate) fn split_by(&self) -> SplitBy<'_> {
        SplitBy {
            group: self.group.as_deref(),
            time: self.time.as_deref(),
        }
    }

    /// How large the test and validation parts shall be.
    pub(crate) fn shares(&self) -> SplitShares {
        SplitShares {
            test: self.test_fraction,
            valid: self.valid_fraction,
        }
    }

    /// Checks every setting.
    pub(super) fn check(&self) -> Result<()> {
        open_unit("data.test-fraction", self.test_fraction)?;
        open_unit("data.valid-fraction", self.valid_fraction)?;
        let separator = self.separator;
        check(
            separator.is_none_or(|separator| separator.is_ascii()),
            "data.separator",
            &separator.unwrap_or(','),
            "one ASCII character",
        )?;
        if let Some(count) = self.train_rows {
            check(count >= 2, "data.train-rows", &count, "at least 2")?;
        }
        let classes = self.classes.as_ref().map_or(2, Vec::len);
        check(classes >= 2, "data.classes", &classes, "at least two names")
    }

    /// Takes a user's comma and question mark for what they are. As settings they mean that the file is asked, because
    /// they were once the defaults. `given` holds the user's settings only.
    pub(crate) fn take_literally(&mut self, given: &Value) {
        if given.pointer("/data/separator") == Some(&json!(",")) {
            self.separator = Some(',');
        }
        if given.pointer("/data/missing") == Some(&json!(["?"])) {
            self.missing = Some(vec!["?".to_owned()]);
        }
    }
}

impl Default for DataSettings {
    fn default() -> Self {
        Self {
            label: None,
            classes: None,
            numeric: Vec::new(),
            categorical: Vec::new(),
            ignore: Vec::new(),
            missing: None,
            separator: None,
            split: SplitKind::Random,
            test_file: None,
            valid_file: None,
            group: None,
            time: None,
            test_fraction: 0.2,
            valid_fraction: 0.1,
            train_rows: None,
            keep: Vec::new(),
            drop_unlabelled: false,
            decimal: None,
            header: None,
        }
    }
}
