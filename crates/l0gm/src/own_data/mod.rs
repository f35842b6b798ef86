//! Data of one's own, as the commands `train` and `inspect` take them: the flags that name and describe a file or folder,
//! and what they mean to the runner.

mod flag_words;
mod request;

pub(crate) use flag_words::{in_errors, in_flags};
pub(crate) use request::Request;

use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// Flags that name data of one's own and say how they are read.
#[derive(Clone, Debug, Args)]
pub struct DataFlags {
    /// A file of rows (CSV, TSV, Parquet, ARFF; also .gz, .zst), or the folder of a graph.
    pub data: PathBuf,
    /// Column to predict.
    #[arg(long, value_name = "COLUMN")]
    pub label: Option<String>,
    /// Column of the texts; makes it a study of texts.
    #[arg(long, value_name = "COLUMN")]
    pub text: Option<String>,
    /// Columns to leave out before anything looks at them.
    #[arg(long, value_delimiter = ',', value_name = "COLUMN")]
    pub ignore: Vec<String>,
    /// Columns to read as numbers.
    #[arg(long, value_delimiter = ',', value_name = "COLUMN")]
    pub numeric: Vec<String>,
    /// Columns to read as categories.
    #[arg(long, value_delimiter = ',', value_name = "COLUMN")]
    pub categorical: Vec<String>,
    /// Leave out rows without a label instead of refusing the first one.
    #[arg(long)]
    pub drop_unlabelled: bool,
    /// File with the test rows; default: a fifth of the rows, drawn at random by class.
    #[arg(long, value_name = "FILE")]
    pub test: Option<PathBuf>,
    /// File with the validation rows; default: a tenth of the rows that are not for test.
    #[arg(long, value_name = "FILE")]
    pub valid: Option<PathBuf>,
    /// Column that groups rows, such as a customer: all rows of a group are in one part of the split.
    #[arg(long, value_name = "COLUMN", conflicts_with_all = ["test", "valid"])]
    pub group: Option<String>,
    /// Column of the time: the latest rows are for test, those before them for validation.
    #[arg(long, value_name = "COLUMN", conflicts_with_all = ["test", "valid", "group"])]
    pub time: Option<String>,
    /// Read the data as this, whatever they look like.
    #[arg(long, value_enum)]
    pub modality: Option<ModalityFlag>,
    /// One setting of the models, such as train.epochs=20 (repeatable).
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

/// The three sorts of data, by the words that `--modality` takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ModalityFlag {
    /// Rows with a value in every column.
    Table,
    /// Rows with a column of texts.
    Texts,
    /// Nodes and edges.
    Graph,
}

impl ModalityFlag {
    /// The name that settings and records use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Table => "tabular",
            Self::Texts => "text",
            Self::Graph => "graph",
        }
    }

    /// The word for messages.
    pub fn word(self) -> &'static str {
        match self {
            Self::Table => "a table",
            Self::Texts => "texts",
            Self::Graph => "a graph",
        }
    }
}
