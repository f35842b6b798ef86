//! The report on the data, which is printed once before training and stored in the run's record. It states rows,
//! columns with the kind of each, classes with their counts, missing cells, and anything that may surprise the user.

use super::label::Labels;
use super::{Kind, RawTable, list};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// Largest number of columns to list; for more, only counts by kind are kept.
const LISTED: usize = 200;
/// Largest number of classes and of notes to print.
const PRINTED: usize = 20;

/// What one column was taken for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct ColumnSummary {
    /// Name in the header, or `column 3` where it has none.
    pub name: String,
    /// Kind of the column: number, code, boolean, date, category or empty.
    pub kind: String,
    /// Number of missing cells.
    pub missing: usize,
    /// Whether the column is left out.
    pub left_out: bool,
}

/// A label and how often it occurs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct ClassSummary {
    /// The label, in its one spelling.
    pub name: String,
    /// Number of its rows.
    pub rows: usize,
}

/// The report on the data.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Summary {
    /// Where the rows came from.
    pub source: String,
    /// Number of rows that are used.
    pub rows: usize,
    /// Number of columns in the file, including the label's.
    pub column_count: usize,
    /// The columns, up to the first 200.
    pub columns: Vec<ColumnSummary>,
    /// Number of used columns of each kind, without the label's.
    pub kinds: BTreeMap<String, usize>,
    /// Name of the label's column.
    pub label: Option<String>,
    /// The classes with their numbers of rows, in the order of their numbers.
    pub classes: Vec<ClassSummary>,
    /// Number of rows without a label that are kept.
    pub unlabelled: usize,
    /// Number of missing cells, without the label's.
    pub missing_cells: usize,
    /// Number of rows in each part of the split.
    pub split: BTreeMap<String, usize>,
    /// Remarks for the user, one on each line.
    pub notes: Vec<String>,
}

impl Summary {
    /// The report on a table and the kinds of its columns. The label's column is not counted as a feature.
    pub fn of(table: &RawTable, kinds: &[Kind], label: Option<&str>) -> Self {
        let mut summary = Self {
            source: table.name().to_owned(),
            rows: table.rows(),
            column_count: table.columns().len(),
            label: label.map(str::to_owned),
            notes: table.said().to_vec(),
            ..Self::default()
        };
        for (column, kind) in table.columns().iter().zip(kinds) {
            if label == Some(column.name.as_str()) {
                continue;
            }
            let missing = column.cells.missing();
            summary.missing_cells += missing;
            *summary.kinds.entry(kind.name().to_owned()).or_default() += 1;
            if summary.columns.len() < LISTED {
                summary.columns.push(ColumnSummary {
                    name: column.name.clone(),
                    kind: kind.name().to_owned(),
                    missing,
                    left_out: false,
                });
            }
        }
        summary
    }

    /// Adds the classes with their counts.
    pub fn with_labels(mut self, labels: &Labels) -> Self {
        let classes = labels.classes.iter().zip(&labels.counts);
        self.classes = classes
            .map(|(name, rows)| ClassSummary {
                name: name.clone(),
                rows: *rows,
            })
            .collect();
        self
    }

    /// Marks a column of this kind as left out.
    pub fn leave_out(&mut self, name: &str, kind: Kind) {
        if let Some(count) = self.kinds.get_mut(kind.name()) {
            *count = count.saturating_sub(1);
        }
        if let Some(column) = self.columns.iter_mut().find(|column| column.name == name) {
            column.left_out = true;
        }
    }

    /// The report as JSON, for the run's record.
    pub fn to_value(&self) -> serde_json::Value {
        serde_json::to_value(self).unwrap_or_default()
    }

    /// Parses the report in a run's record.
    pub fn from_value(value: &serde_json::Value) -> Option<Self> {
        serde_json::from_value(value.clone()).ok()
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let source = super::shown::shown_name(&self.source);
        writeln!(
            f,
            "{source}: {} rows, {} columns",
            self.rows, self.column_count
        )?;
        for (kind, count) in &self.kinds {
            let names = self
                .columns
                .iter()
                .filter(|c| c.kind == *kind && !c.left_out);
            let names: Vec<&str> = names.map(|column| column.name.as_str()).collect();
            if names.is_empty() || *count == 0 {
                continue;
            }
            writeln!(f, "  {}: {count} ({})", plural(kind), list(names))?;
        }
        if let Some(label) = &self.label {
            let classes: Vec<String> = self
                .classes
                .iter()
                .take(PRINTED)
                .map(|class| format!("{} {}", super::shown(&class.name), class.rows))
                .collect();
            let more = match self.classes.len().saturating_sub(PRINTED) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            let count = self.classes.len();
            writeln!(
                f,
                "  label {}: {count} classes: {}{more}",
                super::shown(label),
                classes.join(", ")
            )?;
        }
        if self.unlabelled > 0 {
            writeln!(f, "  without a label: {}", self.unlabelled)?;
        }
        let with_missing = self.columns.iter().filter(|column| column.missing > 0);
        let with_missing: Vec<&str> = with_missing.map(|column| column.name.as_str()).collect();
        match self.missing_cells {
            0 => writeln!(f, "  missing cells: none")?,
            count => writeln!(f, "  missing cells: {count} (in {})", list(with_missing))?,
        }
        if !self.split.is_empty() {
            let parts: Vec<String> = self
                .split
                .iter()
                .map(|(part, rows)| format!("{part} {rows}"))
                .collect();
            writeln!(f, "  split: {}", parts.join(", "))?;
        }
        for note in self.notes.iter().take(PRINTED) {
            writeln!(f, "  note: {note}")?;
        }
        if let Some(more @ 1..) = self.notes.len().checked_sub(PRINTED) {
            writeln!(f, "  and {more} more notes")?;
        }
        Ok(())
    }
}

fn plural(kind: &str) -> &str {
    match kind {
        "number" => "numbers",
        "code" => "codes (numbers with leading zeros, read as categories)",
        "boolean" => "booleans",
        "date" => "dates",
        "category" => "categories",
        other => other,
    }
}
