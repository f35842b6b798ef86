//! Predictions of new rows, chunk by chunk: what a modality offers a program that reads rows and writes predictions.

use super::{ClassProbabilities, CompactHeader};
use crate::{Result, RowKeys};

/// How new rows are read.
#[derive(Clone, Debug)]
pub struct RowOptions {
    /// Columns whose cells are handed on as the file writes them.
    pub keep: Vec<String>,
    /// Largest number of rows of a chunk.
    pub rows: usize,
    /// Character between cells, if it is given.
    pub separator: Option<char>,
}

/// The predictions of some rows, in the order of the file.
#[derive(Clone, Debug)]
pub struct PredictedRows {
    /// What names each row.
    pub keys: RowKeys,
    /// The cells of each column that is kept, as the file writes them; `None` if the cell is empty.
    pub kept: Vec<Vec<Option<String>>>,
    /// Calibrated probabilities of each row.
    pub probabilities: ClassProbabilities,
}

/// The cells of one column with something that did not occur in training.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unseen {
    /// Name of the column.
    pub column: String,
    /// Number of such cells.
    pub cells: u64,
    /// A sentence about them.
    pub remark: String,
}

/// New rows with their predictions, chunk by chunk.
pub trait RowPredictor: Send {
    /// The header of the model.
    fn header(&self) -> &CompactHeader;

    /// Predicts the next rows; `None` after the last.
    ///
    /// # Errors
    /// The rows cannot be read or predicted. The error names file, row and column. Nothing can be read after it.
    fn next_rows(&mut self) -> Result<Option<PredictedRows>>;

    /// Remarks on the rows so far for the user, without those on cells that did not occur in training.
    fn said(&self) -> Vec<String>;

    /// The cells so far that did not occur in training, by column. `None` if they are not counted; then
    /// [`said`](Self::said) describes them.
    fn unseen(&self) -> Option<Vec<Unseen>>;

    /// The share of the file that was read so far, if it is known.
    fn share(&self) -> Option<f64>;
}
