//! The flags of `l0gm explain`.

use crate::flags::FormatFlag;
use clap::Args;
use std::path::PathBuf;

/// Flags of `explain`.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = "\
For each column that a table's model reads: the dimensions that the gate
leaves open, and how much the NLL on the validation rows rises when the
column's cells are permuted, with a 95% interval. A column that another one
can stand in for has a small rise although it is read. Columns behind closed
gates are not needed at prediction.

The data are read again from where `train` read them. A drawing of the table
is left beside the model: explain.svg and explain.png in STUDY.

Examples:
  l0gm explain out/churn
      The chosen model of a study.
  l0gm explain out/churn --run 25%
      The model of that target; or a part of a folder's name in
      out/churn/runs.
  l0gm explain out/churn --permutations 50 --format json
      Smoother, and for a program.

Exit codes: 0 done, 1 the data or the model cannot be read, 2 a flag is
wrong.")]
pub struct ExplainFlags {
    /// Folder of a study that `train` made.
    #[arg(value_name = "STUDY")]
    pub study: PathBuf,
    /// Another run than that of the chosen model: its target, such as 25%, or a part of its folder's name.
    #[arg(long, value_name = "NAME")]
    pub run: Option<String>,
    /// Number of permutations of each column.
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub permutations: usize,
    /// Print the result as text for people or as one JSON object.
    #[arg(long, value_enum, default_value = "text")]
    pub format: FormatFlag,
}
