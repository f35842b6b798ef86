//! The command line as documentation: every command and flag with what it is for. Names that only a
//! modality knows (datasets, methods, settings) are checked when the plan is made.

use clap::{Args, Parser, Subcommand, ValueEnum};
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
  cargo xtask report out/quick          the report again, from the runs in that folder")]
pub(crate) struct Flags {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Plan, run, aggregate and report: the paper's experiments on real data or twins.
    Reproduce(Box<ReproduceFlags>),
    /// Write the tables, figures and report of an output folder again.
    Report(ReportFlags),
    /// List the datasets and pretrained models and where each is found.
    Datasets(DatasetsFlags),
    /// Time our ops and training steps against stock candle and, with --peers, PyTorch.
    Bench(BenchFlags),
    /// Every check that guards the main branch, cheapest first.
    Ci(CiFlags),
}

/// Which size of experiment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProfileFlag {
    /// One seed, reduced sizes (each reduction is named in the report): minutes.
    Quick,
    /// The full recipe, three seeds; refuses twins; what is still reduced is named in the report.
    Paper,
}

#[derive(Clone, Debug, Args)]
#[command(after_long_help = "\
Examples:
  cargo xtask reproduce
      Everything, quick. Real data where it is found (--data-dir, L0GM_DATA_DIR, datasets/cache) or
      can be downloaded, else the built-in synthetic twins, and then the first and last line say so.
  cargo xtask reproduce --data-dir ~/data --model-dir ~/models --out out/real
      The same on data of your own copy: ~/data/adult/adult.data and so on.
  cargo xtask reproduce --modality tabular --lambda 1e-4,1e-3,1e-2 --seeds 0,1,2
      One modality, a coarser grid, three seeds.
  cargo xtask reproduce --modality tabular --target 10%,25%
      Models of which a tenth and a quarter of the dimensions stay open, whatever lambda that takes.
  cargo xtask reproduce --modality graph --dataset amazon-photo --method dense --dry-run
      What a plan would hold, without running it.
  cargo xtask reproduce --set tabular.train.epochs=3 --set graph.gate.inference=threshold
  cargo xtask reproduce --modality tabular --set tabular.gate.kind=conditional   (static, per-example)
  cargo xtask reproduce --modality text --set text.gate.granularity=fine   (interface, group)
  cargo xtask reproduce --modality graph --set graph.train.schedule.kind=none   (annealed)
  cargo xtask reproduce --set tabular.train.objective.coupling.kind=mmce   (soft-ece, none; coupling.weight)
      Settings of a modality by name; --settings FILE.toml takes many: tables [tabular], [text], [graph].

Ctrl-C stops after the step in hand and saves; the same command goes on from there. A finished run
is not run again: to start anew, choose another --out or delete the run's folder in OUT/runs.")]
pub(crate) struct ReproduceFlags {
    /// Size of the experiments.
    #[arg(long, value_enum, default_value = "quick")]
    pub(crate) profile: ProfileFlag,
    /// Only these modalities: tabular, text, graph.
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    pub(crate) modality: Vec<String>,
    /// Only these datasets (a name of `cargo xtask datasets`, or a path with one --modality).
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    pub(crate) dataset: Vec<String>,
    /// Only these methods: dense, l0gm.
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    pub(crate) method: Vec<String>,
    /// Seeds; default 0 for quick, 0,1,2 for paper.
    #[arg(long, value_delimiter = ',', value_name = "N")]
    pub(crate) seeds: Vec<String>,
    /// Weights of the penalty for gated methods; default 1e-4,3e-4,1e-3,3e-3,1e-2.
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "X",
        allow_hyphen_values = true
    )]
    pub(crate) lambda: Vec<String>,
    /// Active fractions asked for instead of lambdas, such as 10%,25%: the controller finds lambda. The lambda
    /// grid is then left out, but for what --lambda names.
    #[arg(long, value_delimiter = ',', value_name = "X")]
    pub(crate) target: Vec<String>,
    /// Where to compute: cpu, cuda or cuda:N.
    #[arg(long, default_value = "cpu")]
    pub(crate) device: String,
    /// Threads; default: RAYON_NUM_THREADS where it is set, else all cores.
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<String>,
    /// Folder of the datasets; else L0GM_DATA_DIR, else datasets/cache.
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Folder of pretrained models; else L0GM_MODEL_DIR, else datasets/cache/models.
    #[arg(long, value_name = "DIR")]
    pub(crate) model_dir: Option<PathBuf>,
    /// Output folder; default out/quick or out/paper.
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Settings file with one table a modality: tabular, text, graph.
    #[arg(long, value_name = "FILE")]
    pub(crate) settings: Option<PathBuf>,
    /// One setting: MODALITY.path.to.setting=VALUE (repeatable; wins over --settings).
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// Use the synthetic twins even where real data is at hand.
    #[arg(long)]
    pub(crate) twin: bool,
    /// Touch no network.
    #[arg(long)]
    pub(crate) offline: bool,
    /// Print the plan with its estimated cost and what would be downloaded; run, fetch and generate nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct ReportFlags {
    /// Output folder of `reproduce`.
    pub(crate) dir: PathBuf,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct DatasetsFlags {
    /// Folder of the datasets; else L0GM_DATA_DIR, else datasets/cache.
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Folder of pretrained models; else L0GM_MODEL_DIR, else datasets/cache/models.
    #[arg(long, value_name = "DIR")]
    pub(crate) model_dir: Option<PathBuf>,
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

Read the ratios: ours / PyTorch below 1 means that ours is faster. Nothing else should run meanwhile.")]
pub(crate) struct BenchFlags {
    /// Only cases with one of these words in their name.
    #[arg(long, value_delimiter = ',', value_name = "WORD")]
    pub(crate) only: Vec<String>,
    /// List the cases and time nothing.
    #[arg(long)]
    pub(crate) list: bool,
    /// Run PyTorch on the same work, by turns.
    #[arg(long)]
    pub(crate) peers: bool,
    /// Leave stock candle out.
    #[arg(long)]
    pub(crate) no_stock: bool,
    /// Make the virtual environment that --peers needs (PyTorch, some 300 MB).
    #[arg(long)]
    pub(crate) install_peers: bool,
    /// Where that environment is.
    #[arg(long, value_name = "DIR", default_value = "target/peers")]
    pub(crate) venv: PathBuf,
    /// Rounds; each gives a ratio of medians.
    #[arg(long, value_name = "N", default_value_t = 5)]
    pub(crate) rounds: usize,
    /// Seconds of repetitions a round, for each side.
    #[arg(long, value_name = "S", default_value_t = 0.5)]
    pub(crate) seconds: f64,
    /// Threads of each side.
    #[arg(long, value_name = "N")]
    pub(crate) threads: Option<usize>,
    /// Folder of the datasets; else L0GM_DATA_DIR, else datasets/cache.
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Folder of pretrained models; else L0GM_MODEL_DIR, else datasets/cache/models.
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
