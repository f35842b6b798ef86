//! The rows of a run as files that any tool can read.

use super::task::{ExternalColumn, reserved};
use super::{LABEL, ROW};
use crate::run_dir::write_atomically_with;
use crate::{Condition, ConditionKind, Error, Result, Split};
use ::parquet::arrow::ArrowWriter;
use ::parquet::errors::ParquetError;
use arrow::array::{Array, ArrayRef, Float64Array, StringArray, UInt32Array};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::record_batch::RecordBatch;
use std::path::Path;
use std::sync::Arc;

/// Which rows of a run one file for an external tool holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ExternalPart {
    /// A split as it is.
    Split(Split),
    /// The test rows under a condition of the robustness protocol, with the run's seed.
    Perturbed(Condition),
}

/// One column of some rows, as a file for an external tool holds it: numbers or words, with missing cells.
#[derive(Clone, Debug, PartialEq)]
pub enum ExternalCells<'a> {
    /// Numbers.
    Numbers(Vec<Option<f64>>),
    /// Categories or texts.
    Words(Vec<Option<&'a str>>),
}

impl ExternalCells<'_> {
    /// Number of rows.
    pub(super) fn rows(&self) -> usize {
        match self {
            Self::Numbers(cells) => cells.len(),
            Self::Words(cells) => cells.len(),
        }
    }

    fn array(&self) -> ArrayRef {
        match self {
            Self::Numbers(cells) => Arc::new(Float64Array::from_iter(cells.iter().copied())),
            Self::Words(cells) => Arc::new(StringArray::from_iter(cells.iter().copied())),
        }
    }
}

/// A run's data as an external tool reads them. Each modality implements it once.
pub trait ExternalRows {
    /// The columns that a tool may learn from, in the order of [`cells`](Self::cells).
    fn columns(&self) -> Vec<ExternalColumn>;

    /// The cells of these columns for some rows. A category that training has not seen keeps its name; a missing cell is
    /// `None`.
    ///
    /// # Errors
    /// The rows cannot be made.
    fn cells(&self, part: ExternalPart) -> Result<Vec<ExternalCells<'_>>>;

    /// The class of each row of a split.
    fn labels(&self, split: Split) -> &[u32];

    /// What a condition of this kind changes, for the tables: "fields".
    fn place(&self, kind: ConditionKind) -> String;
}

/// Writes some rows with their numbers and, if they are to be learnt from, their labels.
pub(super) fn write(
    path: &Path,
    names: &[ExternalColumn],
    cells: &[ExternalCells<'_>],
    labels: Option<&[u32]>,
) -> Result<()> {
    let rows = cells.first().map_or(0, ExternalCells::rows);
    let mut fields = vec![Field::new(ROW, DataType::UInt32, false)];
    let mut columns: Vec<ArrayRef> = vec![Arc::new(UInt32Array::from_iter_values(0..rows as u32))];
    if let Some(labels) = labels {
        fields.push(Field::new(LABEL, DataType::UInt32, false));
        columns.push(Arc::new(UInt32Array::from(labels.to_vec())));
    }
    for (column, cells) in names.iter().zip(cells) {
        let array = cells.array();
        fields.push(Field::new(&column.name, array.data_type().clone(), true));
        columns.push(array);
    }
    let schema = Arc::new(Schema::new(fields));
    let whole = RecordBatch::try_new(Arc::clone(&schema), columns)
        .map_err(|e| Error::Task(format!("the rows of an external tool: {e}")))?;
    write_atomically_with(path, |file, _| {
        let write = || -> std::result::Result<(), ParquetError> {
            let mut writer = ArrowWriter::try_new(file, Arc::clone(&schema), None)?;
            writer.write(&whole)?;
            writer.close().map(|_| ())
        };
        write().map_err(std::io::Error::other)
    })
}

/// Refuses columns that the protocol cannot carry.
pub(super) fn check(columns: &[ExternalColumn]) -> Result<()> {
    match reserved(columns) {
        None => Ok(()),
        Some(name) => Err(Error::Task(format!(
            "column {name}: external tools are given the row's number and class under such names; rename the column"
        ))),
    }
}
