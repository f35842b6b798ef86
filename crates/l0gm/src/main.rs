//! The command `l0gm`: plans, runs, searches, times and reports experiments, on your own data too. Everything it does
//! is in the library of the same name; `src/flags.rs` documents the command line.

use l0gm::flags::Flags;
use l0gm::runner::Runner;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: l0gm::allocator::Allocator = l0gm::allocator::ALLOCATOR;

fn main() -> ExitCode {
    let flags = Flags::of_this_process();
    l0gm::process::carry_out(flags.log_level(), || {
        flags.command.run(&Runner::new("l0gm"))
    })
}
