//! The command line with its documentation: every command and flag. Names that depend on a modality (datasets,
//! methods, settings) are checked when the plan is made. Help texts call the program `cargo xtask`;
//! [`Flags::of_this_process`] replaces that by this program's name.

use crate::completions::CompletionsFlags;
use crate::explain::flags::ExplainFlags;
use crate::inspect::flags::InspectFlags;
use crate::predict::flags::PredictFlags;
use crate::train::flags::TrainFlags;
use clap::{Args, ColorChoice, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// The program's name as help texts write it.
const WRITTEN_FOR: &str = "cargo xtask";

/// Trains, judges and reports models with L0 gates (L0GM, arXiv:2603.26801) on tables, texts and graphs.
#[derive(Debug, Parser)]
#[command(name = "l0gm", bin_name = "l0gm", version, propagate_version = true)]
#[command(after_help = "\
Start here with data of your own:
  l0gm inspect churn.csv                how the file is read
  l0gm train churn.csv --label left     models, and which one to take
  l0gm explain out/churn                what each column is worth to it
  l0gm predict out/churn new.csv        the model in use

And to reproduce and compare:
  l0gm reproduce                three modalities, dense, L0GM and baselines
  l0gm calibration FILE         anybody's predictions, scored")]
pub struct Flags {
    /// Colours of help and results.
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "WHEN",
        default_value = "auto"
    )]
    pub color: ColorChoice,
    /// Log what the crates do on stderr; twice for every detail.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

impl Flags {
    /// Parses the flags of this process, and ends the process if they ask for help or are wrong.
    pub fn of_this_process() -> Self {
        let command = called("l0gm", Self::command()).color(color_of_this_process());
        let matches = command.get_matches();
        Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
    }

    /// The level at which the crates' messages are logged, if `-v` asks for another than warnings.
    pub fn log_level(&self) -> Option<&'static str> {
        match self.verbose {
            0 => None,
            1 => Some("info"),
            _ => Some("debug"),
        }
    }
}

/// What `--color` says, before the flags are parsed: help and errors of the flags have colours too.
fn color_of_this_process() -> ColorChoice {
    let words: Vec<String> = std::env::args().collect();
    let after = words.iter().zip(words.iter().skip(1));
    let mut values = after
        .filter(|(flag, _)| *flag == "--color")
        .map(|(_, value)| value.as_str())
        .chain(
            words
                .iter()
                .filter_map(|word| word.strip_prefix("--color=")),
        );
    let known = |text: &str| <ColorChoice as ValueEnum>::from_str(text, false).ok();
    values.find_map(known).unwrap_or(ColorChoice::Auto)
}

/// Replaces the program's name in all help texts of a command.
fn called(program: &str, mut command: clap::Command) -> clap::Command {
    let rewritten =
        |text: &clap::builder::StyledStr| text.to_string().replace(WRITTEN_FOR, program);
    if let Some(text) = command.get_after_long_help().map(rewritten) {
        command = command.after_long_help(text);
    }
    command = command.mut_args(|argument| match argument.get_help().map(rewritten) {
        Some(text) => argument.help(text),
        None => argument,
    });
    let names: Vec<String> = command
        .get_subcommands()
        .map(|c| c.get_name().to_owned())
        .collect();
    for name in names {
        command = command.mut_subcommand(name, |below| called(program, below));
    }
    command
}

