//! What every binary of the runner does around its command: it sets up the allocator and the log on stderr, and
//! prints an error on one line.

use crate::{allocator, broken_pipe, usage};
use std::process::ExitCode;

/// Carries out a command and returns its exit code. An error is printed on stderr and gives exit code 2 for a mistake
/// on the command line, else 1. The crates' messages are logged from `level` on, such as "debug"; else as `L0GM_LOG`
/// says; else warnings.
pub fn carry_out(
    level: Option<&str>,
    command: impl FnOnce() -> anyhow::Result<ExitCode>,
) -> ExitCode {
    broken_pipe::end_quietly();
    allocator::keep_pages();
    let filter = match level {
        Some(level) => tracing_subscriber::EnvFilter::new(level),
        None => tracing_subscriber::EnvFilter::try_from_env("L0GM_LOG")
            .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn")),
    };
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .without_time()
        .init();
    match command() {
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
