//! The kind of each column (number, category or label), and how its cells were spelled in the training data.

use crate::Result;
use crate::table::{Categories, Cells, Table};
use l0gm_data::rows::dates::DateOrder;
use l0gm_data::rows::{Decimal, number};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The kind of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FieldKind {
    /// A number.
    Numeric,
    /// A category.
    Categorical,
}

/// One input column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    /// Name in the header, or the date's column with the part behind it, such as `day.month`.
    pub name: String,
    /// Kind of the column.
    pub kind: FieldKind,
}

/// A column of dates that was split into numbers: `day` became `day.year`, `day.month` and so on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DateColumn {
    /// Name of the column in the file.
    pub name: String,
    /// The order of day, month and year.
    pub order: DateOrder,
}

/// How cells were spelled in the training data, because new rows may not show it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Spelling {
    /// The columns of dates.
    pub dates: Vec<DateColumn>,
    /// The decimal mark of the file.
    pub decimal: Decimal,
    /// The decimal mark of each column of numbers that had another one.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub decimals: BTreeMap<String, Decimal>,
}

impl Spelling {
    /// The decimal mark of a column of numbers.
    pub fn decimal_of(&self, column: &str) -> Decimal {
        self.decimals.get(column).copied().unwrap_or(self.decimal)
    }

    /// Whether there is nothing to store.
    pub fn is_plain(&self) -> bool {
        *self == Self::default()
    }
}

/// The columns that a model reads, and its classes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schema {
    /// Name of the label's column.
    pub label: String,
    /// Class names, in the order of their numbers.
    pub classes: Vec<String>,
    /// The input columns in the order of the file.
    pub fields: Vec<Field>,
    /// How cells were spelled in the training data.
    #[serde(default)]
    pub spelling: Spelling,
}

impl Schema {
    /// Converts the input columns of a table to the kinds of this schema.
    ///
    /// # Errors
    /// Fails if a column is missing, or a cell of a number column is not a finite number.
    pub(crate) fn retype(&self, table: &mut Table) -> Result<()> {
        for field in &self.fields {
            let cells = match (&table.column(&field.name)?.cells, field.kind) {
                (Cells::Categorical(categories), FieldKind::Numeric) => {
                    Cells::Numeric(to_numbers(table, &field.name, categories)?)
                }
                (Cells::Numeric(values), FieldKind::Categorical) => {
                    let mut categories = Categories::default();
                    for value in values {
                        categories.push(value.map(number::written).as_deref());
                    }
                    Cells::Categorical(categories)
                }
                _ => continue,
            };
            table.replace(&field.name, cells);
        }
        Ok(())
    }
}

fn to_numbers(table: &Table, name: &str, categories: &Categories) -> Result<Vec<Option<f64>>> {
    let numbers: Vec<Option<f64>> = categories
        .names()
        .iter()
        .map(|cell| number::parse(cell, Decimal::Point).filter(|value| value.is_finite()))
        .collect();
    let mut values = Vec::with_capacity(table.rows());
    for (row, code) in categories.codes().iter().enumerate() {
        values.push(match code {
            None => None,
            Some(code) => match numbers[*code as usize] {
                Some(value) => Some(value),
                None => {
                    let found = l0gm_data::rows::shown(&categories.names()[*code as usize]);
                    let expected = "a finite number (leave the cell empty where it is missing)";
                    return Err(table.cell_error(row, name, expected, found));
                }
            },
        });
    }
    Ok(values)
}
