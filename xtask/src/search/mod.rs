//! `cargo xtask search`: settings from the paper's Table 7, chosen on the validation split, with the same budget for
//! every method. Each trial is a run like any other: claimed, resumable, done once.

mod choice;
mod file;
mod space;

pub(crate) use space::Way;

use crate::flags::{CellFlags, SearchFlags};
use crate::job::{self, Job};
use crate::out::OutDir;
use crate::plan::{Choice, Overrides, Plan, PlannedRun, Share, chosen_datasets, spec_error};
use crate::report::format;
use crate::run::Console;
use crate::usage::usage;
use choice::{ByMethod, best, joint, losses};
use l0gm_train::{Modality, Profile, RunRecord, RunSpec};
use space::{Space, Trial};
use std::process::ExitCode;

/// Where nobody says another: the middle of the grid.
const LAMBDA: &str = "1e-3";
/// The folder in the output folder.
const FOLDER: &str = "search";

/// One run of one trial.
#[derive(Clone, Debug)]
pub(crate) struct TrialRun {
    /// Number of the trial; 0 is the defaults.
    trial: usize,
    spec: RunSpec,
}

/// What is searched in one modality.
struct Study {
    modality: String,
    dataset: String,
    space: Space,
    /// What --settings and --set hold.
    held: serde_json::Value,
    trials: Vec<Trial>,
    runs: Vec<TrialRun>,
}

/// Runs the command; exit code 0, 1 where a trial failed, 130 where it was stopped.
pub(crate) fn run(flags: &SearchFlags) -> anyhow::Result<ExitCode> {
    let cells = checked(flags)?;
    let machine = job::machine(&cells)?;
    rayon::scope(|_| {
        let mut console = Console::new().saying(validation_line);
        let mut studies = Vec::new();
        let mut job = Job::planned(&cells, flags.dry_run, console.has_bars(), |m, c, p, o| {
            plan(flags, m, c, p, o, &mut studies)
        })?;
        let whole = std::mem::replace(&mut job.path, std::path::PathBuf::new());
        job.path = whole.join(FOLDER);
        if flags.dry_run {
            dry_run(flags, &job, &studies)?;
            return Ok(ExitCode::SUCCESS);
        }
        // Marked as an output folder of ours, so that `reproduce` may use it too.
        OutDir::create(&whole)?;
        let done = job.carry_out(&Share::All, true, &machine, &mut console)?;
        if done.outcome.stopped {
            return Ok(done.close(Some("no settings were chosen: trials are still to do")));
        }
        let command = done.out.command()?.command;
        let mut chosen = Vec::new();
        for study in &studies {
            let runs: Vec<&TrialRun> = study.runs.iter().collect();
            let by_method = losses(&runs, &done.out)?;
            print_results(study, &by_method);
            chosen.push((study, by_method));
        }
        let files = file::write(&done.out, &chosen, &command, flags)?;
        Ok(done.close(Some(&format!("chosen settings: {}", files.join(", ")))))
    })
}

/// The flags of the trials' runs. Lambda is held: a search on validation loss alone would only ask for a smaller one.
fn checked(flags: &SearchFlags) -> anyhow::Result<CellFlags> {
    let mut cells = flags.cells.clone();
    if !cells.target.is_empty() {
        return Err(usage(
            "--target: a search holds lambda; leave --target out, or set it with --lambda X",
        ));
    }
    if !cells.ablation.is_empty() {
        return Err(usage(
            "--ablation: a search has no ablations; give one's settings with --set instead",
        ));
    }
    match cells.lambda.len() {
        0 => cells.lambda = vec![LAMBDA.to_owned()],
        1 => {}
        n => {
            return Err(usage(format!(
                "--lambda: {n} were given; a search holds one"
            )));
        }
    }
    if cells.method == ["dense"] {
        // Choice refuses a lambda beside dense alone.
        cells.lambda.clear();
    }
    Ok(cells)
}

