//! `cargo xtask ci`: every check that guards the main branch, cheapest first. It stops at the first failure and names
//! it. The last line says how many tests were skipped for lack of data.

use crate::flags::CiFlags;
use anyhow::Context;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Instant;

/// One check: its name, the arguments for cargo, and environment variables.
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
        name: "packages",
        arguments: &[
            "package",
            "--quiet",
            "--workspace",
            "--exclude",
            "xtask",
            "--exclude",
            "l0gm-test-data",
            "--no-verify",
            "--allow-dirty",
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

/// Names the file to which tests without their data add a line (see `l0gm-test-data`).
const SKIPPED: &str = "L0GM_SKIPPED_TESTS";

pub(crate) fn run(flags: &CiFlags) -> anyhow::Result<ExitCode> {
    // The cargo that runs this command, if cargo started it.
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let skipped =
        tempfile::NamedTempFile::new().context("a file for the names of skipped tests")?;
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
            .env(SKIPPED, skipped.path())
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
    if flags.dry_run {
        println!("ci: all {} checks listed", STEPS.len());
        return Ok(ExitCode::SUCCESS);
    }
    let book = book()?;
    let Some(book) = book else {
        println!("ci: the book FAILED; again alone: mdbook build");
        return Ok(ExitCode::FAILURE);
    };
    println!(
        "ci: all {} checks passed; {}; {book}",
        STEPS.len(),
        skipped_tests(skipped.path())?
    );
    Ok(ExitCode::SUCCESS)
}

/// Builds the book of `docs/` where mdBook is installed, and says what was done; `None` if it cannot be built. Its links
/// and its list of pages are tested in any case.
fn book() -> anyhow::Result<Option<&'static str>> {
    let installed = Command::new("mdbook").arg("--version").output();
    if !installed.is_ok_and(|output| output.status.success()) {
        return Ok(Some("the book was not built (cargo install mdbook)"));
    }
    let status = Command::new("mdbook")
        .arg("build")
        .status()
        .context("cannot start mdbook build")?;
    Ok(status.success().then_some("the book is in target/book"))
}

/// Describes the skipped tests: "3 tests were skipped for lack of data (a, b, c; ...)", or that there were none.
fn skipped_tests(path: &Path) -> anyhow::Result<String> {
    let lines = std::fs::read_to_string(path).context("the names of skipped tests")?;
    // Each line reads "skipped for lack of data: TEST (why)"; a test that lacks two datasets has two lines.
    let names: BTreeSet<&str> = lines
        .lines()
        .filter_map(|line| line.split(": ").nth(1)?.split(" (").next())
        .collect();
    let many = match names.len() {
        0 => return Ok("no test was skipped for lack of data".to_owned()),
        1 => "1 test was".to_owned(),
        count => format!("{count} tests were"),
    };
    let names: Vec<&str> = names.into_iter().collect();
    Ok(format!(
        "{many} skipped for lack of data ({}); set L0GM_DATA_DIR and L0GM_MODEL_DIR to run all",
        names.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    #[test]
    fn the_last_line_counts_each_skipped_test_once() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let said = || super::skipped_tests(file.path()).unwrap();
        assert_eq!(said(), "no test was skipped for lack of data");
        let line = |test: &str| format!("skipped for lack of data: {test} (x is not set)\n");
        std::fs::write(file.path(), line("a::b")).unwrap();
        assert!(said().starts_with("1 test was skipped for lack of data (a::b)"));
        std::fs::write(file.path(), [line("a::b"), line("c"), line("c")].concat()).unwrap();
        assert!(said().starts_with("2 tests were skipped for lack of data (a::b, c)"));
    }
}
