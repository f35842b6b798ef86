//! `cargo xtask report DIR...`: tables, figures and report of an output folder, or of several joined, made
//! from run records alone. Everything up to the writing is pure: records and context in, a document out.

pub(crate) mod arms;
mod claims;
mod closing;
mod content;
mod detail_tables;
mod document;
pub(crate) mod figures;
#[cfg(test)]
pub(crate) mod fixtures;
pub(crate) mod format;
mod gate_maps;
pub(crate) mod grouping;
mod html;
mod latency;
mod markdown;
mod paper;
mod paper_tables;
mod plots;
mod publish;
mod robustness;
mod significance;
pub(crate) mod study;
mod table;
mod tables;
#[cfg(test)]
mod tests;

use crate::flags::ReportFlags;
use crate::latency::LatencyRecord;
use crate::out::{CommandRecord, OutDir};
use crate::usage::usage;
use crate::{aggregate, join};
use anyhow::Context;
use document::Document;
use l0gm_train::RunRecord;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What a report says beyond its records.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReportContext {
    /// What was last asked for.
    pub(crate) command: CommandRecord,
    /// Failed runs: id to error.
    pub(crate) failures: BTreeMap<String, String>,
    /// Planned runs that neither finished nor failed.
    pub(crate) unfinished: Vec<String>,
    /// Runs that joined folders have different results of: id to where.
    pub(crate) disagreements: BTreeMap<String, String>,
    /// What was timed by itself.
    pub(crate) latencies: Vec<LatencyRecord>,
    /// L0GM against each rival, from the runs' predictions.
    pub(crate) comparisons: Vec<significance::Comparison>,
}

/// Runs the command.
pub(crate) fn run(flags: &ReportFlags) -> anyhow::Result<ExitCode> {
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
        "{}: no run has finished here yet; `cargo xtask reproduce --out {}` goes on",
        out.path().display(),
        out.path().display()
    );
    aggregate::write_summary(&out, &records)?;
    let document = write(&out, &records)?;
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

/// The folders in one, with a line about each cell that they do not agree on.
fn joined(folders: &[PathBuf], path: &Path) -> anyhow::Result<OutDir> {
    // All of them are opened before anything is made.
    let folders = folders
        .iter()
        .map(|folder| OutDir::open(folder))
        .collect::<anyhow::Result<Vec<OutDir>>>()?;
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

/// Writes `report.html`, `report.md`, `tables/` and `figures/`.
pub(crate) fn write(out: &OutDir, records: &[RunRecord]) -> anyhow::Result<Document> {
    let command = out.command()?;
    let failures = out.failures()?;
    let unfinished = command
        .planned
        .iter()
        .filter(|id| !failures.contains_key(*id) && !records.iter().any(|r| r.run_id == **id))
        .cloned()
        .collect();
    let context = ReportContext {
        command,
        failures,
        unfinished,
        disagreements: out.disagreements()?,
        latencies: crate::latency::read_all(out)?,
        comparisons: significance::compare(out, records),
    };
    let document = content::document(records, &context, &paper::Paper::load()?);
    for table in document.tables() {
        let frame = table.frame();
        out.write(&format!("tables/{}.csv", table.id), &frame.to_csv()?)?;
        out.write(
            &format!("tables/{}.parquet", table.id),
            &frame.to_parquet()?,
        )?;
    }
    for figure in document.figures() {
        out.write(
            &format!("figures/{}.svg", figure.id),
            figure.svg()?.as_bytes(),
        )?;
        let png = out.path().join(format!("figures/{}.png", figure.id));
        figure
            .write_png(&png)
            .with_context(|| format!("drawing {}", figure.id))?;
    }
    let tables: BTreeSet<&str> = document.tables().map(|t| t.id.as_str()).collect();
    remove_older(&out.path().join("tables"), &tables)?;
    let figures: BTreeSet<&str> = document.figures().map(|f| f.id.as_str()).collect();
    remove_older(&out.path().join("figures"), &figures)?;
    out.write("report.md", markdown::text(&document).as_bytes())?;
    out.write("report.html", html::page(&document)?.as_bytes())?;
    Ok(document)
}

/// Removes what an older report left: another deployed model, say, has another figure.
fn remove_older(folder: &Path, keep: &BTreeSet<&str>) -> anyhow::Result<()> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Ok(());
    };
    for entry in entries {
        let path = entry.with_context(|| folder.display().to_string())?.path();
        let kind = path.extension().and_then(|kind| kind.to_str());
        let is_ours = matches!(kind, Some("csv" | "parquet" | "svg" | "png"));
        let name = path.file_stem().and_then(|name| name.to_str());
        if is_ours && name.is_some_and(|name| !keep.contains(name)) {
            std::fs::remove_file(&path).with_context(|| path.display().to_string())?;
        }
    }
    Ok(())
}