/// The commands of the runner.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// A whole study of your own table, texts or graph: baselines, dense and gated models, and which one to take.
    Train(Box<TrainFlags>),
    /// Show how a file or folder would be read: columns and their kinds, classes, split, and what is odd.
    Inspect(Box<InspectFlags>),
    /// Show what each column is worth to a trained model: its open dimensions, and the loss without it.
    Explain(ExplainFlags),
    /// Plan, run, aggregate and report: the paper's experiments on real data or twins.
    Reproduce(Box<ReproduceFlags>),
    /// Print the plan as JSON, one line per cell: what `run` can carry out separately, on any machine.
    Plan(Box<PlanFlags>),
    /// Run cells of the plan: one, a share, or all; without a report.
    Run(Box<RunFlags>),
    /// Write the tables, figures and report of an output folder again, or of several joined folders.
    Report(ReportFlags),
    /// Choose settings from the paper's search space on the validation split, with equal budgets for all methods.
    Search(Box<SearchFlags>),
    /// Time the models of finished runs side by side: dense, gated and compact, at three batch sizes.
    Latency(LatencyFlags),
    /// Score predictions of any model: calibration measures with intervals, and a reliability diagram.
    Calibration(CalibrationFlags),
    /// Predict new rows with a finished run's compact model.
    Predict(PredictFlags),
    /// List the datasets and pretrained models and where each is found.
    Datasets(DatasetsFlags),
    /// List the methods that --method takes: what each is, where it comes from, what it needs.
    Methods(MethodsFlags),
    /// Write a script with which a shell completes commands and flags.
    Completions(CompletionsFlags),
}

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
      Everything, quick. Real data where it is found (--data-dir, L0GM_DATA_DIR, datasets/cache)
      or can be downloaded, else the built-in synthetic twins, and then the first and last line
      say so.
  cargo xtask reproduce --data-dir ~/data --model-dir ~/models --out out/real
      The same on data of your own copy: ~/data/adult/adult.data and so on.
  cargo xtask reproduce --modality tabular --lambda 1e-4,1e-3,1e-2 --seeds 0,1,2
      One modality, a coarser grid, three seeds.
  cargo xtask reproduce --modality tabular --target 10%,25%
      Models of which a tenth and a quarter of the dimensions stay open, whatever lambda it takes.
  cargo xtask reproduce --modality graph --dataset amazon-photo --method dense --dry-run
      What a plan would hold, without running it.
  cargo xtask reproduce --set tabular.train.epochs=3 --set graph.gate.inference=threshold
      Settings of a modality by name; --settings FILE.toml takes many: tables [tabular], [text],
      [graph].
  cargo xtask reproduce --modality tabular --ablation fine,no-annealing --lambda 1e-3
      The default gate and two designs with one thing changed, at one lambda.

Ctrl-C or SIGTERM stops after the step in hand and saves; the same command goes on from there. A
finished run is not run again: to start anew, choose another --out or delete the run's folder in
OUT/runs.")]
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
  cell      the hash of all that the result depends on; `run --cell` takes it, or its first digits
  run       the folder's name under OUT/runs
  modality, dataset, twin, method, lambda, seed, settings
  ablation  the design with one thing changed that the cell belongs to, else null
  estimate_seconds   a rough estimate on two CPU cores, of the cell alone: what cells of one OUT
            share, such as a frozen encoder's features, is in each of them
  finished  whether the cell's record stands in OUT

Nothing is run, fetched or generated. docs/scale.md shows how to spread cells over machines.

Examples:
  cargo xtask plan --profile paper --modality tabular | wc -l
  cargo xtask plan | jq -r 'select(.finished | not).cell'")]
pub struct PlanFlags {
    /// Which cells to plan, and how they would run.
    #[command(flatten)]
    pub cells: CellFlags,
}

/// Flags of `run`.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = "\
Carries out cells of the plan that `cargo xtask plan` prints with the same flags; `cargo xtask
report` makes the report of what is finished. Without --cell and --shard: all of them.

Several processes may work in one --out: each cell is claimed by a lock, and who comes second
passes over it (--wait: comes back to it). A finished cell is not run again; a killed process's
cell is continued from its last checkpoint by whoever takes it next. Exit codes are those of
`reproduce`; a cell that was passed over is no failure.

Examples:
  cargo xtask run --cell 3f9c2a --twin
  cargo xtask run --shard 0/4 --profile paper --out out/paper
  mpirun -n 2 sh -c 'cargo xtask run --shard $OMPI_COMM_WORLD_RANK/$OMPI_COMM_WORLD_SIZE'")]
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

