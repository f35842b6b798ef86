//! `cargo xtask COMMAND`: the runner of the crate `l0gm`, forwarded, and the chores of developing this
//! repository. One file a chore; `flags.rs` is the command line as documentation.

mod bench;
mod ci;
mod flags;

use clap::Parser;
use flags::{Command, Flags};
use l0gm::runner::Runner;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: l0gm::allocator::Allocator = l0gm::allocator::ALLOCATOR;

fn main() -> ExitCode {
    l0gm::process::carry_out(|| match Flags::parse().command {
        Command::Runner(command) => command.run(&Runner::new("cargo xtask")),
        Command::Bench(flags) => bench::run(&flags),
        Command::Ci(flags) => ci::run(&flags),
    })
}
