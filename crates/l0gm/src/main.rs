//! The command `l0gm`: plan, run, search, time and report, for one's own data too. Everything it does is in
//! the library of the same name; `src/flags.rs` is the command line as documentation.

use l0gm::flags::Flags;
use l0gm::runner::Runner;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: l0gm::allocator::Allocator = l0gm::allocator::ALLOCATOR;

fn main() -> ExitCode {
    l0gm::process::carry_out(|| Flags::of_this_process().command.run(&Runner::new("l0gm")))
}
