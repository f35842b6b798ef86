//! `cargo xtask report DIR...`: writes the report of an output folder, or of several joined folders.

use crate::flags::ReportFlags;
use crate::join;
use crate::runner::Runner;
use crate::usage::usage;
use l0gm_report::out::OutDir;
use l0gm_report::{aggregate, publish, write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Runs the command.
pub fn run(flags: &ReportFlags, runner: &Runner) -> anyhow::Result<ExitCode> {
    let out = match (flags.dirs.as_slice(), &flags.out) {
        ([only], None) => OutDir::open(only)?,
        (_, None) => {
            return Err(usage(
                "several folders are joined into one: say with --out which (it may be one of them)",
            ));
        }
        (folders, Some(path)) => joined(folders, path)?,
    };
    let records = out.records()?;
    anyhow::ensure!(
        !records.is_empty(),
        "{}: no run has finished here yet; `{} reproduce --out {}` goes on",
        out.path().display(),
        runner.program,
        out.path().display()
    );
    aggregate::write_summary(&out, &records)?;
    let document = write(&out, &records, &runner.program)?;
    if let Some(dir) = &flags.publish {
        publish::publish(&document, dir)?;
        println!("published: {}", dir.join("report.md").display());
    }
    println!(
        "{} runs; report: {}",
        records.len(),
        out.path().join("report.html").display()
    );
    Ok(ExitCode::SUCCESS)
}

/// Joins the folders, and prints a line about each cell on which they disagree.
fn joined(folders: &[PathBuf], path: &Path) -> anyhow::Result<OutDir> {
    // Open all folders before creating anything.
    let folders = folders
        .iter()
        .map(|folder| OutDir::open(folder))
        .collect::<l0gm_report::Result<Vec<OutDir>>>()?;
    let out = OutDir::create(path)?;
    let done = join::join(&folders, &out)?;
    println!(
        "{} runs taken over, {} held twice with the same results, {} with different ones",
        done.taken,
        done.agreeing,
        done.differing.len()
    );
    for (id, what) in &done.differing {
        println!("differs: {id}: {what}");
    }
    Ok(out)
}
