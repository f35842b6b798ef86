//! What a finished run offers to be timed beside programs of other projects: its rows in a form that any program reads,
//! and its compact model, from encoded rows and from files of raw cells.

use crate::{ClassProbabilities, ExternalRows, Result, RowPredictor};
use std::path::Path;

/// A finished run with a compact model, ready to be timed beside other projects' programs on the same rows.
pub struct PeerRun<'a> {
    /// The run's rows, with which the other programs train and predict.
    pub rows: &'a dyn ExternalRows,
    /// The classes' names, in the order of their numbers.
    pub classes: &'a [String],
    /// Number of test rows.
    pub test_rows: usize,
    /// The compact model of the run, which is timed beside other programs.
    pub compact: &'a dyn CompactBesidePeers,
}

/// One pass of a compact model over fixed rows, from its encoded input to calibrated probabilities.
pub type OnePass<'a> = Box<dyn Fn() -> Result<ClassProbabilities> + 'a>;

/// A compact model, as it is timed.
pub trait CompactBesidePeers {
    /// A pass over these test rows, in this order. A row may occur several times.
    ///
    /// # Errors
    /// A row does not exist.
    fn pass(&self, rows: &[u32]) -> Result<OnePass<'_>>;

    /// Opens a file of raw cells, to be predicted chunk by chunk as the command `predict` does.
    ///
    /// # Errors
    /// The file cannot be read.
    fn open(&self, file: &Path) -> Result<Box<dyn RowPredictor>>;

    /// Writes the model as `compact.onnx` into a folder, and the encoded test rows beside it: `encoded.json` holds their
    /// number (`rows`), the number of `classes`, and `inputs`, a list of an input's name, the file of its values, row by
    /// row, and their type in numpy's spelling. Returns the reason if this model cannot be written so.
    ///
    /// # Errors
    /// A file cannot be written.
    fn write_onnx(&self, folder: &Path) -> Result<Option<String>>;
}
