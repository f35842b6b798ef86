//! Makes documents from run records: the summary, tables, figures and report of an output folder. Nothing else is
//! needed as input.
//!
//! [`OutDir`] finds the records of a folder, [`aggregate::write_summary`] writes one row for each, and [`write()`]
//! makes the report. Everything before the writing is pure: it takes records and a [`ReportContext`] and returns a
//! [`Document`].
//!
//! ```no_run
//! use l0gm_report::{OutDir, Rivals, aggregate, publish};
//! use std::path::Path;
//!
//! let out = OutDir::open(Path::new("out/quick"))?;
//! let records = out.records()?;
//! aggregate::write_summary(&out, &records)?;
//! let document = l0gm_report::write(&out, &records, "l0gm", &Rivals::default())?;
//! // These files are small enough to keep in a repository.
//! publish::publish(&document, Path::new("results/mine"))?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # The parts
//!
//! - [`out`] and [`latency_record`]: the files of an output folder.
//! - [`aggregate`]: the summary, a row a run, in a [`aggregate::Frame`] that any table can be written from.
//! - [`grouping`] sorts records into [`study`]s and points; [`design`] and [`settings`] say what a run was trained
//!   with, [`arms`] which points make a comparison.
//! - [`significance`]: paired tests from the runs' predictions.
//! - [`figures`] and [`table`]: what a document holds; [`document`]: the document itself.
//! - [`paper`]: the paper's own figures, which ours are shown beside.

pub mod aggregate;
pub mod arms;
pub mod choice;
mod claims;
mod closing;
mod content;
pub mod context;
pub mod design;
mod detail_tables;
pub mod document;
mod error;
pub mod figures;
#[doc(hidden)]
pub mod fixtures;
pub mod format;
mod gate_maps;
pub mod grouping;
mod headline;
mod html;
mod latency;
pub mod latency_record;
mod markdown;
pub mod out;
mod own_data;
pub mod paper;
mod paper_tables;
pub mod peers;
pub mod peers_record;
mod plots;
pub mod publish;
mod robustness;
pub mod settings;
pub mod significance;
pub mod study;
pub mod table;
mod tables;
#[cfg(test)]
mod tests;

pub use context::{ReportContext, Rivals};
pub use document::Document;
pub use error::{Error, Result};
pub use out::OutDir;

use crate::error::At;
use l0gm_train::RunRecord;
use std::collections::BTreeSet;
use std::path::Path;

/// Writes `report.html`, `report.md`, `tables/` and `figures/`. The commands that the report quotes begin with
/// `program`, such as "l0gm" or "cargo xtask", and name the methods of `rivals`.
///
/// # Errors
/// Fails if a file of the folder cannot be read or written.
pub fn write(
    out: &OutDir,
    records: &[RunRecord],
    program: &str,
    rivals: &Rivals,
) -> Result<Document> {
    let command = out.command()?;
    let failures = out.failures()?;
    let unfinished = command
        .planned
        .iter()
        .filter(|id| !failures.contains_key(*id) && !records.iter().any(|r| r.run_id == **id))
        .cloned()
        .collect();
    let choices = choice::Choices::of(out, records);
    let context = ReportContext {
        program: program.to_owned(),
        rivals: rivals.clone(),
        command,
        failures,
        unfinished,
        disagreements: out.disagreements()?,
        latencies: crate::latency_record::read_all(out)?,
        peers: crate::peers_record::read_all(out)?,
        comparisons: significance::compare(out, records, &choices),
        choices,
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
        figure.write_png(&png).map_err(|error| Error::Figure {
            id: figure.id.clone(),
            source: Box::new(error),
        })?;
    }
    let tables: BTreeSet<&str> = document.tables().map(|t| t.id.as_str()).collect();
    remove_older(&out.path().join("tables"), &tables)?;
    let figures: BTreeSet<&str> = document.figures().map(|f| f.id.as_str()).collect();
    remove_older(&out.path().join("figures"), &figures)?;
    out.write("report.md", markdown::text(&document).as_bytes())?;
    out.write("report.html", html::page(&document)?.as_bytes())?;
    Ok(document)
}

/// Removes files of an older report, which may have had figures that this one lacks.
fn remove_older(folder: &Path, keep: &BTreeSet<&str>) -> Result<()> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Ok(());
    };
    for entry in entries {
        let path = entry.at(folder, "cannot be read")?.path();
        let kind = path.extension().and_then(|kind| kind.to_str());
        let is_ours = matches!(kind, Some("csv" | "parquet" | "svg" | "png"));
        let name = path.file_stem().and_then(|name| name.to_str());
        if is_ours && name.is_some_and(|name| !keep.contains(name)) {
            std::fs::remove_file(&path).at(&path, "cannot be removed")?;
        }
    }
    Ok(())
}
