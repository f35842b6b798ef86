//! A file of predictions whose columns have no roles yet: reads its header, and later the columns that are needed.
//! `l0gm_data::rows` reads the rows of all formats; only Parquet columns of lists, which no table has, are read here.

use super::cells::{Cells, Column, Kind, Wanted};
use super::lists;
use crate::usage::usage;
use anyhow::{Context, bail};
use l0gm_data::rows::{
    self, Header, Place, RawColumn, RawTable, ReadOptions, Typed, number, shown,
};
use std::io::Read;
use std::path::{Path, PathBuf};

/// A file whose header has been read.
#[derive(Debug)]
pub(super) struct Source {
    path: PathBuf,
    from: rows::Source,
    options: ReadOptions,
    drop_unlabelled: bool,
    /// Its rows, if its columns could only be found by reading all of it.
    table: Option<RawTable>,
    /// The columns of its header.
    pub(super) header: Vec<Column>,
}

/// What the flags say about reading the file.
#[derive(Clone, Debug, Default)]
pub(super) struct Reading {
    /// Value of `--separator`.
    pub(super) separator: Option<char>,
    /// Value of `--missing`.
    pub(super) missing: Option<Vec<String>>,
    /// Value of `--ignore`.
    pub(super) ignore: Vec<String>,
    /// Value of `--drop-unlabelled`.
    pub(super) drop_unlabelled: bool,
}

impl Reading {
    fn options(&self) -> anyhow::Result<ReadOptions> {
        let default = ReadOptions::default();
        let separator = match self.separator {
            Some(c) if !c.is_ascii() => {
                return Err(usage(format!(
                    "--separator {c}: expected one ASCII character"
                )));
            }
            separator => separator.and_then(|c| u8::try_from(c).ok()),
        };
        Ok(ReadOptions {
            separator,
            missing: self.missing.clone().unwrap_or(default.missing),
            ignore: self.ignore.clone(),
            // The first row is always a header: columns are often named after classes, which may be numbers. A file
            // without a label's column gives an error that asks for a header.
            header: Header::FirstRow,
            ..ReadOptions::default()
        })
    }
}

impl Source {
    /// Opens a file, standard input (`-`), or the `predictions.parquet` in a run's folder, and reads its header.
    pub(super) fn open(path: &Path, reading: &Reading) -> anyhow::Result<Self> {
        let options = reading.options()?;
        let path = if path.is_dir() {
            path.join("predictions.parquet")
        } else {
            path.to_owned()
        };
        let from = match path.as_os_str() == "-" {
            true => rows::Source::Stdin,
            false => rows::Source::Path(path.clone()),
        };
        let mut source = Self {
            path,
            from,
            options,
            drop_unlabelled: reading.drop_unlabelled,
            table: None,
            header: Vec::new(),
        };
        if source.is_parquet_file()? {
            source.header = lists::header(&source.from, &source.options)?;
        } else {
            let table = rows::read(&source.from, &source.options)?;
            source.header = table.columns().iter().map(column).collect();
            source.table = Some(table);
        }
        Ok(source)
    }

    /// Whether this is a file on disk that begins like Parquet.
    fn is_parquet_file(&self) -> anyhow::Result<bool> {
        if self.from == rows::Source::Stdin {
            return Ok(false);
        }
        let shown = self.path.display();
        let file = match std::fs::File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => bail!(
                "{shown}: no such file; expected a file of predictions (CSV or Parquet), or a run's folder"
            ),
            Err(error) => return Err(error).with_context(|| format!("{shown}: cannot be opened")),
        };
        let mut start = Vec::new();
        file.take(4)
            .read_to_end(&mut start)
            .with_context(|| format!("{shown}: cannot be read"))?;
        Ok(start == *b"PAR1")
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads some columns completely. An error names the row and the column of the first cell with a wrong type.
    pub(super) fn read(&self, wanted: &Wanted) -> anyhow::Result<Cells> {
        let names: Vec<&str> = wanted
            .texts
            .iter()
            .chain(&wanted.numbers)
            .filter(|&&at| self.header[at].kind != Kind::List)
            .map(|&at| self.header[at].name.as_str())
            .collect();
        let read;
        let table = match &self.table {
            Some(table) => table,
            None => {
                let only = names.iter().map(|name| (*name).to_owned()).collect();
                read = rows::read(
                    &self.from,
                    &ReadOptions {
                        only: Some(only),
                        ..self.options.clone()
                    },
                )?;
                &read
            }
        };
        let label = self.column_of(table, wanted.texts[0])?;
        let unlabelled = label.cells.missing();
        let kept: Vec<usize> = (0..table.rows())
            .filter(|&row| !self.drop_unlabelled || label.cell(row).is_some())
            .collect();
        let mut cells = Cells {
            rows: kept.len(),
            places: kept.iter().map(|&row| (row, table.place(row))).collect(),
            notes: table.said().to_vec(),
            ..Cells::default()
        };
        if self.drop_unlabelled && unlabelled > 0 {
            cells
                .notes
                .push(format!("{unlabelled} rows without a label are left out"));
        }
        if kept.is_empty() {
            bail!(
                "{}: no row has a label in column `{}`",
                self.path.display(),
                label.name
            );
        }
        for &at in &wanted.texts {
            let column = self.column_of(table, at)?;
            let texts = (kept.iter().enumerate())
                .map(|(place, &row)| match column.cell(row) {
                    Some(text) => Ok(text.to_owned()),
                    None => Err(self.missing(&cells, place, column, row, at == wanted.texts[0])),
                })
                .collect::<anyhow::Result<_>>()?;
            cells.texts.push(texts);
        }
        let mut columns: Vec<Vec<Vec<f64>>> = Vec::new();
        for &at in &wanted.numbers {
            let header = &self.header[at];
            columns.push(match header.kind {
                Kind::List => {
                    let mut lists = lists::read(&self.from, &header.name, &self.options)?;
                    kept.iter()
                        .map(|&row| std::mem::take(&mut lists[row]))
                        .collect()
                }
                _ => self.numbers(table, at, &kept, &cells)?,
            });
        }
        for row in 0..kept.len() {
            let start = cells.numbers.len();
            for column in &columns {
                cells.numbers.extend(&column[row]);
            }
            let width = cells.numbers.len() - start;
            if row == 0 {
                cells.width = width;
            } else if width != cells.width {
                bail!(
                    "{}: {}: {width} numbers, expected {} as in the first row",
                    self.path.display(),
                    cells.place(row),
                    cells.width
                );
            }
        }
        Ok(cells)
    }

