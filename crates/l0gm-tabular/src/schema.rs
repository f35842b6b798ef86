//! What each column is: a number, a category or the label. Inferred from the cells, overridable by
//! the settings; after [`Schema::apply`] every column of the table has the kind the schema gives it.

use crate::settings::DataSettings;
use crate::table::{Categories, Cells, Table};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// More distinct classes than this is taken for a number or an id, not for a label.
const MOST_CLASSES: usize = 1_000;
/// A text column with at least this many distinct values ...
const LOOKS_NUMERIC_DISTINCT: usize = 20;
/// ... of which at least this share are numbers is a number column with a mistake in it.
const LOOKS_NUMERIC_SHARE: f64 = 0.9;

/// What a field is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FieldKind {
    /// A number.
    Numeric,
    /// One of some categories.
    Categorical,
}

/// One input column.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    /// The column's name.
    pub name: String,
    /// What it is.
    pub kind: FieldKind,
}

/// The columns a model reads, and the classes it tells apart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schema {
    /// The label's column.
    pub label: String,
    /// Class names, in the order of their numbers.
    pub classes: Vec<String>,
    /// The input columns, in the file's order.
    pub fields: Vec<Field>,
}

impl Schema {
    /// Infers a schema. A column is numeric if every cell that is not missing parses as a number
    /// ('nan' and 'inf' included, which [`Schema::apply`] then refuses by name); the settings'
    /// `numeric`, `categorical` and `ignore` lists come first. Classes are the settings', else the
    /// distinct labels, sorted as numbers where all are numbers.
    ///
    /// # Errors
    /// A listed column that does not exist (names the nearest); no label column; a text column that
    /// looks numeric but for a few cells (names the first); fewer than two classes.
    pub fn infer(table: &Table, settings: &DataSettings) -> Result<Self> {
        let label = settings.label.clone().ok_or_else(|| {
            Error::Setting(format!(
                "data.label is not set: name the label's column of {}",
                table.path().display()
            ))
        })?;
        table.column(&label)?;
        for name in [&settings.numeric, &settings.categorical, &settings.ignore]
            .into_iter()
            .flatten()
        {
            table.column(name)?;
        }
        let mut fields = Vec::new();
        for column in table.columns() {
            if column.name == label || settings.ignore.contains(&column.name) {
                continue;
            }
            let kind = if settings.numeric.contains(&column.name) {
                FieldKind::Numeric
            } else if settings.categorical.contains(&column.name) {
                FieldKind::Categorical
            } else {
                infer_kind(table, &column.name, &column.cells)?
            };
            fields.push(Field {
                name: column.name.clone(),
                kind,
            });
        }
        if fields.is_empty() {
            return Err(Error::file(
                table.path(),
                "has no column beside the label; expected at least one",
            ));
        }
        let classes = match &settings.classes {
            Some(classes) => classes.clone(),
            None => infer_classes(table, &label)?,
        };
        Ok(Self {
            label,
            classes,
            fields,
        })
    }

    /// Retypes the table's columns to this schema and returns each row's class.
    ///
    /// # Errors
    /// A cell of a numeric column that is no finite number; a label that is missing or outside the
    /// classes. Each names file, row and column.
    pub fn apply(&self, table: &mut Table) -> Result<Vec<u32>> {
        self.retype(table)?;
        self.labels(table)
    }

    /// Retypes the input columns alone, of rows that need no label.
    ///
    /// # Errors
    /// A column that is not there; a cell of a numeric column that is no finite number.
    pub(crate) fn retype(&self, table: &mut Table) -> Result<()> {
        for field in &self.fields {
            let retyped = match (&table.column(&field.name)?.cells, field.kind) {
                (Cells::Categorical(categories), FieldKind::Numeric) => {
                    Some(Cells::Numeric(to_numbers(table, &field.name, categories)?))
                }
                (Cells::Numeric(values), FieldKind::Categorical) => {
                    let mut categories = Categories::default();
                    for value in values {
                        categories.push(value.map(|value| value.to_string()).as_deref());
                    }
                    Some(Cells::Categorical(categories))
                }
                _ => None,
            };
            if let Some(cells) = retyped {
                let columns = table.columns_mut().iter_mut();
                for column in columns.filter(|column| column.name == field.name) {
                    column.cells = cells.clone();
                }
            }
        }
        Ok(())
    }