fn plan(
    flags: &SearchFlags,
    modalities: &[Box<dyn Modality>],
    choice: &Choice,
    profile: Profile,
    overrides: &Overrides,
    studies: &mut Vec<Study>,
) -> anyhow::Result<Plan> {
    let datasets = chosen_datasets(modalities, choice)?;
    overrides.check_used(modalities, &datasets)?;
    let mut planned: Vec<PlannedRun> = Vec::new();
    for (index, dataset) in datasets {
        let modality = modalities[index].as_ref();
        let name = modality.name();
        if studies.iter().any(|study| study.modality == name) {
            return Err(usage(format!(
                "--dataset {dataset}: one dataset a modality: chosen settings are the modality's"
            )));
        }
        let space = Space::new(modality, overrides.of(name))?;
        let trials = space.trials(flags.by.into(), flags.trials, flags.search_seed)?;
        let mut runs = Vec::new();
        for method in modality.methods() {
            if !choice.methods.is_empty() && !choice.methods.contains(&method) {
                continue;
            }
            let gated = method == "l0gm";
            let lambda = choice.lambdas.first().copied().filter(|_| gated);
            for (number, trial) in trials.iter().enumerate() {
                let settings = overrides.with(name, &trial.settings(gated));
                for &seed in &choice.seeds {
                    let spec = modality
                        .spec(&dataset, &method, lambda, seed, profile, &settings)
                        .map_err(|error| spec_error(name, &dataset, error))?;
                    runs.push(TrialRun {
                        trial: number,
                        spec: spec.clone(),
                    });
                    // The defaults may be a point of the space.
                    if planned.iter().any(|run| run.spec.id() == spec.id()) {
                        continue;
                    }
                    planned.push(PlannedRun {
                        modality: index,
                        estimate: modality.estimate(&spec)?,
                        ablation: Some(format!("trial {number}")),
                        spec,
                    });
                }
            }
        }
        studies.push(Study {
            modality: name.to_owned(),
            dataset,
            space,
            held: overrides.of(name).clone(),
            trials,
            runs,
        });
    }
    if planned.is_empty() {
        return Err(usage("the flags leave nothing to search"));
    }
    Ok(Plan { runs: planned })
}

/// What a finished trial says on the console: nothing of the test split.
fn validation_line(record: &RunRecord) -> String {
    let loss = crate::aggregate::selected_loss(record).unwrap_or(f64::NAN);
    format!(
        "validation loss {}, {} active, trained in {}",
        format::decimals(loss, 5),
        format::percent(record.gate.active_fraction),
        format::seconds(record.train_seconds)
    )
}

fn dry_run(flags: &SearchFlags, job: &Job, studies: &[Study]) -> anyhow::Result<()> {
    for line in job.data().first_lines() {
        println!("{line}");
    }
    for study in studies {
        println!(
            "{} on {}: {} trials for each method; searched: {}",
            study.modality,
            study.dataset,
            flags.trials,
            keys(study).join(", ")
        );
        for number in 0..study.trials.len() {
            println!("  trial {number}: {}", shown(study, number));
        }
    }
    crate::plan::print_table(&mut std::io::stdout(), &job.plan, &job.finished()?)?;
    println!("Nothing was run or fetched: this is the search that would be made.");
    Ok(())
}

fn keys(study: &Study) -> Vec<&str> {
    let axes = study.space.backbone.iter().chain(&study.space.gate);
    axes.map(|axis| axis.key.as_str()).collect()
}

/// A trial's settings on a line.
fn shown(study: &Study, number: usize) -> String {
    let trial = &study.trials[number];
    if trial == &Trial::default() {
        return "the defaults".to_owned();
    }
    let parts = trial.backbone.iter().chain(&trial.gate);
    let parts: Vec<String> = parts
        .map(|(key, value)| {
            let last = key.rsplit('.').next().unwrap_or(key);
            match value.as_f64() {
                // 1e-5 rather than 0.00001.
                Some(x) if x < 0.01 => format!("{last} {}", format::lambda(x)),
                _ => format!("{last} {value}"),
            }
        })
        .collect();
    parts.join(", ")
}

fn print_results(study: &Study, by_method: &ByMethod) {
    let together = joint(by_method);
    let chosen = best(&together);
    println!(
        "{} on {}, validation loss (mean over seeds):",
        study.modality, study.dataset
    );
    for number in 0..study.trials.len() {
        let mut parts: Vec<String> = by_method
            .iter()
            .map(|(method, losses)| {
                let mark = if best(losses) == Some(number) {
                    "*"
                } else {
                    ""
                };
                format!(
                    "{method} {}{mark}",
                    loss(losses.get(&number).copied().flatten())
                )
            })
            .collect();
        if by_method.len() > 1 {
            parts.push(format!(
                "mean {}",
                loss(together.get(&number).copied().flatten())
            ));
        }
        let mark = if chosen == Some(number) {
            " <- chosen"
        } else {
            ""
        };
        println!(
            "  trial {number:>2}: {}  ({}){mark}",
            parts.join(", "),
            shown(study, number)
        );
    }
}

fn loss(loss: Option<f64>) -> String {
    loss.map_or_else(|| "failed".to_owned(), |loss| format::decimals(loss, 5))
}

#[cfg(test)]
mod tests;
