//! The flags of `predict`, with their documentation.

use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// Flags of `predict`.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = "\
MODEL is a model's folder, a run's folder (OUT/runs/RUN_ID), or the folder of
a study that chose a model (OUT/model). NEW is a file of rows of any length,
or a folder for a graph. Columns are found by name; the label's is not needed,
nor are columns of which the gate leaves nothing open.

Each line of the output has the row's number in NEW, the kept columns, the
predicted class, and a calibrated probability a class. A file is written
under a temporary name and renamed when it is complete; on standard output
an exit code other than 0 says that lines are missing.

Examples:
  cargo xtask predict out/bank new.csv --keep id --out answers.csv
      Rows of a CSV file, joined by the column id. One line at the end has
      the rows a second and the cells that training never met.
  zcat new.csv.gz | cargo xtask predict out/bank - --format jsonl | head
      From standard input to standard output, as one JSON object a line.
  cargo xtask predict out/bank new.parquet --out answers.parquet -q
      Parquet to Parquet, without remarks.")]
pub struct PredictFlags {
    /// The model: its folder, a run's folder, or a study's folder.
    #[arg(value_name = "MODEL")]
    pub model: PathBuf,
    /// New rows: CSV and its dialects (also .gz, .zst), Parquet, ARFF, - for
    /// standard input; for a graph its folder.
    #[arg(value_name = "NEW")]
    pub new: String,
    /// File for the predictions; - is standard output.
    #[arg(long, value_name = "FILE", default_value = "-")]
    pub out: String,
    /// Format of the predictions; default: by the ending of --out (.csv,
    /// .parquet, .jsonl), csv on standard output.
    #[arg(long, value_enum)]
    pub format: Option<PredictionFormat>,
    /// Columns of NEW to hand on as they are written there, such as a key.
    #[arg(long, value_delimiter = ',', value_name = "COL")]
    pub keep: Vec<String>,
    /// Column of the texts; default: its name in training.
    #[arg(long, value_name = "COL")]
    pub text_column: Option<String>,
    /// Character between the cells of NEW; default: that of training if it
    /// was given there, else found from the first rows.
    #[arg(long, value_name = "CHARACTER")]
    pub separator: Option<char>,
    /// Folder of the encoder, for a text model that left its encoder frozen
    /// and holds no copy; default: its name in the folder of models.
    #[arg(long, value_name = "DIR")]
    pub encoder: Option<PathBuf>,
    /// Folder of pretrained models; default: L0GM_MODEL_DIR if it is set,
    /// else datasets/cache/models.
    #[arg(long, value_name = "DIR")]
    pub model_dir: Option<PathBuf>,
    /// Device to compute on: cpu, cuda or cuda:N.
    #[arg(long, default_value = "cpu")]
    pub device: String,
    /// Number of threads; default: RAYON_NUM_THREADS if it is set, else all
    /// cores.
    #[arg(long, value_name = "N")]
    pub threads: Option<String>,
    /// Say nothing but errors.
    #[arg(short, long)]
    pub quiet: bool,
}

/// The formats of predictions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PredictionFormat {
    /// Comma-separated text with a header.
    Csv,
    /// Apache Parquet.
    Parquet,
    /// One JSON object a line.
    Jsonl,
}
