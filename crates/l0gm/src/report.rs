//! `cargo xtask report DIR...`: writes the report of an output folder, or of several joined folders.

use crate::flags::{FormatFlag, ReportFlags};
use crate::join;
use crate::modalities;
use crate::runner::Runner;
use crate::usage::usage;
use l0gm_report::out::OutDir;
use l0gm_report::{Document, aggregate, publish, write};
use serde_json::json;
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
        (folders, Some(path)) => joined(folders, path, flags.format)?,
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
    let document = write(&out, &records, &runner.program, &modalities::rivals())?;
    let published = match &flags.publish {
        None => None,
        Some(dir) => {
            publish::publish(&document, dir)?;
            Some(dir.join("report.md").display().to_string())
        }
    };
    let report = out.path().join("report.html").display().to_string();
    match flags.format {
        FormatFlag::Json => println!("{}", json(&document, records.len(), &report)?),
        FormatFlag::Text => {
            if let Some(page) = published {
                println!("published: {page}");
            }
            println!("{} runs; report: {report}", records.len());
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// The tables of a report as one JSON object: `runs`, `report`, and in `tables` an array of rows for each table's name.
fn json(document: &Document, runs: usize, report: &str) -> anyhow::Result<String> {
    let mut tables = serde_json::Map::new();
    for table in document.tables() {
        let rows = serde_json::from_slice(&table.frame().to_json()?)?;
        tables.insert(table.id.clone(), rows);
    }
    let all = json!({ "runs": runs, "report": report, "tables": tables });
    Ok(serde_json::to_string_pretty(&all)?)
}

/// Joins the folders, and prints a line about each cell on which they disagree: on stderr if stdout is for JSON.
fn joined(folders: &[PathBuf], path: &Path, format: FormatFlag) -> anyhow::Result<OutDir> {
    let say = |line: String| match format {
        FormatFlag::Text => println!("{line}"),
        FormatFlag::Json => eprintln!("{line}"),
    };
    // Open all folders before creating anything.
    let folders = folders
        .iter()
        .map(|folder| OutDir::open(folder))
        .collect::<l0gm_report::Result<Vec<OutDir>>>()?;
    let out = OutDir::create(path)?;
    let done = join::join(&folders, &out)?;
    say(format!(
        "{} runs taken over, {} held twice with the same results, {} with different ones",
        done.taken,
        done.agreeing,
        done.differing.len()
    ));
    for (id, what) in &done.differing {
        say(format!("differs: {id}: {what}"));
    }
    Ok(out)
}
