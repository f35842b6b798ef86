//! The runner: `cargo xtask COMMAND`. One file a command; `flags.rs` is the command line as
//! documentation. Everything a run needs to know stands in its plan, everything it found in its record.

mod aggregate;
mod allocator;
mod bench;
mod broken_pipe;
mod calibration;
mod cells;
mod ci;
mod claim;
mod data_report;
mod datasets;
mod device;
mod flags;
mod job;
mod join;
mod latency;
mod modalities;
mod names;
mod out;
mod outlook;
mod plan;
mod report;
mod reproduce;
mod run;
mod search;
mod usage;

use clap::Parser;
use flags::{Command, Flags};
use std::process::ExitCode;

fn main() -> ExitCode {
    broken_pipe::end_quietly();
    allocator::keep_pages();
    let flags = Flags::parse();
    let filter = tracing_subscriber::EnvFilter::try_from_env("L0GM_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .without_time()
        .init();
    let done = match flags.command {
        Command::Reproduce(flags) => reproduce::run(&flags),
        Command::Plan(flags) => cells::plan(&flags),
        Command::Run(flags) => cells::run(&flags),
        Command::Report(flags) => report::run(&flags),
        Command::Search(flags) => search::run(&flags),
        Command::Latency(flags) => latency::run(&flags),
        Command::Calibration(flags) => calibration::run(&flags),
        Command::Datasets(flags) => datasets::run(&flags),
        Command::Bench(flags) => bench::run(&flags),
        Command::Ci(flags) => ci::run(&flags),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            if let Some(code) = broken_pipe::quiet_code(&error) {
                return ExitCode::from(code);
            }
            eprintln!("error: {}", usage::one_line(&error));
            ExitCode::from(usage::exit_code(&error))
        }
    }
}
