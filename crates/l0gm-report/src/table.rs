//! A table of the report: what people read and, behind each cell, the number with all its digits for
//! the Parquet and CSV files.

use crate::aggregate::{Frame, Kind, Value};

/// A table.
#[derive(Clone, Debug)]
pub struct Table {
    /// File name under `tables/`, without its ending.
    pub id: String,
    /// What it shows; names twins.
    pub title: String,
    /// How to read it; empty where the title says all.
    pub note: String,
    /// In order.
    pub columns: Vec<Column>,
    /// One cell a column each.
    pub rows: Vec<Vec<Cell>>,
}

/// A column.
#[derive(Clone, Debug)]
pub struct Column {
    /// Name in the files.
    pub key: String,
    /// Header for people.
    pub header: String,
    /// Text is set to the left, numbers to the right.
    pub text: bool,
}

/// A cell.
#[derive(Clone, Debug)]
pub enum Cell {
    /// Nothing to say.
    Empty,
    /// Words.
    Text(String),
    /// A number and how it is shown.
    Number {
        /// With all its digits.
        value: f64,
        /// For people.
        shown: String,
    },
    /// A mean over seeds; its deviation goes into a column of its own in the files.
    Estimate {
        /// Mean.
        mean: f64,
        /// Standard deviation, absent for one seed.
        std: Option<f64>,
        /// For people.
        shown: String,
    },
}

impl Cell {
    /// Words.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// A number shown by `format`, empty where it is not finite.
    pub fn number(value: f64, format: impl Fn(f64) -> String) -> Self {
        if value.is_finite() {
            Self::Number {
                value,
                shown: format(value),
            }
        } else {
            Self::Empty
        }
    }

    /// The same for a number that may be absent.
    pub fn maybe(value: Option<f64>, format: impl Fn(f64) -> String) -> Self {
        value.map_or(Self::Empty, |value| Self::number(value, format))
    }

    /// What people read.
    pub fn shown(&self) -> &str {
        match self {
            Self::Empty => "–",
            Self::Text(text) => text,
            Self::Number { shown, .. } | Self::Estimate { shown, .. } => shown,
        }
    }
}

impl Table {
    /// A table without rows; columns as (key, header), those in `text` hold words.
    pub fn new(
        id: impl Into<String>,
        title: impl Into<String>,
        note: impl Into<String>,
        columns: Vec<Column>,
    ) -> Self {
        Self {
            id: id.into(),
            title: title.into(),
            note: note.into(),
            columns,
            rows: Vec::new(),
        }
    }

    /// Adds a row, one cell a column.
    pub fn push(&mut self, row: Vec<Cell>) {
        debug_assert_eq!(
            row.len(),
            self.columns.len(),
            "{}: a cell a column",
            self.id
        );
        self.rows.push(row);
    }

    /// Drops number columns without any value: they say nothing.
    pub fn without_empty_columns(mut self) -> Self {
        let keep: Vec<bool> = (0..self.columns.len())
            .map(|c| {
                self.columns[c].text
                    || self.rows.is_empty()
                    || self.rows.iter().any(|row| !matches!(row[c], Cell::Empty))
            })
            .collect();
        let kept = |c: &usize| keep[*c];
        self.columns = (0..keep.len())
            .filter(kept)
            .map(|c| self.columns[c].clone())
            .collect();
        for row in &mut self.rows {
            *row = (0..keep.len())
                .filter(kept)
                .map(|c| row[c].clone())
                .collect();
        }
        self
    }

    /// The numbers behind the table; a column of estimates gives `KEY` and `KEY_std`.
    pub fn frame(&self) -> Frame {
        let mut frame = Frame::default();
        for (c, column) in self.columns.iter().enumerate() {
            let cells = || self.rows.iter().map(|row| &row[c]);
            if column.text {
                let values = cells().map(|cell| match cell {
                    Cell::Empty => Value::Null,
                    other => Value::text(other.shown()),
                });
                frame.push(&column.key, Kind::Text, values.collect());
                continue;
            }
            let values = cells().map(|cell| match cell {
                Cell::Number { value, .. } => Value::float(*value),
                Cell::Estimate { mean, .. } => Value::float(*mean),
                Cell::Empty | Cell::Text(_) => Value::Null,
            });
            frame.push(&column.key, Kind::Float, values.collect());
            if cells().any(|cell| matches!(cell, Cell::Estimate { .. })) {
                let values = cells().map(|cell| match cell {
                    Cell::Estimate { std, .. } => Value::maybe(*std),
                    _ => Value::Null,
                });
                frame.push(
                    &format!("{}_std", column.key),
                    Kind::Float,
                    values.collect(),
                );
            }
        }
        frame
    }
}

/// A column of words.
pub fn words(key: impl Into<String>, header: impl Into<String>) -> Column {
    Column {
        key: key.into(),
        header: header.into(),
        text: true,
    }
}

/// A column of numbers.
pub fn numbers(key: impl Into<String>, header: impl Into<String>) -> Column {
    Column {
        key: key.into(),
        header: header.into(),
        text: false,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn files_hold_all_digits_and_deviations_apart() {
        let mut table = Table::new(
            "t",
            "T",
            "",
            vec![words("m", "method"), numbers("acc", "accuracy")],
        );
        table.push(vec![
            Cell::text("dense"),
            Cell::Estimate {
                mean: 0.873_512_345,
                std: Some(0.001_234_567),
                shown: "0.8735 ± 0.0012".into(),
            },
        ]);
        table.push(vec![Cell::text("l0gm"), Cell::Empty]);
        let csv = String::from_utf8(table.frame().to_csv().unwrap()).unwrap();
        assert_eq!(
            csv,
            "m,acc,acc_std\ndense,0.873512345,0.001234567\nl0gm,,\n"
        );
    }

    #[test]
    fn a_number_column_without_numbers_is_dropped() {
        let mut table = Table::new(
            "t",
            "T",
            "",
            vec![words("m", "m"), numbers("a", "a"), numbers("b", "b")],
        );
        table.push(vec![
            Cell::Empty,
            Cell::number(f64::NAN, |x| x.to_string()),
            Cell::number(1.0, |x| x.to_string()),
        ]);
        let table = table.without_empty_columns();
        assert_eq!(table.columns.len(), 2);
        assert_eq!(table.rows[0][1].shown(), "1");
    }
}
