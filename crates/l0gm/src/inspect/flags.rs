//! The flags of `l0gm inspect`.

use crate::flags::FormatFlag;
use crate::own_data::DataFlags;
use clap::Args;

/// Flags of `inspect`.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = "\
Reads the data as `train` would and says what each column was taken for,
what was left out and why. Trains nothing and writes nothing.

Examples:
  l0gm inspect churn.csv
      The columns: kind, missing cells, distinct values, examples.
  l0gm inspect churn.csv --label left --group customer
      Also the classes, the split, and what is odd about the columns.
  l0gm inspect graph-folder --format json
      The same of a graph, for a program.

Exit codes: 0 the data can be used, 1 they cannot, 2 a flag is wrong.")]
pub struct InspectFlags {
    /// The data, and how they are read.
    #[command(flatten)]
    pub data: DataFlags,
    /// Print the result as text for people or as one JSON object.
    #[arg(long, value_enum, default_value = "text")]
    pub format: FormatFlag,
}
