//! A compact model as files. A finished run leaves them in the subfolder `compact/`, so that the smaller model can be
//! used without the run, its data and the gate. Each modality says what its model consists of ([`CompactParts`]);
//! writing, checking and reading are the same for all.

mod decision;
mod export;
mod folder;
mod probabilities;
mod rows;

pub use decision::Decision;
pub use folder::{CompactFolder, CompactHeader, FileSum};
pub use probabilities::ClassProbabilities;
pub use rows::{PredictedRows, RowOptions, RowPredictor, Unseen};

use crate::CompactSummary;
use candle_core::Tensor;
use serde_json::Value;
use std::collections::BTreeMap;

/// A compact model as a method hands it to the judge.
#[derive(Clone, Debug)]
pub struct Compacted {
    /// What the run record says of the compact model.
    pub summary: CompactSummary,
    /// What is written into the folder `compact/`. `None` writes no folder.
    pub parts: Option<CompactParts>,
}

/// The content of a compact model, without the header that the run adds.
#[derive(Clone, Debug, Default)]
pub struct CompactParts {
    /// Shapes, kept dimensions, fitted encodings: whatever the modality needs to build the model again.
    pub model: Value,
    /// Tensors by name. All are f32 and none is empty.
    pub tensors: BTreeMap<String, Tensor>,
    /// Further files by name, such as a tokenizer.
    pub files: BTreeMap<String, Vec<u8>>,
    /// Name of the label's column in the training data, if it has one.
    pub label: Option<String>,
}
