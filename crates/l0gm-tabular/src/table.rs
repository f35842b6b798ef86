//! A table in memory, column by column: numbers with gaps, and categories as interned strings with
//! gaps. Every reader ends here, and every later step starts here; a row remembers the file and the
//! line it came from, so that an error found late still names its place.

use crate::{Error, Result};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// Categories as codes into a list of distinct names, in order of first appearance.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Categories {
    codes: Vec<Option<u32>>,
    names: Vec<String>,
    index: HashMap<String, u32>,
}

impl Categories {
    /// Appends a cell; `None` is a missing one.
    pub fn push(&mut self, cell: Option<&str>) {
        let code = cell.map(|name| self.intern(name));
        self.codes.push(code);
    }

    /// Code of each row, `None` where the cell is missing.
    pub fn codes(&self) -> &[Option<u32>] {
        &self.codes
    }

    /// The distinct names; a code is an index into them.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The cell of a row.
    pub fn get(&self, row: usize) -> Option<&str> {
        self.codes[row].map(|code| self.names[code as usize].as_str())
    }

    fn intern(&mut self, name: &str) -> u32 {
        if let Some(&code) = self.index.get(name) {
            return code;
        }
        let code = self.names.len() as u32;
        self.names.push(name.to_owned());
        self.index.insert(name.to_owned(), code);
        code
    }
}

/// The cells of one column.
#[derive(Clone, Debug, PartialEq)]
pub enum Cells {
    /// Finite numbers; `None` is a missing one.
    Numeric(Vec<Option<f64>>),
    /// Categories.
    Categorical(Categories),
}

impl Cells {
    /// Number of rows.
    pub fn len(&self) -> usize {
        match self {
            Cells::Numeric(values) => values.len(),
            Cells::Categorical(categories) => categories.codes.len(),
        }
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// A missing cell counts as `None`; a number is written as Rust writes it.
    pub fn text(&self, row: usize) -> Option<String> {
        match self {
            Cells::Numeric(values) => values[row].map(|value| value.to_string()),
            Cells::Categorical(categories) => categories.get(row).map(str::to_owned),
        }
    }
}

/// A named column.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Its name, unique in the table.
    pub name: String,
    /// Its cells.
    pub cells: Cells,
}

/// Rows that came from one file: the file, and each row's line (or row number in a Parquet file).
#[derive(Clone, Debug, PartialEq)]
struct Part {
    path: PathBuf,
    lines: Vec<u64>,
}

/// A table, column by column.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    columns: Vec<Column>,
    parts: Vec<Part>,
    rows: usize,
}

impl Table {
    /// From columns of equal length; `lines` holds each row's 1-based place in `path`.
    ///
    /// # Errors
    /// Where there is no row or no column, names repeat, or lengths differ.
    pub fn new(path: &Path, columns: Vec<Column>, lines: Vec<u64>) -> Result<Self> {
        let rows = lines.len();
        if rows == 0 || columns.is_empty() {
            return Err(Error::file(
                path,
                "holds no rows; expected at least one row of data",
            ));
        }
        let mut seen = std::collections::HashSet::new();
        for column in &columns {
            if !seen.insert(column.name.as_str()) {
                return Err(Error::file(
                    path,
                    format!("column '{}' appears twice; rename one", column.name),
                ));
            }
            if column.cells.len() != rows {
                let found = column.cells.len();
                return Err(Error::file(
                    path,
                    format!("column '{}' has {found} of {rows} rows", column.name),
                ));
            }
        }
        let path = path.to_path_buf();
        Ok(Self {
            columns,
            parts: vec![Part { path, lines }],
            rows,
        })
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The columns, in the file's order.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The columns, to be retyped in place.
    pub(crate) fn columns_mut(&mut self) -> &mut [Column] {
        &mut self.columns
    }

    /// A column by name; the error names the nearest.
    pub fn column(&self, name: &str) -> Result<&Column> {
        self.columns
            .iter()
            .find(|column| column.name == name)
            .ok_or_else(|| {
                let names = self.columns.iter().map(|column| column.name.as_str());
                let hint = crate::error::did_you_mean(name, names.clone());
                let all: Vec<&str> = names.collect();
                Error::file(
                    self.path(),
                    format!("has no column '{name}'{hint} (columns: {})", all.join(", ")),
                )
            })
    }

    /// The (first) file the rows came from.
    pub fn path(&self) -> &Path {
        &self.parts[0].path
    }

    /// The file a row came from and its 1-based place there.
    pub fn place(&self, mut row: usize) -> (&Path, u64) {
        for part in &self.parts {
            if row < part.lines.len() {
                return (&part.path, part.lines[row]);
            }
            row -= part.lines.len();
        }
        (self.path(), 0)
    }

    /// An error about one cell.
    pub fn cell_error(
        &self,
        row: usize,
        column: &str,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> Error {
        let (path, line) = self.place(row);
        Error::Cell {
            path: path.to_path_buf(),
            row: line,
            column: column.to_owned(),
            expected: expected.into(),
            found: found.into(),
        }
    }

    /// Appends another file's rows.
    ///
    /// # Errors
    /// Where the columns' names or kinds differ.
    pub fn append(&mut self, other: Table) -> Result<()> {
        let same = self.columns.len() == other.columns.len()
            && self
                .columns
                .iter()
                .zip(&other.columns)
                .all(|(a, b)| a.name == b.name);
        if !same {
            return Err(Error::file(
                other.path(),
                format!("its columns differ from those of {}", self.path().display()),
            ));
        }
        let other_path = other.path().to_path_buf();
        for (mine, theirs) in self.columns.iter_mut().zip(other.columns) {
            match (&mut mine.cells, theirs.cells) {
                (Cells::Numeric(mine), Cells::Numeric(theirs)) => mine.extend(theirs),
                (Cells::Categorical(mine), Cells::Categorical(theirs)) => {
                    for row in 0..theirs.codes.len() {
                        mine.push(theirs.get(row));
                    }
                }
                _ => {
                    return Err(Error::file(
                        &other_path,
                        format!(
                            "column '{}' is numeric in one file and text in the other",
                            mine.name
                        ),
                    ));
                }
            }
        }
        self.rows += other.rows;
        self.parts.extend(other.parts);
        Ok(())
    }
}