    /// The classes of the rows.
    fn labels(&self, table: &Table) -> Result<Vec<u32>> {
        let cells = &table.column(&self.label)?.cells;
        let expected = || {
            let shown: Vec<&str> = self.classes.iter().take(12).map(String::as_str).collect();
            format!("one of the classes {}", shown.join(", "))
        };
        (0..table.rows())
            .map(|row| {
                let text = cells.text(row);
                let class = text
                    .as_deref()
                    .and_then(|text| self.classes.iter().position(|class| class == text));
                class.map(|class| class as u32).ok_or_else(|| {
                    let found = match &text {
                        Some(text) => {
                            let known = self.classes.iter().map(String::as_str);
                            format!("'{text}'{}", crate::error::did_you_mean(text, known))
                        }
                        None => "a missing label".into(),
                    };
                    table.cell_error(row, &self.label, expected(), found)
                })
            })
            .collect()
    }
}

fn infer_kind(table: &Table, name: &str, cells: &Cells) -> Result<FieldKind> {
    let Cells::Categorical(categories) = cells else {
        return Ok(FieldKind::Numeric);
    };
    let names = categories.names();
    let numbers = names.iter().filter(|n| n.parse::<f64>().is_ok()).count();
    if numbers == names.len() && numbers > 0 {
        return Ok(FieldKind::Numeric);
    }
    let share = numbers as f64 / names.len().max(1) as f64;
    if names.len() >= LOOKS_NUMERIC_DISTINCT && share >= LOOKS_NUMERIC_SHARE {
        let row = (0..table.rows()).find(|&row| {
            categories
                .get(row)
                .is_some_and(|cell| cell.parse::<f64>().is_err())
        });
        let row = row.unwrap_or(0);
        let found = categories.get(row).unwrap_or_default();
        return Err(table.cell_error(
            row,
            name,
            "a number, as in nearly all other rows (or list the column under data.categorical)",
            format!("'{found}'"),
        ));
    }
    Ok(FieldKind::Categorical)
}

fn infer_classes(table: &Table, label: &str) -> Result<Vec<String>> {
    let cells = &table.column(label)?.cells;
    let distinct: std::collections::BTreeSet<String> = (0..table.rows())
        .filter_map(|row| cells.text(row))
        .collect();
    if distinct.len() < 2 || distinct.len() > MOST_CLASSES {
        return Err(Error::file(
            table.path(),
            format!(
                "label column '{label}' has {} distinct values; expected 2 to {MOST_CLASSES} classes",
                distinct.len()
            ),
        ));
    }
    let mut classes: Vec<String> = distinct.into_iter().collect();
    let numbers: Option<Vec<f64>> = classes.iter().map(|c| c.parse().ok()).collect();
    if let Some(numbers) = numbers {
        let mut order: Vec<usize> = (0..classes.len()).collect();
        order.sort_by(|&a, &b| numbers[a].total_cmp(&numbers[b]));
        classes = order.into_iter().map(|i| classes[i].clone()).collect();
    }
    Ok(classes)
}

fn to_numbers(table: &Table, name: &str, categories: &Categories) -> Result<Vec<Option<f64>>> {
    let numbers: Vec<Option<f64>> = categories
        .names()
        .iter()
        .map(|cell| cell.parse::<f64>().ok().filter(|value| value.is_finite()))
        .collect();
    let mut values = Vec::with_capacity(table.rows());
    for (row, code) in categories.codes().iter().enumerate() {
        match code {
            None => values.push(None),
            Some(code) => match numbers[*code as usize] {
                Some(value) => values.push(Some(value)),
                None => {
                    let found = format!("'{}'", categories.names()[*code as usize]);
                    let expected =
                        "a finite number (leave the cell empty, or write '?', where it is missing)";
                    return Err(table.cell_error(row, name, expected, found));
                }
            },
        }
    }
    Ok(values)
}
