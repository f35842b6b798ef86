//! A compact model as files: what a finished run leaves in its folder's `compact/`, so that the smaller
//! model can be used without the run, its data and the gate. A modality says what its model consists of
//! ([`CompactParts`]); writing, checking and reading are the same for all.

mod folder;
mod probabilities;

pub use folder::{CompactFolder, CompactHeader, FileSum};
pub use probabilities::ClassProbabilities;

use crate::CompactSummary;
use candle_core::Tensor;
use serde_json::Value;
use std::collections::BTreeMap;

/// A compact model as a run hands it over: what its record says of it, and what is written.
#[derive(Clone, Debug)]
pub struct Compacted {
    /// For the record.
    pub summary: CompactSummary,
    /// For the folder `compact/`; absent: none is written.
    pub parts: Option<CompactParts>,
}

/// What a compact model consists of.
#[derive(Clone, Debug, Default)]
pub struct CompactParts {
    /// Shapes, kept dimensions, fitted encodings: whatever the modality needs to build the model again.
    pub model: Value,
    /// Its tensors by name, all f32 and none of them empty.
    pub tensors: BTreeMap<String, Tensor>,
    /// Further files by name (a tokenizer).
    pub files: BTreeMap<String, Vec<u8>>,
}
