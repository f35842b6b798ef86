//! What every binary of the runner does around its command: the allocator, the log on stderr, and an error
//! as one line with its exit code.

use crate::{allocator, broken_pipe, usage};
use std::process::ExitCode;

/// Carries out a command of the process: its exit code, or an error on stderr with exit code 2 where the
/// command line is at fault, else 1. `L0GM_LOG=debug` shows what the crates log.
pub fn carry_out(command: impl FnOnce() -> anyhow::Result<ExitCode>) -> ExitCode {
    broken_pipe::end_quietly();
    allocator::keep_pages();
    let filter = tracing_subscriber::EnvFilter::try_from_env("L0GM_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
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
