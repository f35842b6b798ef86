//! `cargo xtask COMMAND`: the commands of the crate `l0gm`, and those for developing this repository. Each of the
//! latter has a file; `flags.rs` documents the command line.

mod bench;
mod ci;
mod flags;
mod generality;

use clap::Parser;
use flags::{Command, Flags};
use l0gm::runner::Runner;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: l0gm::allocator::Allocator = l0gm::allocator::ALLOCATOR;

fn main() -> ExitCode {
    l0gm::process::carry_out(None, || match Flags::parse().command {
        Command::Runner(command) => command.run(&Runner::new("cargo xtask")),
        Command::Bench(flags) => bench::run(&flags),
        Command::Ci(flags) => ci::run(&flags),
        Command::Generality(flags) => generality::run(&flags, &Runner::new("cargo xtask")),
    })
}
