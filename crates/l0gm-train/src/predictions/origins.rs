//! Where predicted rows stand in the user's data, so that predictions can be joined back to it.

use crate::{Error, Result};
use std::sync::Arc;

/// What names a row in the user's data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RowKeys {
    /// Number of each row in its file, counted from 1; the header is no row.
    Numbers(Vec<u64>),
    /// Name of each row, such as the id of a node, as the user's file writes it.
    Names(Vec<String>),
}

/// Where some rows stand in the user's data, in the order of the rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowOrigins {
    /// Name of each row's file, without its folder. Empty if the rows come from no file that could be named.
    pub files: Vec<Arc<str>>,
    /// What names each row within its file.
    pub keys: RowKeys,
}

impl Default for RowOrigins {
    fn default() -> Self {
        Self {
            files: Vec::new(),
            keys: RowKeys::Numbers(Vec::new()),
        }
    }
}

impl RowOrigins {
    /// Number of rows.
    pub fn len(&self) -> usize {
        match &self.keys {
            RowKeys::Numbers(numbers) => numbers.len(),
            RowKeys::Names(names) => names.len(),
        }
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The rows with these positions, in this order. Positions outside the rows are left out.
    pub fn select(&self, rows: &[u32]) -> Self {
        fn pick<T: Clone>(from: &[T], rows: &[u32]) -> Vec<T> {
            let found = rows.iter().filter_map(|&row| from.get(row as usize));
            found.cloned().collect()
        }
        Self {
            files: pick(&self.files, rows),
            keys: match &self.keys {
                RowKeys::Numbers(numbers) => RowKeys::Numbers(pick(numbers, rows)),
                RowKeys::Names(names) => RowKeys::Names(pick(names, rows)),
            },
        }
    }
}

/// Where the rows of the judged splits stand in the user's data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origins {
    /// The rows of the validation split, in its order.
    pub valid: RowOrigins,
    /// The rows of the test split, in its order.
    pub test: RowOrigins,
}

impl Origins {
    /// Refuses origins that are not as many as the rows of a split.
    pub(crate) fn check(&self, [valid, test]: [usize; 2]) -> Result<()> {
        for (name, origins, rows) in [("valid", &self.valid, valid), ("test", &self.test, test)] {
            let files = origins.files.len();
            if origins.len() != rows || (files != rows && files != 0) {
                return Err(Error::Task(format!(
                    "the {name} split has {rows} rows, but the places of {} in {files} files",
                    origins.len()
                )));
            }
        }
        let kind = |origins: &RowOrigins| {
            let numbered = matches!(origins.keys, RowKeys::Numbers(_));
            (numbered, origins.files.is_empty())
        };
        match kind(&self.valid) == kind(&self.test) || valid == 0 || test == 0 {
            true => Ok(()),
            false => Err(Error::Task(
                "the validation and test rows are named in different ways".to_owned(),
            )),
        }
    }
}
