//! A table in memory, stored by column: numbers, and categories as interned strings, both with missing cells. Every
//! reader produces one, and all later steps use it. A row remembers its file and line, so that an error found later
//! can still name its place.

use crate::{Error, Result};
use l0gm_data::rows::{Place, RawTable, list, shown};
use l0gm_train::{RowKeys, RowOrigins};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Categories as codes into a list of distinct names, which are in order of first appearance.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Categories {
    codes: Vec<Option<u32>>,
    names: Vec<String>,
    index: HashMap<String, u32>,
}

impl Categories {
    /// Appends a cell; `None` is a missing cell.
    pub fn push(&mut self, cell: Option<&str>) {
        let code = cell.map(|name| self.intern(name));
        self.codes.push(code);
    }

    /// Code of each row; `None` if the cell is missing.
    pub fn codes(&self) -> &[Option<u32>] {
        &self.codes
    }

    /// The distinct names, indexed by code.
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
    /// Finite numbers; `None` is a missing cell.
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

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The cells of these rows, in this order.
    pub fn select(&self, rows: &[u32]) -> Self {
        match self {
            Cells::Numeric(values) => {
                Cells::Numeric(rows.iter().map(|row| values[*row as usize]).collect())
            }
            Cells::Categorical(categories) => Cells::Categorical(Categories {
                codes: rows
                    .iter()
                    .map(|row| categories.codes[*row as usize])
                    .collect(),
                names: categories.names.clone(),
                index: categories.index.clone(),
            }),
        }
    }

    /// The text of a cell; `None` if it is missing. Numbers are written as Rust writes them.
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
    /// Name of the column, unique in the table.
    pub name: String,
    /// The cells of the column, one for each row.
    pub cells: Cells,
}

/// A table, stored by column.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    columns: Vec<Column>,
    /// Position of each column by name, because a table may have thousands.
    index: HashMap<String, usize>,
    /// The files of the rows, and where each row stands.
    files: Vec<PathBuf>,
    places: Vec<RowPlace>,
}

/// Where a row stands.
#[derive(Clone, Copy, Debug, PartialEq)]
struct RowPlace {
    /// Position of its file in the list of files.
    file: u32,
    /// Its line, or its number in a Parquet file.
    place: Place,
    /// Its number in the file, counted from 1.
    number: u64,
}

impl Table {
    /// Makes a table of columns of equal length. `lines` holds the line of each row in `path`, counted from 1.
    ///
    /// # Errors
    /// Fails if there are no rows or no columns, names repeat, or lengths differ.
    pub fn new(path: &Path, columns: Vec<Column>, lines: Vec<u64>) -> Result<Self> {
        let places = lines.into_iter().zip(1..).map(|(line, number)| RowPlace {
            file: 0,
            place: Place::Line(line),
            number,
        });
        Self::with_places(vec![path.to_path_buf()], columns, places.collect())
    }

    /// Makes a table with the places of rows that were read.
    pub(crate) fn of_rows(raw: &RawTable, columns: Vec<Column>) -> Result<Self> {
        let mut files: Vec<PathBuf> = Vec::new();
        let mut places = Vec::with_capacity(raw.rows());
        for row in 0..raw.rows() {
            let file = Path::new(raw.file_of(row));
            if files.last().is_none_or(|last| last != file) {
                files.push(file.to_path_buf());
            }
            places.push(RowPlace {
                file: files.len() as u32 - 1,
                place: raw.place(row),
                number: raw.number(row),
            });
        }
        Self::with_places(files, columns, places)
    }

    fn with_places(
        files: Vec<PathBuf>,
        columns: Vec<Column>,
        places: Vec<RowPlace>,
    ) -> Result<Self> {
        let rows = places.len();
        let path = files.first().cloned().unwrap_or_default();
        if rows == 0 {
            return Err(Error::file(
                &path,
                "holds no rows; expected at least one row of data",
            ));
        }
        let mut index = HashMap::new();
        for (at, column) in columns.iter().enumerate() {
            if index.insert(column.name.clone(), at).is_some() {
                return Err(Error::file(
                    &path,
                    format!("column {} appears twice; rename one", shown(&column.name)),
                ));
            }
            if column.cells.len() != rows {
                let found = column.cells.len();
                return Err(Error::file(
                    &path,
                    format!("column {} has {found} of {rows} rows", shown(&column.name)),
                ));
            }
        }
        Ok(Self {
            columns,
            index,
            files,
            places,
        })
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.places.len()
    }

    /// The columns, in the file's order.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The columns, for tests that change them in place.
    #[cfg(test)]
    pub(crate) fn columns_mut(&mut self) -> &mut [Column] {
        &mut self.columns
    }

    /// The table of these rows, in this order.
    pub fn select(&self, rows: &[u32]) -> Self {
        let columns = self.columns.iter().map(|column| Column {
            name: column.name.clone(),
            cells: column.cells.select(rows),
        });
        Self {
            columns: columns.collect(),
            index: self.index.clone(),
            files: self.files.clone(),
            places: rows.iter().map(|row| self.places[*row as usize]).collect(),
        }
    }

    /// Replaces the cells of a column.
    pub(crate) fn replace(&mut self, name: &str, cells: Cells) {
        if let Some(at) = self.index.get(name) {
            self.columns[*at].cells = cells;
        }
    }

    /// The column with this name; an error names the nearest one.
    pub fn column(&self, name: &str) -> Result<&Column> {
        self.index
            .get(name)
            .map(|at| &self.columns[*at])
            .ok_or_else(|| {
                let names = self.columns.iter().map(|column| column.name.as_str());
                let hint = crate::error::did_you_mean(name, names.clone());
                Error::file(
                    self.path(),
                    format!(
                        "has no column {}{hint} (columns: {})",
                        shown(name),
                        list(names)
                    ),
                )
            })
    }

    /// The (first) file of the rows.
    pub fn path(&self) -> &Path {
        &self.files[0]
    }

    /// The file of a row, and the row's place in it.
    pub fn place(&self, row: usize) -> (&Path, Place) {
        let at = self.places[row];
        (&self.files[at.file as usize], at.place)
    }

    /// Where these rows stand in their files, so that predictions can be joined back to them.
    pub fn origins(&self, rows: &[u32]) -> RowOrigins {
        let name = |path: &PathBuf| -> Arc<str> {
            let name = path.file_name().unwrap_or(path.as_os_str());
            name.to_string_lossy().into()
        };
        let files: Vec<Arc<str>> = self.files.iter().map(name).collect();
        let places = || rows.iter().map(|&row| self.places[row as usize]);
        RowOrigins {
            files: places().map(|at| files[at.file as usize].clone()).collect(),
            keys: RowKeys::Numbers(places().map(|at| at.number).collect()),
        }
    }

    /// Makes an error about one cell.
    pub fn cell_error(
        &self,
        row: usize,
        column: &str,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> Error {
        let (path, place) = self.place(row);
        Error::Cell {
            path: path.to_path_buf(),
            place,
            column: column.to_owned(),
            expected: expected.into(),
            found: found.into(),
        }
    }
}
