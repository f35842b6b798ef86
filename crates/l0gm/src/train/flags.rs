//! The flags of `l0gm train`.

use crate::flags::{CellFlags, FormatFlag};
use crate::own_data::DataFlags;
use clap::Args;
use std::path::PathBuf;

/// Flags of `train`.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = "\
Trains baselines, a dense model and gated models of several sizes, chooses
one of them on validation rows, and shows what each reaches on test rows.
Without --text the file is read as a table; a folder is read as a graph.

Left in OUT (default out/NAME-OF-THE-FILE):
  model/        the chosen model, small and complete, for `l0gm predict`
  report.html   pictures and tables of all models
  result.json   the figures of the screen, with all digits
  runs/         every run; the same command goes on after a stop

Thresholds (two classes): max-f1, recall=0.8, precision=0.5, cost=5:1 (a
missed positive costs five times as much as a false alarm). The threshold
is chosen on validation rows and saved with the model. It changes which
class is named, not the probabilities.

Examples:
  l0gm train churn.csv --label left
      A table. Shows the models, the columns they read, and the choice.
  l0gm train messages.tsv --label label --text message --target 25%,10%
      Texts, with a pretrained encoder where its weights can be had.
  l0gm train bank.csv --label deposit --threshold recall=0.8 --seeds 0-2
      Three seeds; says yes often enough to find four of five positives.
  l0gm train visits.csv --label ill --group patient --columns --target 20%
      No patient is in two parts of the split; a fifth of the columns is
      read.

Exit codes: 0 done, 1 the data cannot be used or a run failed, 2 a flag is
wrong, 130 stopped.")]
pub struct TrainFlags {
    /// The data, and how they are read.
    #[command(flatten)]
    pub data: DataFlags,
    /// Shares of the gate to leave open, one model each; default: 50%,25%,10%,5%, with --columns 50%,25%.
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "X",
        allow_hyphen_values = true
    )]
    pub target: Vec<String>,
    /// Gate whole columns of a table instead of single dimensions; targets then count columns.
    #[arg(long)]
    pub columns: bool,
    /// Seeds: 0,1,2 or 0-4. Each seed draws its own split of a table.
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "N",
        default_value = "0",
        allow_hyphen_values = true
    )]
    pub seeds: Vec<String>,
    /// Let every class count the same in training: finds more rows of rare classes, and makes their probabilities too high.
    #[arg(long)]
    pub balanced: bool,
    /// How the class is decided (two classes): max-f1, recall=X, precision=X or cost=A:B; default: the likelier one.
    #[arg(long, value_name = "RULE")]
    pub threshold: Option<String>,
    /// The class that --threshold is about; default: the rarer one.
    #[arg(long, value_name = "CLASS")]
    pub positive: Option<String>,
    /// Probabilities of another tool for the test rows, as a row of every table: NAME=FILE (repeatable).
    #[arg(long, value_name = "NAME=FILE")]
    pub rival: Vec<String>,
    /// First search settings with N trials on validation rows, and train with the best.
    #[arg(long, value_name = "N")]
    pub tune: Option<usize>,
    /// Output folder; default: out/NAME-OF-THE-FILE.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Show the plan with its estimated time, and run nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Print the result as text for people or as one JSON object.
    #[arg(long, value_enum, default_value = "text")]
    pub format: FormatFlag,
    /// Show no progress.
    #[arg(short, long)]
    pub quiet: bool,
    /// Device to compute on: cpu, cuda or cuda:N.
    #[arg(long, default_value = "cpu")]
    pub device: String,
    /// Number of threads; default: all cores.
    #[arg(long, value_name = "N")]
    pub threads: Option<String>,
    /// Folder of pretrained models; default: L0GM_MODEL_DIR, else datasets/cache/models.
    #[arg(long, value_name = "DIR")]
    pub model_dir: Option<PathBuf>,
    /// Never use the network.
    #[arg(long)]
    pub offline: bool,
}

impl TrainFlags {
    /// The targets asked for, or the default ones. A table has few columns, of which a twentieth may be less than one.
    fn targets(&self) -> Vec<String> {
        let default: &[&str] = match self.columns {
            true => &["50%", "25%"],
            false => &["50%", "25%", "10%", "5%"],
        };
        match self.target.is_empty() {
            true => default.iter().map(|target| (*target).to_owned()).collect(),
            false => self.target.clone(),
        }
    }

    /// The flags for the machine and the folders, as every command of the runner knows them.
    pub(crate) fn cells(&self) -> CellFlags {
        CellFlags {
            seeds: self.seeds.clone(),
            target: self.targets(),
            device: self.device.clone(),
            threads: self.threads.clone(),
            model_dir: self.model_dir.clone(),
            offline: self.offline,
            out: self.out.clone(),
            ..CellFlags::default()
        }
    }
}
