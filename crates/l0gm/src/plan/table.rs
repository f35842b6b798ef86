//! Prints a plan as a table: one line for each (dataset, method, seed), with its cost, subtotals by modality and the
//! total.

use super::{Plan, PlannedRun};
use l0gm_report::format::{duration, lambda, percent};
use std::collections::BTreeSet;
use std::io::Write;
use std::time::Duration;

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
    let mut modalities: Vec<&str> = Vec::new();
    for run in &plan.runs {
        if !modalities.contains(&run.spec.modality.as_str()) {
            modalities.push(&run.spec.modality);
        }
    }
    // With one modality the subtotal would be the total.
    for modality in modalities.iter().filter(|_| modalities.len() > 1) {
        let of_it = |run: &&PlannedRun| run.spec.modality == *modality;
        let sum = Sum::of(plan.runs.iter().filter(of_it), finished);
        writeln!(out, "{modality}: {}", sum.in_words())?;
    }
    let sum = Sum::of(plan.runs.iter(), finished);
    writeln!(out, "{} on two CPU cores", sum.in_words())
}

/// Number and time of some runs of the plan, for a subtotal.
struct Sum {
    runs: usize,
    finished: usize,
    /// Estimated time of those that are not finished.
    left: Duration,
}

impl Sum {
    fn of<'p>(runs: impl Iterator<Item = &'p PlannedRun>, finished: &BTreeSet<String>) -> Self {
        let mut sum = Self {
            runs: 0,
            finished: 0,
            left: Duration::ZERO,
        };
        for run in runs {
            sum.runs += 1;
            match finished.contains(&run.spec.id()) {
                true => sum.finished += 1,
                false => sum.left += run.estimate,
            }
        }
        sum
    }

    fn in_words(&self) -> String {
        format!(
            "{} runs, {} finished before; estimated {} for the rest",
            self.runs,
            self.finished,
            duration(self.left)
        )
    }
}
