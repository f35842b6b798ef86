//! The command line of `cargo xtask`: the runner's commands, and the commands for developing this repository.

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Reproduces L0GM (arXiv:2603.26801) on tables, texts and graphs, and judges it honestly.
#[derive(Debug, Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    version,
    propagate_version = true
)]
#[command(after_help = "\
Start here:
  cargo xtask reproduce                 the quick job: dense and L0GM in all three modalities
  cargo xtask reproduce --dry-run       what it would run, on which data, for how long
  cargo xtask report out/quick          the report again, from the runs in that folder
  cargo xtask plan, run                 the same plan by cells, for clusters (docs/scale.md)")]
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
      All of them, against PyTorch too, by turns. Installs it first, in a virtual environment.

Read the ratios: ours / PyTorch below 1 means that ours is faster. Nothing else should run
meanwhile.")]
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
pub(crate) struct CiFlags {
    /// Print the steps and run nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
}
