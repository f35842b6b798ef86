//! The flags of `search`.

use super::CellFlags;
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// How a search chooses its points.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum WayFlag {
    /// Independent draws from the space.
    Random,
    /// Points of the grid of all candidates, in random order.
    Grid,
}

/// Flags of `search`.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = "\
Trains each method with --trials settings: the defaults (trial 0), then points
of the paper's Table 7 (learning rate, weight decay, dropout, batch size; for
gated methods also the warm-up's share and the end temperature). Every method
has the same budget, and a trial has the same backbone for all of them.

Sparsity is held: gated runs are asked for one active fraction (--target,
default 15%), and what ends more than 2 points from it is not compared, for
validation loss alone would only ask for more open gates. (--lambda X holds
lambda instead.) Granularity and coupling, which are designs (--ablation of
`reproduce`), are held too, and so is all that --settings and --set name.
--incumbent FILE makes trial 0 of settings of one's own instead of the
defaults; what of them is not searched is held.

Trials are runs in OUT/search/runs: claimed, resumable, done once; the same
command goes on after a stop. They are judged by validation loss (mean over
--seeds); no figure of the test split is read or shown. Written at the end:
  OUT/search/chosen.toml         lowest mean over methods, for a comparison on
                                 one backbone
  OUT/search/chosen-METHOD.toml  each method's own best, for
                                 `reproduce --method METHOD`
each with the command, the budget, and the losses of the chosen settings and
of trial 0 at its top, and with what --settings, --set and --incumbent held.

Examples:
  cargo xtask search --modality tabular --trials 12 --dry-run
      The trials with their settings and cost; nothing is run.
  cargo xtask search --modality tabular --trials 12 --out out/search-adult
      Twelve settings for each method.
  cargo xtask search --modality graph --by grid --set graph.train.epochs=80
      Points of the grid, and one setting that is held.
  cargo xtask search --modality text --incumbent mine.toml
      Settings of one's own as trial 0.")]
pub struct SearchFlags {
    /// What to search, and how its runs are carried out.
    #[command(flatten)]
    pub cells: CellFlags,
    /// Number of settings that each method is trained with, including the current ones (trial 0).
    #[arg(long, value_name = "N", default_value_t = 12)]
    pub trials: usize,
    /// Seed of the search; the runs themselves use --seeds.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub search_seed: u64,
    /// Settings file whose searched settings replace the defaults in trial 0; its other settings hold in every trial.
    /// (What --settings and --set name is not searched.)
    #[arg(long, value_name = "FILE")]
    pub incumbent: Option<PathBuf>,
    /// How points of the space are chosen.
    #[arg(long, value_enum, default_value = "random")]
    pub by: WayFlag,
    /// Print the trials with their settings and cost; run, fetch and generate nothing.
    #[arg(long)]
    pub dry_run: bool,
}
