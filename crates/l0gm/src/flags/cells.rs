//! The flags that choose cells of a plan, and those of the commands that carry a plan out: `reproduce`, `plan`, `run`.

use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// The size of the experiments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ProfileFlag {
    /// One seed and reduced sizes (the report names each reduction); takes minutes.
    Quick,
    /// The full recipe with three seeds; refuses twins; the report names what is still reduced.
    Paper,
    /// The recipe for data that nobody tuned anything to, with three seeds; your own files have it under every profile.
    General,
}

/// Flags that choose cells of a plan, and the machine and folders to use.
#[derive(Clone, Debug, PartialEq, Args)]
pub struct CellFlags {
    /// Size of the experiments.
    #[arg(long, value_enum, default_value = "quick")]
    pub profile: ProfileFlag,
    /// Only these modalities: tabular, text, graph.
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    pub modality: Vec<String>,
    /// Only these datasets (a name of `cargo xtask datasets`, or a path with one --modality).
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    pub dataset: Vec<String>,
    /// Only these methods, as `methods` lists them [default: all but rivals].
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    pub method: Vec<String>,
    /// Seeds, such as 0,1,2 or 0-4; default 0 for quick, 0,1,2 for paper.
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "N",
        allow_hyphen_values = true
    )]
    pub seeds: Vec<String>,
    /// Weights of the penalty for gated methods; default 1e-4,3e-4,1e-3,3e-3,1e-2 (for your own files and under
    /// --profile general the default is --target 5%,15%,50%).
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "X",
        allow_hyphen_values = true
    )]
    pub lambda: Vec<String>,
    /// Target active fractions, such as 10%,25%, for which a controller finds lambda. The default lambdas are then
    /// left out; lambdas that --lambda names are run too.
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "X",
        allow_hyphen_values = true
    )]
    pub target: Vec<String>,
    /// Designs of the gate with one choice changed, to run beside the default: static, conditional, fine,
    /// no-annealing, soft-ece, mmce; all or none. They run at the paper's lambdas, or at those of --lambda and
    /// --target. Default: all for paper, unless --method, --lambda or --target say what to run; none for quick.
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    pub ablation: Vec<String>,
    /// Device to compute on: cpu, cuda or cuda:N.
    #[arg(long, default_value = "cpu")]
    pub device: String,
    /// Number of threads; default: RAYON_NUM_THREADS if it is set, else all cores.
    #[arg(long, value_name = "N")]
    pub threads: Option<String>,
    /// Folder of the datasets; default: L0GM_DATA_DIR if it is set, else datasets/cache.
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Folder of pretrained models; default: L0GM_MODEL_DIR if it is set, else datasets/cache/models.
    #[arg(long, value_name = "DIR")]
    pub model_dir: Option<PathBuf>,
    /// Output folder; default out/quick, out/paper or out/general, by profile.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Settings file with one table per modality: tabular, text, graph.
    #[arg(long, value_name = "FILE")]
    pub settings: Option<PathBuf>,
    /// One setting: MODALITY.path.to.setting=VALUE (repeatable; wins over --settings).
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Use the synthetic twins even if real data is available.
    #[arg(long)]
    pub twin: bool,
    /// Never use the network.
    #[arg(long)]
    pub offline: bool,
}

/// The values that a command line without flags gives.
impl Default for CellFlags {
    fn default() -> Self {
        Self {
            profile: ProfileFlag::Quick,
            modality: Vec::new(),
            dataset: Vec::new(),
            method: Vec::new(),
            seeds: Vec::new(),
            lambda: Vec::new(),
            target: Vec::new(),
            ablation: Vec::new(),
            device: "cpu".to_owned(),
            threads: None,
            data_dir: None,
            model_dir: None,
            out: None,
            settings: None,
            set: Vec::new(),
            twin: false,
            offline: false,
        }
    }
}

