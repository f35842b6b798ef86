//! A file of predictions before anybody knows which column is what: its header, and then those columns
//! that are asked for. CSV and Parquet look the same from here.

use super::cells::{Cells, Column, Wanted};
use super::{csv_file, parquet_file};
use anyhow::{Context, bail};
use std::io::Read;
use std::path::{Path, PathBuf};

/// A file that is there and has a header.
#[derive(Debug)]
pub(super) struct Source {
    path: PathBuf,
    format: Format,
    /// Its columns.
    pub(super) header: Vec<Column>,
}

#[derive(Debug)]
enum Format {
    Csv { delimiter: u8 },
    Parquet,
}

impl Source {
    /// Opens a file, or the `predictions.parquet` of a run's folder, and reads its header.
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        let path = if path.is_dir() {
            path.join("predictions.parquet")
        } else {
            path.to_owned()
        };
        let shown = path.display();
        let mut file = match std::fs::File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => bail!(
                "{shown}: no such file; expected a CSV or Parquet file of predictions, or a run's folder"
            ),
            Err(error) => return Err(error).with_context(|| format!("{shown}: cannot be opened")),
        };
        let mut start = Vec::new();
        file.by_ref()
            .take(4)
            .read_to_end(&mut start)
            .with_context(|| format!("{shown}: cannot be read"))?;
        if start.is_empty() {
            bail!("{shown}: the file is empty; expected a header row and a row a prediction");
        }
        let named_parquet = path
            .extension()
            .is_some_and(|ending| ending.eq_ignore_ascii_case("parquet"));
        let (format, header) = if start == *b"PAR1" {
            (Format::Parquet, parquet_file::header(&path)?)
        } else if named_parquet {
            bail!("{shown}: not a Parquet file, whatever its name; give CSV another ending");
        } else {
            let (delimiter, header) = csv_file::header(&path)?;
            (Format::Csv { delimiter }, header)
        };
        Ok(Self {
            path,
            format,
            header,
        })
    }

    /// The file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads some columns whole. An error names the row and the column of the first cell that is not
    /// what it should be.
    pub(super) fn read(&self, wanted: &Wanted) -> anyhow::Result<Cells> {
        let cells = match self.format {
            Format::Csv { delimiter } => {
                csv_file::read(&self.path, delimiter, &self.header, wanted)?
            }
            Format::Parquet => parquet_file::read(&self.path, &self.header, wanted)?,
        };
        if cells.rows == 0 {
            bail!(
                "{}: a header and no rows; expected a row a prediction",
                self.path.display()
            );
        }
        Ok(cells)
    }

    /// "`label`, `p_0`, `p_1`".
    pub(super) fn column_names(&self) -> String {
        let names: Vec<String> = self
            .header
            .iter()
            .map(|column| format!("`{}`", column.name))
            .collect();
        names.join(", ")
    }
}
