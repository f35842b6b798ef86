//! The runner: it plans, runs, aggregates and reports experiments on tables, texts and graphs. A run's plan holds all
//! of its settings, and its record all of its results.
//!
//! The command `l0gm`, `cargo xtask` and programs of your own use the same code. A [`runner::Runner`] gives the
//! program's name and the defaults of its profiles. [`flags::CellFlags`] state what to run, and [`job::Job`] turns
//! them into a plan.
//!
//! ```
//! use l0gm::flags::CellFlags;
//! use l0gm::job::Job;
//! use l0gm::modalities::Purpose;
//! use l0gm::runner::Runner;
//!
//! // A dense and a gated model of the census table, on its synthetic twin.
//! let flags = CellFlags {
//!     modality: vec!["tabular".to_owned()],
//!     method: vec!["dense".to_owned(), "l0gm".to_owned()],
//!     lambda: vec!["1e-3".to_owned()],
//!     twin: true,
//!     ..CellFlags::default()
//! };
//! let job = Job::new(&flags, &Runner::new("my-program"), Purpose::Look)?;
//! for run in &job.plan.runs {
//!     println!("{}: about {:.0?}", run.spec.id(), run.estimate);
//! }
//! assert_eq!(job.plan.runs.len(), 2);
//! # Ok::<(), anyhow::Error>(())
//! ```
//!
//! A job is carried out cell by cell. A process claims a cell before running it, so many processes can share a plan:
//!
//! ```no_run
//! use l0gm::flags::CellFlags;
//! use l0gm::job::{self, Job};
//! use l0gm::modalities;
//! use l0gm::plan::Share;
//! use l0gm::run::Console;
//! use l0gm::runner::Runner;
//!
//! let (flags, runner) = (CellFlags::default(), Runner::new("my-program"));
//! let machine = job::machine(&flags)?;
//! let mut console = Console::new();
//! let job = Job::new(&flags, &runner, console.purpose())?;
//! let done = job.carry_out(&Share::All, true, &machine, &mut console)?;
//! let records = done.out.records()?;
//! l0gm_report::write(&done.out, &records, &runner.program, &modalities::rivals())?;
//! # Ok::<(), anyhow::Error>(())
//! ```
//!
//! # The parts
//!
//! - [`train`]: a whole study of one's own data in one command.
//! - [`flags`]: the command line as documentation; one file a command: [`reproduce`], [`cells`] (`plan` and `run`),
//!   [`report`], [`search`], [`latency`], [`calibration`], [`predict`],
//!   [`datasets`].
//! - [`plan`]: from flags to runs with their complete settings and costs, and the shares of a plan.
//! - [`job`], [`run`], [`claim`]: a plan carried out, by one process or many; [`join`]: what machines without a
//!   common file system did, in one folder.
//! - [`modalities`]: the three doors, the only file that names a modality's crate; [`outlook`] and [`data_report`]:
//!   what a plan would run on.
//! - [`process`], [`usage`], [`allocator`], [`broken_pipe`]: what every binary does around its command.
//!
//! # Features
//!
//! `cuda` trains on an NVIDIA GPU; it is handed down to all crates below.

pub mod allocator;
pub mod broken_pipe;
pub mod calibration;
pub mod cells;
pub mod claim;
pub mod completions;
pub mod data_report;
pub mod datasets;
pub mod device;
pub mod explain;
pub mod flags;
pub mod inspect;
pub mod job;
pub mod join;
pub mod latency;
pub mod methods;
pub mod modalities;
pub mod names;
pub mod outlook;
pub mod own_data;
pub mod plan;
pub mod predict;
pub mod process;
pub mod report;
pub mod reproduce;
pub mod run;
pub mod runner;
pub mod search;
pub mod train;
pub mod usage;

use flags::Command;
use runner::Runner;
use std::process::ExitCode;

/// Compiles and runs the examples of the page on extending.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/extending.md")]
struct Extending;

impl Command {
    /// Carries out the command. Returns exit code 0, 1 if a run failed, or 130 if it was stopped.
    ///
    /// # Errors
    /// Explains why the command cannot be carried out. A mistake on the command line gives a [`usage::UsageError`].
    pub fn run(&self, runner: &Runner) -> anyhow::Result<ExitCode> {
        match self {
            Self::Train(flags) => train::run(flags, runner),
            Self::Inspect(flags) => inspect::run(flags, runner),
            Self::Explain(flags) => explain::run(flags),
            Self::Reproduce(flags) => reproduce::run(flags, runner),
            Self::Plan(flags) => cells::plan(flags, runner),
            Self::Run(flags) => cells::run(flags, runner),
            Self::Report(flags) => report::run(flags, runner),
            Self::Search(flags) => search::run(flags, runner),
            Self::Latency(flags) => latency::run(flags, runner),
            Self::Calibration(flags) => calibration::run(flags),
            Self::Predict(flags) => predict::run(flags),
            Self::Datasets(flags) => datasets::run(flags),
            Self::Methods(flags) => methods::run(flags),
            Self::Completions(flags) => completions::run(flags),
        }
    }
}
