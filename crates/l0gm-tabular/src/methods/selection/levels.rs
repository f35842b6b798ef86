//! Fields as levels: every field becomes a category with few values, whatever its kind, so that one criterion can judge
//! them all. A category's values are its levels; a number's levels are its quantile bins and "missing".

use crate::Encoding;
use crate::bins::locate;
use crate::cells::RowCells;

/// One field of the training rows.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct FieldLevels {
    /// The level of each row, below `count`.
    pub(super) of_rows: Vec<u32>,
    /// Number of levels, some of which may not occur.
    pub(super) count: usize,
}

impl FieldLevels {
    /// Every field in the order of the interface: categories, then numbers.
    pub(super) fn all(encoding: &Encoding, rows: &[RowCells]) -> Vec<Self> {
        let categories = encoding.categories.iter().enumerate();
        let categories = categories.map(|(at, field)| Self {
            of_rows: rows
                .iter()
                .map(|row| row.categories[at] - field.offset)
                .collect(),
            count: field.rows as usize,
        });
        let numbers = encoding.numbers.iter().enumerate();
        let numbers = numbers.map(|(at, field)| {
            let level = |row: &RowCells| match row.numbers[at] {
                Some(value) => locate(&field.edges, value).0 as u32 + 1,
                None => 0,
            };
            Self {
                of_rows: rows.iter().map(level).collect(),
                count: field.edges.len(),
            }
        });
        categories.chain(numbers).collect()
    }

    /// Number of rows of each level.
    pub(super) fn counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.count];
        for &level in &self.of_rows {
            counts[level as usize] += 1;
        }
        counts
    }
}
