//! `l0gm completions SHELL`: a script with which a shell completes commands, flags and their values.

use crate::flags::Flags;
use clap::{Args, CommandFactory};
use clap_complete::{Shell, generate};
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
pub fn run(flags: &CompletionsFlags) -> ExitCode {
    let mut command = Flags::command();
    generate(flags.shell, &mut command, "l0gm", &mut std::io::stdout());
    ExitCode::SUCCESS
}
