//! Methods that are programs of their own, in any language: a booster's Python package, somebody's R script.
//!
//! The runner writes a run's rows as Parquet and a task as JSON, calls the program with the task's path, and reads
//! probabilities as Parquet. They are judged by the same code as every other method. `docs/external.md` describes the
//! files for whoever writes such a program.
//!
//! A modality implements [`ExternalRows`] and calls [`ExternalPredictor::fit`].

mod answer;
mod call;
mod predictor;
mod process;
mod rows;
mod settings;
mod task;
mod venv;
mod written;

pub use call::ExternalCall;
pub use predictor::ExternalPredictor;
pub use process::ExternalTool;
pub use rows::{ExternalCells, ExternalPart, ExternalRows};
pub use settings::ExternalSettings;
pub use task::ExternalColumn;
pub use venv::venv_python;

/// Column of a row's number within its file, from 0, in every file of rows and of probabilities.
const ROW: &str = "__row";
/// Column of a row's class, by number, in the files of training and validation rows.
const LABEL: &str = "__label";
