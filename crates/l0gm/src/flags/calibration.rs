//! The flags of `calibration`.

use super::FormatFlag;
use clap::Args;
use std::path::PathBuf;

/// Flags of `calibration`.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = "\
The file: CSV and its dialects (a header row; also .gz, .zst), Parquet, or -,
a row a prediction.
  label         `label`, `y_true`, `target`, `class`, `y` or the like, else
                --label NAME. Values are classes' names, the numbers in the
                columns' names (`p1`, `p2`: 1, 2), or the columns' places; for
                two classes true and false too.
  two classes   one column of P(y = 1): `p`, `prob`, `score`, `p_1`, ...; or
                one column a class
  many classes  one column a class: `p_0`, `p_1`, ... or `prob_NAME`, also
                bare names; in Parquet also one column of lists
  logits        `logit_0`, `logit_1`, ... or, with --logits, the columns above
  split         where there is a column `split`, its rows `test` are scored,
                and a temperature is fitted on its rows `valid`; --split NAME
                scores another
Other columns are passed over; where no name tells, all other number columns
are classes, and --columns says which are. A run's folder
(out/quick/runs/RUN_ID) may stand for its predictions.

Probabilities may lie outside [0, 1], and a row's sum away from 1, by at most
0.001 (half precision); within that they are put right. Beyond it,
--renormalise divides rows by their sums.

Examples:
  cargo xtask calibration predictions.csv
      Ten measures with intervals, and a reliability diagram.
  cargo xtask calibration s.parquet --label y --columns cat,dog --format json
      Columns by name; all digits for a program.
  cargo xtask calibration spam.csv --label verdict --positive spam
      One column of probabilities, of the class spam.
  cargo xtask calibration out/quick/runs/RUN_ID
      A run's own predictions.")]
pub struct CalibrationFlags {
    /// Rows with labels and probabilities: CSV and its dialects (also .gz, .zst), Parquet, - for standard input, or a
    /// run's folder.
    pub file: PathBuf,
    /// Column of the true label.
    #[arg(long, value_name = "NAME")]
    pub label: Option<String>,
    /// Columns of the scores, in the order of the classes; a single column is P(y = 1).
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    pub columns: Vec<String>,
    /// For a single column: the label whose probability it is.
    #[arg(long, value_name = "LABEL")]
    pub positive: Option<String>,
    /// The scores are logits.
    #[arg(long)]
    pub logits: bool,
    /// Divide each row of probabilities by its sum, for values that were rounded or are percentages.
    #[arg(long)]
    pub renormalise: bool,
    /// Fit a temperature on the scored rows if there is no split `valid` to fit it on.
    #[arg(long)]
    pub scale: bool,
    /// Leave out rows without a label instead of refusing the first one.
    #[arg(long)]
    pub drop_unlabelled: bool,
    /// Words that mean "missing" besides the empty cell, instead of NA, N/A, NaN, nan, null, NULL, None, \N and ?.
    #[arg(long, value_delimiter = ',', value_name = "WORD")]
    pub missing: Option<Vec<String>>,
    /// Columns to ignore completely.
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    pub ignore: Vec<String>,
    /// Character between cells; default: found from the first rows.
    #[arg(long, value_name = "CHARACTER")]
    pub separator: Option<char>,
    /// The split to score, if the file has a column `split`; default `test`.
    #[arg(long, value_name = "NAME")]
    pub split: Option<String>,
    /// Number of bins of every binned measure.
    #[arg(long, value_name = "N", default_value_t = 15)]
    pub bins: usize,
    /// Number of draws for the bootstrap intervals and the noise floor.
    #[arg(long, value_name = "N", default_value_t = 500)]
    pub resamples: usize,
    /// Seed of these draws.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// How the results are printed.
    #[arg(long, value_enum, default_value = "text")]
    pub format: FormatFlag,
    /// Folder for the diagrams (SVG and PNG); created if it does not exist.
    #[arg(long, value_name = "DIR", default_value = "out/calibration")]
    pub out: PathBuf,
}
