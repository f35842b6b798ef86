//! L0-gated classifiers for tables.
//!
//! A file becomes a [`Table`], its columns a [`Schema`], and its cells ids and positions among bins ([`Encoding`]).
//! [`FieldEncoder`] turns them into one embedding per field (eq. 8), a gate closes dimensions of these, and
//! [`TabularHead`] adds a linear branch, a compressed interaction network and a deep branch (eq. 20).
//! [`CompactModel`] is the trained model without what the gate closed, and [`CompactTable`] is that model read from a
//! finished run's folder, for new rows. [`TabularModality`] makes all of it available to the runner.
//!
#![doc = include_str!("../README.md")]

mod additive;
pub mod bins;
mod boosted_trees;
mod build;
mod cells;
mod cin;
mod compact;
mod cross;
mod data_summary;
mod deep;
mod door;
mod encoder;
mod encoding;
mod error;
mod estimate;
mod explain;
mod external_rows;
mod fine;
mod fm;
mod found;
mod head;
mod input;
mod load;
mod methods;
mod modality;
mod read_adult;
mod robustness;
mod schema;
mod settings;
mod sizes;
mod sparse;
mod spline;
mod split;
mod stratified;
mod table;
mod task;
mod teacher;
mod tree_columns;
mod typing;
mod values;

pub use build::{EncodedTable, TableModel, build_model};
pub use cin::Cin;
pub use compact::{CompactModel, CompactTable, TableStream};
pub use encoder::FieldEncoder;
pub use encoding::{CategoryField, EncodedRows, Encoding, MISSING, NumberField, UNSEEN};
pub use error::{Error, Result};
pub use head::TabularHead;
pub use input::{CategoryInput, NumberInput, TableInput};
pub use l0gm_data::rows::HeaderRow;
pub use load::{LoadedTable, is_table_file};
pub use modality::TabularModality;
pub use read_adult::{ADULT_CLASSES, ADULT_COLUMNS, read_adult};
pub use schema::{DateColumn, Field, FieldKind, Schema, Spelling};
pub use settings::{
    CinActivation, CinSettings, CrossSettings, DataSettings, DistillationSettings,
    EncodingSettings, ModelSettings, NumberEncoding, SplitKind, Start, TabularSettings,
    TeacherKind,
};
pub use sizes::{compact_sizes, model_sizes};
pub use spline::SplineTable;
pub use split::{SplitRows, file_split, official_split, random_split};
pub use table::{Categories, Cells, Column, Table};
pub use task::TableTask;

#[cfg(test)]
mod tests;
