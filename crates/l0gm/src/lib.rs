//! The runner: plan -> run -> aggregate -> report, for the three modalities. Everything a run needs to know
//! stands in its plan, everything it found in its record. One file a command.

pub mod allocator;
pub mod broken_pipe;
pub mod calibration;
pub mod cells;
pub mod claim;
pub mod data_report;
pub mod datasets;
pub mod device;
pub mod flags;
pub mod job;
pub mod join;
pub mod latency;
pub mod methods;
pub mod modalities;
pub mod names;
pub mod outlook;
pub mod plan;
pub mod process;
pub mod report;
pub mod reproduce;
pub mod run;
pub mod runner;
pub mod search;
pub mod usage;

use flags::Command;
use runner::Runner;
use std::process::ExitCode;

impl Command {
    /// Carries the command out: exit code 0, 1 where a run failed, 130 where it was stopped.
    ///
    /// # Errors
    /// What keeps the command from being carried out; a [`usage::UsageError`] where the command line is at fault.
    pub fn run(&self, runner: &Runner) -> anyhow::Result<ExitCode> {
        match self {
            Self::Reproduce(flags) => reproduce::run(flags, runner),
            Self::Plan(flags) => cells::plan(flags, runner),
            Self::Run(flags) => cells::run(flags, runner),
            Self::Report(flags) => report::run(flags, runner),
            Self::Search(flags) => search::run(flags, runner),
            Self::Latency(flags) => latency::run(flags, runner),
            Self::Calibration(flags) => calibration::run(flags),
            Self::Datasets(flags) => datasets::run(flags),
            Self::Methods(flags) => methods::run(flags),
        }
    }
}