/// Flags of `report`.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = "\
Several folders, of several machines, are joined into --out: its finished cells, the failures that
none of them made good, and one report. A cell that two folders hold must have the same results,
else the report says where they differ (the first folder's are taken); of different data it is
refused.

Examples:
  cargo xtask report out/quick
  cargo xtask report node1/out node2/out --out out/joined
  cargo xtask report out/paper --publish results/mine
      Also writes report.md, figures as SVG and tables as CSV there, small enough for a
      repository.")]
pub struct ReportFlags {
    /// Output folders of `reproduce` and `run`.
    #[arg(required = true, value_name = "DIR")]
    pub dirs: Vec<PathBuf>,
    /// Folder for the joined results; may be one of the joined folders. Default: the folder itself if there is only
    /// one.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Folder for a copy to keep in a repository: report.md, figures as SVG, tables as CSV.
    #[arg(long, value_name = "DIR")]
    pub publish: Option<PathBuf>,
}

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
Trains each method with --trials settings: the defaults (trial 0), then points of the paper's
Table 7 (learning rate, weight decay, dropout, batch size; for gated methods also the warm-up's
share and the end temperature). Every method has the same budget, and a trial has the same
backbone for all of them. Sparsity is held: gated runs are asked for one active fraction
(--target, default 15%), and what ends more than 2 points from it is not compared, for validation
loss alone would only ask for more open gates. (--lambda X holds lambda instead.) Granularity and
coupling, which are designs (--ablation of `reproduce`), are held too, and so is all that
--settings and --set name. --incumbent FILE makes trial 0 of settings of one's own instead of the
defaults; what of them is not searched is held.

Trials are runs in OUT/search/runs: claimed, resumable, done once; the same command goes on after
a stop. They are judged by validation loss (mean over --seeds); no figure of the test split is
read or shown. Written at the end:
  OUT/search/chosen.toml         lowest mean over methods, for a comparison on one backbone
  OUT/search/chosen-METHOD.toml  each method's own best, for `reproduce --method METHOD`
each with the command, the budget, and the losses of the chosen settings and of trial 0 at its
top, and with what --settings, --set and --incumbent held.

Examples:
  cargo xtask search --modality tabular --trials 12 --dry-run
  cargo xtask search --modality tabular --trials 12 --out out/search-adult
  cargo xtask reproduce --modality tabular --settings out/search-adult/search/chosen.toml
  cargo xtask search --modality graph --by grid --trials 49 --set graph.train.epochs=80
  cargo xtask search --modality text --incumbent results/reference/imdb-frozen.toml")]
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

/// Flags of `latency`.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = "\
Reads an output folder of finished runs, builds each run's models again (the trained one from its
checkpoint, the compact one from its folder compact/), holds them against the predictions of the
run, and times their forward passes in evaluation mode on one fixed batch of test rows. Dense,
gated and compact take turns: in each round every model makes 3 passes that are not counted and up
to 50 that are, and each round begins with another model. A baseline is timed alone, from
features at hand to logits. Loading, encoding and tokenising are timed apart; so is a frozen text
encoder, whose features the runs keep. A graph is timed whole: its passes are full batch.

Of each point (method, lambda, settings) the lowest seed's run is taken, or those of --seeds. The
findings stand in DIR/latency, and DIR's report is written again with them. Where the middle half
of the rounds' medians is wider than 1% of their median, a warning says that the third digit is
noise: nothing else should run meanwhile.

Examples:
  cargo xtask latency out/quick
  cargo xtask latency out/adult --lambda 1e-3,3e-3 --threads 1
  cargo xtask latency out/quick --modality graph --rounds 5")]
pub struct LatencyFlags {
    /// Output folder of `reproduce` or `run`.
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
    /// Only these modalities.
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    pub modality: Vec<String>,
    /// Only these datasets.
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    pub dataset: Vec<String>,
    /// Only gated runs with these weights of the penalty.
    #[arg(long, value_delimiter = ',', value_name = "X")]
    pub lambda: Vec<f64>,
    /// Runs with these seeds; default: the lowest seed of each point.
    #[arg(long, value_delimiter = ',', value_name = "N")]
    pub seeds: Vec<u64>,
    /// Numbers of rows per batch.
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "N",
        default_value = "1,64,1024"
    )]
    pub batch: Vec<usize>,
    /// Number of rounds; each model has one turn in a round.
    #[arg(long, value_name = "N", default_value_t = 15)]
    pub rounds: usize,
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
}

/// The form of a command's output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FormatFlag {
    /// Text for people.
    Text,
    /// One JSON object, with all digits.
    Json,
}

/// Flags of `calibration`.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = "\
The file: CSV and its dialects (a header row; also .gz, .zst), Parquet, or -, a row a prediction.
  label           `label`, `y_true`, `target`, `class`, `y` or the like, else --label NAME. Values
                  are classes' names, the numbers in the columns' names (`p1`, `p2`: 1, 2), or the
                  columns' places; for two classes true and false too.
  two classes     one column of P(y = 1): `p`, `prob`, `score`, `p_1`, ...; or one column a class
  many classes    one column a class: `p_0`, `p_1`, ... or `prob_NAME`, also bare names; in
                  Parquet also one column of lists
  logits          `logit_0`, `logit_1`, ... or, with --logits, the columns above
  split           where there is a column `split`, its rows `test` are scored, and a temperature
                  is fitted on its rows `valid`; --split NAME scores another
