//! `cargo xtask ci`: every check that guards the main branch, cheapest first, stopping at the first
//! that fails and naming it.

use crate::flags::CiFlags;
use anyhow::Context;
use std::process::{Command, ExitCode};
use std::time::Instant;

/// One check: a name, cargo's arguments and variables of its environment.
struct Step {
    name: &'static str,
    arguments: &'static [&'static str],
    environment: &'static [(&'static str, &'static str)],
}

const STEPS: &[Step] = &[
    Step {
        name: "formatting",
        arguments: &["fmt", "--all", "--check"],
        environment: &[],
    },
    Step {
        name: "layering",
        arguments: &[
            "test",
            "--quiet",
            "--package",
            "xtask",
            "--test",
            "layering",
        ],
        environment: &[],
    },
    Step {
        name: "clippy",
        arguments: &[
            "clippy",
            "--quiet",
            "--workspace",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ],
        environment: &[],
    },
    Step {
        name: "docs",
        arguments: &["doc", "--quiet", "--workspace", "--no-deps"],
        environment: &[("RUSTDOCFLAGS", "-D warnings")],
    },
    Step {
        name: "tests",
        arguments: &["test", "--quiet", "--workspace"],
        environment: &[],
    },
];

/// Runs the steps.
pub(crate) fn run(flags: &CiFlags) -> anyhow::Result<ExitCode> {
    // The cargo that runs this command, where there is one.
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    for (index, step) in STEPS.iter().enumerate() {
        let shown = format!("cargo {}", step.arguments.join(" "));
        println!("[{}/{}] {}: {shown}", index + 1, STEPS.len(), step.name);
        if flags.dry_run {
            continue;
        }
        let start = Instant::now();
        let status = Command::new(&cargo)
            .args(step.arguments)
            .envs(step.environment.iter().copied())
            .status()
            .with_context(|| format!("{}: cannot start {shown}", step.name))?;
        if !status.success() {
            println!("ci: {} FAILED; again alone: {shown}", step.name);
            return Ok(ExitCode::FAILURE);
        }
        println!(
            "      {} passed in {:.0} s",
            step.name,
            start.elapsed().as_secs_f64()
        );
    }
    println!(
        "ci: all {} checks {}",
        STEPS.len(),
        if flags.dry_run { "listed" } else { "passed" }
    );
    Ok(ExitCode::SUCCESS)
}
