//! Prints a plan as a table: one line for each (dataset, method, seed), with its cost and the total.

use super::Plan;
use l0gm_report::format::{duration, lambda, percent};
use std::collections::BTreeSet;
use std::io::Write;

/// Prints the plan. `finished` holds the ids of runs that are done.
pub fn print_table(
    out: &mut impl Write,
    plan: &Plan,
    finished: &BTreeSet<String>,
) -> std::io::Result<()> {
    let header = [
        "modality", "dataset", "method", "lambda", "seed", "estimate", "run",
    ];
    let mut rows: Vec<[String; 7]> = vec![header.map(str::to_owned)];
    for run in &plan.runs {
        let spec = &run.spec;
        let id = spec.id();
        let done = finished.contains(&id);
        rows.push([
            spec.modality.clone(),
            if spec.twin {
                format!("{} (TWIN)", spec.dataset)
            } else {
                spec.dataset.clone()
            },
            match &run.ablation {
                Some(ablation) => format!("{}, {ablation}", spec.method),
                None => spec.method.clone(),
            },
            match (spec.lambda, run.target()) {
                (Some(x), _) => lambda(x),
                (None, Some(target)) => format!("for {}", percent(target)),
                (None, None) => "-".to_owned(),
            },
            spec.seed.to_string(),
            if done {
                "done".to_owned()
            } else {
                duration(run.estimate)
            },
            id,
        ]);
    }
    let widths: Vec<usize> = (0..header.len())
        .map(|column| {
            rows.iter()
                .map(|row| row[column].chars().count())
                .max()
                .unwrap_or(0)
        })
        .collect();
    for row in &rows {
        let line: Vec<String> = row
            .iter()
            .zip(&widths)
            .map(|(cell, &width)| format!("{cell:<width$}"))
            .collect();
        writeln!(out, "{}", line.join("  ").trim_end())?;
    }
    let left: Vec<_> = plan
        .runs
        .iter()
        .filter(|run| !finished.contains(&run.spec.id()))
        .collect();
    let estimate = left.iter().map(|run| run.estimate).sum();
    writeln!(
        out,
        "{} runs, {} finished before; estimated {} for the rest on two CPU cores",
        plan.runs.len(),
        plan.runs.len() - left.len(),
        duration(estimate)
    )
}