    fn column_of<'t>(&self, table: &'t RawTable, at: usize) -> anyhow::Result<&'t RawColumn> {
        Ok(table.column(&self.header[at].name)?)
    }

    /// The numbers of a column, one for each row.
    fn numbers(
        &self,
        table: &RawTable,
        at: usize,
        kept: &[usize],
        cells: &Cells,
    ) -> anyhow::Result<Vec<Vec<f64>>> {
        let column = self.column_of(table, at)?;
        let decimal = match table.kind(column) {
            Ok(rows::Kind::Number(decimal)) => decimal,
            _ => table.decimal(),
        };
        let mut numbers = Vec::with_capacity(kept.len());
        for (place, &row) in kept.iter().enumerate() {
            let Some(text) = column.cell(row) else {
                return Err(self.missing(cells, place, column, row, false));
            };
            let number =
                number::parse(text, decimal).or_else(|| number::parse(text, decimal.other()));
            let number = number.ok_or_else(|| {
                let what = format!("{} is not a number", quoted(text));
                self.bad_cell(cells, place, &column.name, &what, "a number")
            })?;
            numbers.push(vec![number]);
        }
        Ok(numbers)
    }

    fn missing(
        &self,
        cells: &Cells,
        place: usize,
        column: &RawColumn,
        row: usize,
        is_label: bool,
    ) -> anyhow::Error {
        let raw = column.cells.raw(row);
        let what = match raw {
            "" if matches!(cells.places[place].1, Place::Row(_)) => {
                "the value is missing".to_owned()
            }
            "" => "the cell is empty".to_owned(),
            word => format!("{} means that the value is missing", quoted(word)),
        };
        let mut expected = match is_label {
            true => "a label (write it, or leave such rows out with --drop-unlabelled".to_owned(),
            false => "a value".to_owned(),
        };
        match (is_label, raw) {
            (true, "") => expected.push(')'),
            (true, _) => {
                expected.push_str(
                    "; where this is a class's name, say with --missing which words mean missing)",
                );
            }
            (false, _) => {}
        }
        self.bad_cell(cells, place, &column.name, &what, &expected)
    }

    /// The error about one cell.
    pub(super) fn bad_cell(
        &self,
        cells: &Cells,
        row: usize,
        column: &str,
        what: &str,
        expected: &str,
    ) -> anyhow::Error {
        let place = cells.place(row);
        anyhow::anyhow!(
            "{}: {place}, column {}: {what}; expected {expected}",
            self.path.display(),
            quoted(column)
        )
    }

    /// The names of all columns for an error, such as "`label`, `p_0`, `p_1`".
    pub(super) fn column_names(&self) -> String {
        super::classes::listed(self.header.iter().map(|column| column.name.as_str()))
    }
}

/// A cell or name in backquotes, shortened, with control characters escaped.
pub(super) fn quoted(text: &str) -> String {
    let text = shown(text);
    format!("`{}`", &text[1..text.len() - 1])
}

/// The type of a column, as far as its first cell that is not missing tells.
fn column(raw: &RawColumn) -> Column {
    let number = |cell: &str| {
        let either = |decimal| number::parse(cell, decimal).is_some();
        either(number::Decimal::Point) || either(number::Decimal::Comma)
    };
    let kind = match raw.typed {
        Typed::Number => Kind::Number,
        Typed::Text | Typed::Category => match raw.cells.iter().flatten().next() {
            Some(cell) if !number(cell) => Kind::Text,
            _ => Kind::Number,
        },
        Typed::Boolean | Typed::Date => Kind::Text,
    };
    Column {
        name: raw.name.clone(),
        kind,
    }
}
