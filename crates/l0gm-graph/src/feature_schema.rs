//! The features that each column of a table of nodes becomes: a number stays a number, a date becomes several
//! numbers, and a category has one feature for each word. The schema is made from the graph that a model is trained
//! on and kept with the compact model, so that the columns of another graph mean the same.
use crate::settings::TableSettings;
use crate::{Error, Result};
use l0gm_data::rows::dates::{self, DateOrder};
use l0gm_data::rows::kind::Kind;
use l0gm_data::rows::suspicious::{Finding, Oddity};
use l0gm_data::rows::{Decimal, RawColumn, RawTable, list, shown};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashSet};

/// Largest number of words in a column that become features; a column with more is refused.
const MOST_WORDS: usize = 256;

/// The features of a graph's nodes, in order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct FeatureSchema {
    /// The decimal mark of the file, for columns whose cells do not show it.
    pub(crate) decimal: Decimal,
    /// The columns that become features.
    pub(crate) columns: Vec<FeatureColumn>,
}

/// How one column of the table of nodes becomes features.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct FeatureColumn {
    pub(crate) name: String,
    /// The features that its cells become.
    pub(crate) reading: Reading,
    /// Whether a further feature marks missing cells.
    pub(crate) missing: bool,
}

/// The features that the cells of a column become.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Reading {
    /// One number; true and false are 1 and 0.
    Number {
        /// Value for a missing cell: the mean of the other cells.
        fill: f32,
        /// The decimal mark of these cells; `None` for another graph.
        #[serde(skip)]
        decimal: Option<Decimal>,
    },
    /// Year, month, day, weekday and hour as numbers, without those that never differ.
    Date {
        /// The order of day, month and year.
        order: DateOrder,
        /// Name of each part, and the value for a missing cell.
        parts: Vec<(String, f32)>,
    },
    /// One feature for each word, which is 1 if the node has that word and 0 otherwise.
    Words {
        /// The words in sorted order.
        words: Vec<String>,
        /// Which spellings count as one word.
        spelling: Spelling,
    },
}

/// Which cells count as one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Spelling {
    /// Cells with the same text.
    Text,
    /// Cells with the same number, such as `1` and `1.0`.
    Number,
    /// Cells with the same truth value, such as `true` and `TRUE`.
    Boolean,
}

impl Spelling {
    /// The kind of cell whose canonical text is the word.
    pub(crate) fn kind(self, decimal: Decimal) -> Kind {
        match self {
            Spelling::Text => Kind::Category,
            Spelling::Number => Kind::Number(decimal),
            Spelling::Boolean => Kind::Boolean,
        }
    }
}

impl FeatureColumn {
    /// Number of features that the column becomes.
    pub(crate) fn width(&self) -> usize {
        let of_cells = match &self.reading {
            Reading::Number { .. } => 1,
            Reading::Date { parts, .. } => parts.len(),
            Reading::Words { words, .. } => words.len(),
        };
        of_cells + usize::from(self.missing)
    }
}

impl FeatureSchema {
    /// Number of features of a node.
    pub(crate) fn width(&self) -> usize {
        self.columns.iter().map(FeatureColumn::width).sum()
    }

    /// Makes the schema of all columns of `table` except the label's and those left out. The values for missing cells
    /// are determined later, when the cells are read.
    pub(crate) fn of(
        table: &RawTable,
        kinds: &[Kind],
        label: &str,
        found: &[Finding],
        settings: &TableSettings,
    ) -> Result<Self> {
        let left_out: HashSet<&str> = found
            .iter()
            .filter(|f| f.left_out)
            .map(|f| f.column.as_str())
            .collect();
        let read: Vec<(&RawColumn, Kind)> = table
            .columns()
            .iter()
            .zip(kinds.iter().copied())
            .filter(|(column, _)| column.name != label && !left_out.contains(column.name.as_str()))
            .collect();
        let columns: Vec<Result<Option<FeatureColumn>>> = read
            .par_iter()
            .map(|(column, kind)| feature_column(table, column, *kind, settings))
            .collect();
        let columns: Vec<FeatureColumn> = columns
            .into_iter()
            .filter_map(Result::transpose)
            .collect::<Result<_>>()?;
        if columns.is_empty() {
            return Err(nothing_left(table, found));
        }
        Ok(Self {
            decimal: table.decimal(),
            columns,
        })
    }
}

/// Returns `None` if a kept column has no cells, or if all of its dates are equal.
fn feature_column(
    table: &RawTable,
    column: &RawColumn,
    kind: Kind,
    settings: &TableSettings,
) -> Result<Option<FeatureColumn>> {
    let listed = settings.categorical.contains(&column.name);
    let reading = match kind {
        Kind::Empty => return Ok(None),
        Kind::Number(_) if listed => words(table, column, Spelling::Number)?,
        Kind::Boolean if listed => words(table, column, Spelling::Boolean)?,
        Kind::Number(decimal) => Reading::Number {
            fill: 0.0,
            decimal: Some(decimal),
        },
        Kind::Boolean => Reading::Number {
            fill: 0.0,
            decimal: None,
        },
        Kind::Date(order) if !listed => {
            let parts: Vec<(String, f32)> = dates::expand(table, column, order)?
                .into_iter()
                .filter(|(_, values)| {
                    values.len() < 2 || values.iter().any(|value| *value != values[0])
                })
                .map(|(name, _)| (name, 0.0))
                .collect();
            if parts.is_empty() {
                return Ok(None);
            }
            Reading::Date { order, parts }
        }
        Kind::Date(_) | Kind::Code | Kind::Category => words(table, column, Spelling::Text)?,
    };
    Ok(Some(FeatureColumn {
        name: column.name.clone(),
        reading,
        missing: column.cells.missing() > 0,
    }))
}

fn words(table: &RawTable, column: &RawColumn, spelling: Spelling) -> Result<Reading> {
    let kind = spelling.kind(table.decimal());
    let distinct: HashSet<&str> = column.cells.iter().flatten().collect();
    let words: BTreeSet<String> = distinct
        .into_iter()
        .map(|cell| kind.canonical(cell).into_owned())
        .collect();
    if words.len() > MOST_WORDS {
        return Err(Error::file(
            table.name().as_ref(),
            format!(
                "column {} holds {} different words ({}), more than the {MOST_WORDS} that become a feature each; leave it \
                 out with table.ignore, or write numbers in its place",
                shown(&column.name),
                words.len(),
                list(words.iter().take(3).map(String::as_str))
            ),
        ));
    }
    Ok(Reading::Words {
        words: words.into_iter().collect(),
        spelling,
    })
}

fn nothing_left(table: &RawTable, found: &[Finding]) -> Error {
    let left_out: Vec<&str> = found
        .iter()
        .filter(|f| f.left_out && f.oddity != Oddity::Dates)
        .map(|f| f.column.as_str())
        .collect();
    let message = match left_out.is_empty() {
        true => "no feature columns beside id and label; a node needs at least one number (a column of ones lets the \
                 edges speak alone)"
            .to_owned(),
        false => format!(
            "no feature column is left beside id and label: {} say nothing of other nodes (identifiers, copies of the \
             label, empty columns); keep one with table.keep",
            list(left_out)
        ),
    };
    Error::file(table.name().as_ref(), message)
}
