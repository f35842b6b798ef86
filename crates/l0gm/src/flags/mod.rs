//! The command line with its documentation. This file has the commands; each other file has the flags of one command
//! or of a few that belong together. Names that depend on a modality (datasets,
//! methods, settings) are checked when the plan is made. Help texts call the program `cargo xtask`;
//! [`Flags::of_this_process`] replaces that by this program's name.

use crate::completions::CompletionsFlags;
use crate::explain::flags::ExplainFlags;
use crate::inspect::flags::InspectFlags;
use crate::predict::flags::PredictFlags;
use crate::train::flags::TrainFlags;
use clap::{ColorChoice, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

pub mod calibration;
pub mod cells;
pub mod latency;
pub mod lists;
pub mod report;
pub mod search;

pub use calibration::CalibrationFlags;
pub use cells::{CellFlags, PlanFlags, ProfileFlag, ReproduceFlags, RunFlags};
pub use latency::LatencyFlags;
pub use lists::{DatasetsFlags, MethodsAction, MethodsFlags};
pub use report::ReportFlags;
pub use search::{SearchFlags, WayFlag};

/// The program's name as help texts write it.
const WRITTEN_FOR: &str = "cargo xtask";

/// Trains, judges and reports models with L0 gates (L0GM, arXiv:2603.26801) on tables, texts and graphs.
#[derive(Debug, Parser)]
#[command(name = "l0gm", bin_name = "l0gm", version, propagate_version = true)]
#[command(max_term_width = 80)]
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

/// The form of a command's output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FormatFlag {
    /// Text for people.
    Text,
    /// One JSON object, with all digits.
    Json,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn help_fits_80_columns_and_has_three_examples() {
        let mut root = called("l0gm", Flags::command()).term_width(80);
        root.build();
        let names: Vec<String> = root
            .get_subcommands()
            .map(|command| command.get_name().to_owned())
            .filter(|name| name != "help")
            .collect();
        assert!(names.len() >= 14);
        for name in names {
            let command = root.find_subcommand_mut(&name).unwrap();
            let text = command.render_long_help().to_string();
            for line in text.lines() {
                assert!(line.chars().count() <= 80, "{name}: {line}");
            }
            let examples = text.split("Examples:").nth(1);
            let examples = examples.unwrap_or_else(|| panic!("{name}: no examples"));
            let call = format!("l0gm {name}");
            assert!(examples.matches(&call).count() >= 3, "{name}: {text}");
        }
        for line in root.render_long_help().to_string().lines() {
            assert!(line.chars().count() <= 80, "{line}");
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
