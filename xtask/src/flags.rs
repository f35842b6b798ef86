//! The command line of `cargo xtask`: the runner's commands, and the commands for developing this repository.

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Reproduces L0GM (arXiv:2603.26801) on tables, texts and graphs, and judges it honestly.
#[derive(Debug, Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    version,
    propagate_version = true,
    max_term_width = 80
)]
#[command(after_help = "\
Start here:
  cargo xtask reproduce             dense, L0GM and baselines, three modalities
  cargo xtask reproduce --dry-run   what it would run, on which data, how long
  cargo xtask generality --dry-run  the defaults on a dozen datasets
  cargo xtask report out/quick      the report again, from that folder's runs
  cargo xtask plan, run             the same plan by cells (docs/scale.md)")]
pub(crate) struct Flags {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// The commands of the runner, which the crate `l0gm` carries out.
    #[command(flatten)]
    Runner(l0gm::flags::Command),
    /// Time our ops and training steps against stock candle and, with --peers, PyTorch.
    Bench(BenchFlags),
    /// Try the defaults on data that nobody tuned them to, beside every baseline, and tabulate where they hold.
    Generality(GeneralityFlags),
    /// Run every check that guards the main branch, cheapest first.
    Ci(CiFlags),
}

#[derive(Clone, Debug, Args)]
#[command(after_long_help = "\
Examples:
  cargo xtask bench --list
      The cases.
  cargo xtask bench --only csr,gelu
      Some of them, against stock candle.
  cargo xtask bench --install-peers --peers
      All of them, against PyTorch too, by turns. Installs it first, in a
      virtual environment.

Read the ratios: ours / PyTorch below 1 means that ours is faster. Nothing
else should run meanwhile.")]
pub(crate) struct BenchFlags {
    /// Only cases whose name contains one of these words.
    #[arg(long, value_delimiter = ',', value_name = "WORD")]
    pub(crate) only: Vec<String>,
    /// List the cases and time nothing.
    #[arg(long)]
    pub(crate) list: bool,
    /// Print by how many bytes the peak memory grows in one run of each case, and time nothing. A full benchmark does
    /// this in a separate process.
    #[arg(long, hide = true)]
    pub(crate) memory: bool,
    /// Also time PyTorch on the same work, by turns.
    #[arg(long)]
    pub(crate) peers: bool,
    /// Do not time stock candle.
    #[arg(long)]
    pub(crate) no_stock: bool,
    /// Make the virtual environment that --peers needs (PyTorch, about 300 MB).
    #[arg(long)]
    pub(crate) install_peers: bool,
    /// Folder of that environment.
    #[arg(long, value_name = "DIR", default_value = "target/peers")]
    pub(crate) venv: PathBuf,
    /// Number of rounds; each gives a ratio of medians.
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub(crate) rounds: usize,
    /// Seconds of repetitions in each round, for each side.
    #[arg(long, value_name = "S", default_value_t = 0.5)]
    pub(crate) seconds: f64,
    /// Number of threads for each side.
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<usize>,
    /// Folder of the datasets; default: L0GM_DATA_DIR if it is set, else datasets/cache.
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Folder of pretrained models; default: L0GM_MODEL_DIR if it is set, else datasets/cache/models.
    #[arg(long, value_name = "DIR")]
    pub(crate) model_dir: Option<PathBuf>,
    /// Folder for bench.md and bench.parquet.
    #[arg(long, value_name = "DIR", default_value = "out/bench")]
    pub(crate) out: PathBuf,
}

#[derive(Clone, Debug, Args)]
#[command(after_long_help = "\
Members: adult, bank, telescope, movielens (tables); imdb, sms-spam (texts);
amazon-computers, amazon-photo and both with few labels (-low-label),
coauthor-physics (graphs). Each is run with all its training rows and with
samples of 500, 2,000 and 5,000; validation and test rows stay the same. At
each size: every baseline, dense, and L0GM at a target of 15%, with the
profile `general`.

Files of the data folder beside the catalogue's (docs/reproduce.md says where
they come from): own-files/bank.csv, own-files/telescope.csv,
own-files/sms-spam.tsv, movielens-100k/ratings.csv. A member whose data are
absent is named and left out; twins are never used.

OUT/table.md shows NLL, AUC, ECE, accuracy, active fraction, seconds and rank
of each method, and whether each demand holds: dense against the best baseline
and against boosting, L0GM against dense and logistic regression, the chosen
validation loss against the best one seen, and the expected active fraction
against the one in use. OUT/rows.csv has all digits.

Examples:
  cargo xtask generality --dry-run
      The members, those that are absent and why, the runs and the estimate.
  cargo xtask generality --member telescope,sms-spam --size 500 --seeds 0
      Two members with 500 training rows each and one seed: a minute.
  cargo xtask generality
      Everything, for hours. Ctrl-C stops after the step in hand; the same
      command goes on.
  cargo xtask generality --table-only --write
      The table of what is finished, also into results/generality.
  cargo xtask generality --table-only --carry results/generality/rows.csv
      The same; blocks without runs here keep their earlier figures.")]
pub(crate) struct GeneralityFlags {
    /// Only these members [default: all].
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    pub(crate) member: Vec<String>,
    /// Numbers of training rows; a number that a member does not exceed is left out for it.
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "N",
        default_value = "all,500,2000,5000"
    )]
    pub(crate) size: Vec<String>,
    /// Seeds; default 0,1,2.
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "N",
        allow_hyphen_values = true
    )]
    pub(crate) seeds: Vec<String>,
    /// Only these methods, as `methods` lists them [default: dense, l0gm and the baselines].
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    pub(crate) method: Vec<String>,
    /// Folder of the datasets; default: L0GM_DATA_DIR if it is set, else datasets/cache.
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Folder of pretrained models; default: L0GM_MODEL_DIR if it is set, else datasets/cache/models.
    #[arg(long, value_name = "DIR")]
    pub(crate) model_dir: Option<PathBuf>,
    /// Output folder; finished runs in it are not run again.
    #[arg(long, value_name = "DIR", default_value = "out/generality")]
    pub(crate) out: PathBuf,
    /// Number of threads; default: RAYON_NUM_THREADS if it is set, else all cores.
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<String>,
    /// Never use the network.
    #[arg(long)]
    pub(crate) offline: bool,
    /// Print the members, the runs and the estimate; run and fetch nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Write the table of the runs that are finished; run nothing.
    #[arg(long, conflicts_with = "dry_run")]
    pub(crate) table_only: bool,
    /// An earlier rows.csv: blocks of which no run is at hand keep the figures that it has, and the table names them.
    #[arg(long, value_name = "FILE", conflicts_with = "dry_run")]
    pub(crate) carry: Option<PathBuf>,
    /// Also keep the table in results/generality of this repository.
    #[arg(long, conflicts_with = "dry_run")]
    pub(crate) write: bool,
}

#[cfg(test)]
impl GeneralityFlags {
    /// The flags that `cargo xtask generality ARGUMENTS` gives.
    pub(crate) fn of(arguments: &[&str]) -> Self {
        let words = ["cargo xtask", "generality"].iter().chain(arguments);
        match Flags::parse_from(words).command {
            Command::Generality(flags) => flags,
            other => panic!("{other:?}"),
        }
    }
}

#[derive(Clone, Debug, Args)]
pub(crate) struct CiFlags {
    /// Print the steps and run nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
}