Other columns are passed over; where no name tells, all other number columns are classes, and
--columns says which are. A run's folder (out/quick/runs/RUN_ID) may stand for its predictions.

Probabilities may lie outside [0, 1], and a row's sum away from 1, by at most 0.001 (half
precision); within that they are put right. Beyond it, --renormalise divides rows by their sums.

Examples:
  cargo xtask calibration predictions.csv
  cargo xtask calibration scores.parquet --label y --columns cat,dog,fish --format json
  cargo xtask calibration spam.csv --label verdict --positive spam
  cargo xtask calibration out/quick/runs/RUN_ID")]
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

/// Flags of `datasets`.
#[derive(Clone, Debug, Args)]
pub struct DatasetsFlags {
    /// Folder of the datasets; default: L0GM_DATA_DIR if it is set, else datasets/cache.
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Folder of pretrained models; default: L0GM_MODEL_DIR if it is set, else datasets/cache/models.
    #[arg(long, value_name = "DIR")]
    pub model_dir: Option<PathBuf>,
}

/// Flags of `methods`.
#[derive(Clone, Debug, Args)]
pub struct MethodsFlags {
    /// List only the methods of these modalities: tabular, text, graph.
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    pub modality: Vec<String>,
    /// How the list is printed.
    #[arg(long, value_enum, default_value = "text")]
    pub format: FormatFlag,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn no_line_of_a_help_text_is_so_long_that_it_would_be_wrapped_again() {
        let root = Flags::command();
        let mut texts = vec![root.get_after_help().unwrap().to_string()];
        let of_commands = root.get_subcommands().map(|c| c.get_after_long_help());
        texts.extend(of_commands.flatten().map(ToString::to_string));
        assert!(texts.len() > 5);
        for line in texts.iter().flat_map(|text| text.lines()) {
            assert!(line.chars().count() <= 98, "{line}");
        }
    }

    #[test]
    fn help_for_data_of_ones_own_fits_80_columns_and_has_three_examples() {
        let mut root = called("l0gm", Flags::command()).term_width(80);
        for name in ["train", "inspect", "explain", "predict", "completions"] {
            let command = root.find_subcommand_mut(name).unwrap();
            let text = command.render_long_help().to_string();
            for line in text.lines() {
                assert!(line.chars().count() <= 80, "{name}: {line}");
            }
            let examples = text.split("Examples:").nth(1).unwrap();
            let call = format!("l0gm {name} ");
            assert!(examples.matches(&call).count() >= 3, "{name}: {text}");
        }
    }

    #[test]
    fn no_flags_are_the_default_flags() {
        let Command::Plan(flags) = Flags::try_parse_from(["l0gm", "plan"]).unwrap().command else {
            panic!("another command");
        };
        assert_eq!(flags.cells, CellFlags::default());
    }

    #[test]
    fn help_names_the_program_that_is_asked() {
        let mut command = called("my-program", Flags::command());
        for below in command.get_subcommands_mut() {
            let text = below.render_long_help().to_string();
            assert!(!text.contains(WRITTEN_FOR), "{text}");
        }
        let plan = command.find_subcommand_mut("plan").unwrap();
        let text = plan.render_long_help().to_string();
        assert!(text.contains("my-program plan --profile paper"), "{text}");
    }

    #[test]
    fn a_negative_seed_or_target_is_refused_in_our_own_words() {
        for (flag, value) in [("--seeds", "-1"), ("--target", "-5%"), ("--lambda", "-1")] {
            let words = ["xtask", "reproduce", flag, value];
            let Command::Reproduce(flags) = Flags::try_parse_from(words).unwrap().command else {
                panic!("another command");
            };
            let error = crate::plan::Choice::new(&flags.cells, &crate::runner::Runner::new("l0gm"))
                .unwrap_err();
            assert_eq!(crate::usage::exit_code(&error), 2);
            let text = error.to_string();
            assert!(text.starts_with(&format!("{flag} {value}: ")), "{text}");
        }
    }
}
