//! A table in memory, column by column: numbers with gaps, and categories as interned strings with
//! gaps. Every reader ends here, and every later step starts here; a row remembers the file and the
//! line it came from, so that an error found late still names its place.

use crate::{Error, Result};
use l0gm_data::rows::{Place, RawTable, list, shown};
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

/// A table, column by column.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    columns: Vec<Column>,
    /// Position of each column, for tables of thousands.
    index: HashMap<String, usize>,
    /// The files the rows came from, and each row's file and place in it.
    files: Vec<PathBuf>,
    places: Vec<(u32, Place)>,
}

impl Table {
    /// From columns of equal length; `lines` holds each row's 1-based line of `path`.
    ///
    /// # Errors
    /// Where there is no row or no column, names repeat, or lengths differ.
    pub fn new(path: &Path, columns: Vec<Column>, lines: Vec<u64>) -> Result<Self> {
        let places = lines.into_iter().map(|line| (0, Place::Line(line)));
        Self::with_places(vec![path.to_path_buf()], columns, places.collect())
    }

    /// Columns made of rows as they were read.
    pub(crate) fn of_rows(raw: &RawTable, columns: Vec<Column>) -> Result<Self> {
        let mut files: Vec<PathBuf> = Vec::new();
        let mut places = Vec::with_capacity(raw.rows());
        for row in 0..raw.rows() {
            let file = Path::new(raw.file_of(row));
            if files.last().is_none_or(|last| last != file) {
                files.push(file.to_path_buf());
            }
            places.push((files.len() as u32 - 1, raw.place(row)));
        }
        Self::with_places(files, columns, places)
    }

    fn with_places(
        files: Vec<PathBuf>,
        columns: Vec<Column>,
        places: Vec<(u32, Place)>,
    ) -> Result<Self> {
        let rows = places.len();
        let path = files.first().cloned().unwrap_or_default();
        if rows == 0 || columns.is_empty() {
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

    /// The columns, to be changed in place by a test.
    #[cfg(test)]
    pub(crate) fn columns_mut(&mut self) -> &mut [Column] {
        &mut self.columns
    }

    /// Puts other cells into a column.
    pub(crate) fn replace(&mut self, name: &str, cells: Cells) {
        if let Some(at) = self.index.get(name) {
            self.columns[*at].cells = cells;
        }
    }

    /// A column by name; the error names the nearest.
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

    /// The (first) file the rows came from.
    pub fn path(&self) -> &Path {
        &self.files[0]
    }

    /// The file a row came from and its place there.
    pub fn place(&self, row: usize) -> (&Path, Place) {
        let (file, place) = self.places[row];
        (&self.files[file as usize], place)
    }

    /// An error about one cell.
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
