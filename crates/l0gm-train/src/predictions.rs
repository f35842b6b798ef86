//! Predictions as Parquet: row, split, label and one probability and logit a class.
use crate::{Result, Split};
use std::path::Path;
/// Logits of some rows of one split.
#[derive(Clone, Debug, PartialEq)]
pub struct PredictionTable {
    /// Which split.
    pub split: Split,
    /// Row numbers within the split, ascending.
    pub rows: Vec<u32>,
    /// True labels.
    pub labels: Vec<u32>,
    /// rows x classes.
    pub logits: Vec<f32>,
    /// Number of classes.
    pub classes: usize,
}
/// Writes all splits into one file.
pub fn write_predictions(_path: &Path, _tables: &[PredictionTable]) -> Result<()> {
    todo!()
}
/// Reads them back.
pub fn read_predictions(_path: &Path) -> Result<Vec<PredictionTable>> {
    todo!()
}