/// Flags of `reproduce`.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = "\
Examples:
  cargo xtask reproduce
      Everything, quick. Real data where they are found (--data-dir,
      L0GM_DATA_DIR, datasets/cache) or can be downloaded, else the built-in
      synthetic twins, and then the first and last line say so.
  cargo xtask reproduce --data-dir ~/data --model-dir ~/models --out out/real
      The same on data of your own copy: ~/data/adult/adult.data and so on.
  cargo xtask reproduce --modality tabular --lambda 1e-3,1e-2 --seeds 0-2
      One modality, a coarser grid, three seeds.
  cargo xtask reproduce --modality tabular --target 10%,25%
      Models of which a tenth and a quarter of the dimensions stay open,
      whatever lambda it takes.
  cargo xtask reproduce --dataset amazon-photo --method dense --dry-run
      What a plan would hold, without running it.
  cargo xtask reproduce --set tabular.train.epochs=3
      A setting of a modality by name; --settings FILE.toml takes many, in the
      tables [tabular], [text] and [graph].
  cargo xtask reproduce --modality tabular --ablation fine --lambda 1e-3
      The default gate and a design with one thing changed, at one lambda.

Ctrl-C or SIGTERM stops after the step in hand and saves; the same command
goes on from there. A finished run is not run again: to start anew, choose
another --out or delete the run's folder in OUT/runs.

Exit codes: 0 done, 1 something could not be read or a run failed, 2 a flag is
wrong, 130 stopped.")]
pub struct ReproduceFlags {
    /// Which cells to run, and how.
    #[command(flatten)]
    pub cells: CellFlags,
    /// Print the plan with its estimated cost and what would be downloaded; run, fetch and generate nothing.
    #[arg(long)]
    pub dry_run: bool,
}

/// Flags of `plan`.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = "\
One JSON object a line, in the order of running:
  cell      the hash of all that the result depends on; `run --cell` takes it,
            or its first digits
  run       the folder's name under OUT/runs
  modality, dataset, twin, method, lambda, seed, settings
  ablation  the design with one thing changed that the cell belongs to, else
            null
  estimate_seconds
            a rough estimate on two CPU cores, of the cell alone: what cells
            of one OUT share, such as a frozen encoder's features, is in each
  finished  whether the cell's record stands in OUT

Nothing is run, fetched or generated. docs/scale.md shows how to spread cells
over machines.

Examples:
  cargo xtask plan --profile paper --modality tabular | wc -l
      The number of cells of the paper's experiments on tables.
  cargo xtask plan | jq -r 'select(.finished | not).cell'
      The cells that are still to be run, one a line.
  cargo xtask plan --out out/mine | jq -s 'map(.estimate_seconds) | add'
      The estimated seconds of all cells.")]
pub struct PlanFlags {
    /// Which cells to plan, and how they would run.
    #[command(flatten)]
    pub cells: CellFlags,
}

/// Flags of `run`.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = "\
Carries out cells of the plan that `cargo xtask plan` prints with the same
flags; `cargo xtask report` makes the report of what is finished. Without
--cell and --shard: all of them.

Several processes may work in one --out: each cell is claimed by a lock, and
who comes second passes over it (--wait: comes back to it). A finished cell is
not run again; a killed process's cell is continued from its last checkpoint
by whoever takes it next. Exit codes are those of `reproduce`; a cell that was
passed over is no failure.

Examples:
  cargo xtask run --cell 3f9c2a --twin
      One cell, by the first digits of its hash.
  cargo xtask run --shard 0/4 --profile paper --out out/paper
      Every fourth cell; three other machines take the others.
  cargo xtask run --modality tabular --method logistic,dense --seeds 0-2
      Two methods on three seeds, without a report.")]
pub struct RunFlags {
    /// The plan that the cells belong to, and how they run.
    #[command(flatten)]
    pub cells: CellFlags,
    /// Only this cell: its hash or its folder's name, or the first letters of either (repeatable).
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "ID",
        conflicts_with = "shard"
    )]
    pub cell: Vec<String>,
    /// Only every N-th cell, starting with cell I; I counts from 0 to N - 1.
    #[arg(long, value_name = "I/N")]
    pub shard: Option<String>,
    /// Wait for cells that other processes work on, and take them over if those processes stop.
    #[arg(long)]
    pub wait: bool,
}
