//! Prints a plan as JSON, one line for each cell, for programs that distribute cells.

use super::Plan;
use serde::Serialize;
use std::collections::BTreeSet;
use std::io::Write;

/// The JSON of one cell.
#[derive(Serialize)]
struct Line<'a> {
    /// The hash that `run --cell` takes.
    cell: String,
    /// Name of the cell's folder under `runs`.
    run: &'a str,
    modality: &'a str,
    dataset: &'a str,
    twin: bool,
    method: &'a str,
    ablation: Option<&'a str>,
    lambda: Option<f64>,
    seed: u64,
    estimate_seconds: f64,
    finished: bool,
    settings: &'a serde_json::Value,
}

/// Prints the plan. `finished` holds the ids of cells that are done.
pub fn print_lines(
    out: &mut impl Write,
    plan: &Plan,
    finished: &BTreeSet<String>,
) -> anyhow::Result<()> {
    for run in &plan.runs {
        let (spec, id) = (&run.spec, run.spec.id());
        let line = Line {
            cell: spec.hash(),
            run: &id,
            modality: &spec.modality,
            dataset: &spec.dataset,
            twin: spec.twin,
            method: &spec.method,
            ablation: run.ablation.as_deref(),
            lambda: spec.lambda,
            seed: spec.seed,
            estimate_seconds: (run.cost.alone().as_secs_f64() * 10.0).round() / 10.0,
            finished: finished.contains(&id),
            settings: &spec.settings,
        };
        writeln!(out, "{}", serde_json::to_string(&line)?)?;
    }
    Ok(())
}
