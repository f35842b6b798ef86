//! `l0gm completions SHELL`: a script with which a shell completes commands, flags and their values.

use crate::flags::Flags;
use clap::{Args, CommandFactory};
use clap_complete::{Shell, generate};
use std::io::Write;
use std::process::ExitCode;

/// Flags of `completions`.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = "\
Examples:
  l0gm completions bash > ~/.local/share/bash-completion/completions/l0gm
  l0gm completions zsh > \"${fpath[1]}/_l0gm\"
  l0gm completions fish > ~/.config/fish/completions/l0gm.fish")]
pub struct CompletionsFlags {
    /// The shell to write for.
    pub shell: Shell,
}

/// Writes the script to stdout.
///
/// # Errors
/// Stdout cannot be written.
pub fn run(flags: &CompletionsFlags) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    generate(flags.shell, &mut Flags::command(), "l0gm", &mut script);
    std::io::stdout().write_all(&script)?;
    Ok(ExitCode::SUCCESS)
}
