//! A table of the report. Each cell holds what people read and, for numbers, the exact value that the Parquet and CSV
//! files store.

use crate::aggregate::{Frame, Kind, Value};

/// A table with typed columns and one cell for each column in each row.
#[derive(Clone, Debug)]
pub struct Table {
    /// File name under `tables/`, without the extension.
    pub id: String,
    /// Title, which names the dataset and marks twins.
    pub title: String,
    /// How to read the table; empty if the title suffices.
    pub note: String,
    /// The columns from left to right.
    pub columns: Vec<Column>,
    /// The rows; each has one cell for every column.
    pub rows: Vec<Vec<Cell>>,
}

/// The header of one column.
#[derive(Clone, Debug)]
pub struct Column {
    /// Name in the CSV and Parquet files.
    pub key: String,
    /// Header that people read.
    pub header: String,
    /// Whether the cells are text, aligned left, rather than numbers, aligned right.
    pub text: bool,
    /// Who gets the column.
    pub audience: Audience,
}

/// Who gets a column: a row's name for people is made of columns that programs rather read apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// The page and the files.
    All,
    /// The page alone.
    People,
    /// The CSV and Parquet files alone.
    Files,
}

impl Column {
    /// Leaves the column out of what people read.
    pub fn in_files_only(mut self) -> Self {
        self.audience = Audience::Files;
        self
    }

    /// Leaves the column out of the files.
    pub fn on_the_page_only(mut self) -> Self {
        self.audience = Audience::People;
        self
    }

    fn is_shown(&self) -> bool {
        self.audience != Audience::Files
    }
}

/// One cell of a table.
#[derive(Clone, Debug)]
pub enum Cell {
    /// An empty cell.
    Empty,
    /// Text of the cell.
    Text(String),
    /// A number and its formatted form.
    Number {
        /// The number with all its digits.
        value: f64,
        /// The number as shown to people.
        shown: String,
    },
    /// A mean over seeds. The files store its standard deviation in a column of its own.
    Estimate {
        /// Mean over seeds.
        mean: f64,
        /// Sample standard deviation; absent if there is only one seed.
        std: Option<f64>,
        /// Mean and deviation as shown to people.
        shown: String,
    },
}

impl Cell {
    /// A text cell.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// A number formatted by `format`; empty if it is not finite.
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

    /// Like [`Cell::number`], for a number that may be absent.
    pub fn maybe(value: Option<f64>, format: impl Fn(f64) -> String) -> Self {
        value.map_or(Self::Empty, |value| Self::number(value, format))
    }

    /// The cell as shown to people.
    pub fn shown(&self) -> &str {
        match self {
            Self::Empty => "–",
            Self::Text(text) => text,
            Self::Number { shown, .. } | Self::Estimate { shown, .. } => shown,
        }
    }
}

impl Table {
    /// A table without rows. `columns` holds (key, header) pairs; the keys in `text` are text columns.
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

    /// Adds a row, which must have one cell for each column.
    pub fn push(&mut self, row: Vec<Cell>) {
        debug_assert_eq!(
            row.len(),
            self.columns.len(),
            "{}: a cell a column",
            self.id
        );
        self.rows.push(row);
    }

    /// The columns that people read.
    pub fn shown_columns(&self) -> impl Iterator<Item = &Column> {
        self.columns.iter().filter(|column| column.is_shown())
    }

    /// The cells of a row that people read, each with its column. The first one says which row it is: it stays in view
    /// where a page scrolls the table.
    pub fn shown_cells<'t>(
        &'t self,
        row: &'t [Cell],
    ) -> impl Iterator<Item = (&'t Cell, &'t Column)> {
        let cells = row.iter().zip(&self.columns);
        cells.filter(|(_, column)| column.is_shown())
    }

    /// Drops number columns that hold no value.
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

    /// The numbers behind the table. A column of estimates gives the two columns `KEY` and `KEY_std`.
    pub fn frame(&self) -> Frame {
        let mut frame = Frame::default();
        for (c, column) in self.columns.iter().enumerate() {
            if column.audience == Audience::People {
                continue;
            }
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

/// A text column.
pub fn words(key: impl Into<String>, header: impl Into<String>) -> Column {
    Column {
        key: key.into(),
        header: header.into(),
        text: true,
        audience: Audience::All,
    }
}

/// A number column.
pub fn numbers(key: impl Into<String>, header: impl Into<String>) -> Column {
    Column {
        key: key.into(),
        header: header.into(),
        text: false,
        audience: Audience::All,
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
    fn a_column_for_files_is_not_shown_and_one_for_people_not_written() {
        let columns = vec![
            words("row", "model").on_the_page_only(),
            numbers("lambda", "λ").in_files_only(),
        ];
        let mut table = Table::new("t", "T", "", columns);
        table.push(vec![Cell::text("a"), Cell::number(0.5, |x| x.to_string())]);
        let shown: Vec<&str> = table
            .shown_cells(&table.rows[0])
            .map(|(cell, _)| cell.shown())
            .collect();
        assert_eq!(shown, ["a"]);
        assert_eq!(table.shown_columns().count(), 1);
        let csv = String::from_utf8(table.frame().to_csv().unwrap()).unwrap();
        assert_eq!(csv, "lambda\n0.5\n");
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
