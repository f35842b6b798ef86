//! `cargo xtask search`: chooses settings from the paper's Table 7 on the validation split, with the same budget for
//! every method. Each trial is a run like any other: claimed, resumable and done once.

mod choice;
mod file;
mod space;

pub use space::Way;

use crate::flags::{CellFlags, SearchFlags};
use crate::job::{self, Done, Job};
use crate::modalities::{self, Purpose};
use crate::plan::{
    Choice, Cost, Overrides, Plan, PlannedRun, Share, chosen_datasets, merged, spec_error,
};
use crate::run::{Console, Machine};
use crate::runner::Runner;
use crate::usage::usage;
use choice::{ByMethod, Judged, best, joint, losses};
use l0gm_report::format;
use l0gm_report::out::OutDir;
use l0gm_train::{Modality, Profile, RunRecord, RunSpec, SpecRequest};
use space::{Space, Trial};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Default target active fraction. If lambda were fixed instead, settings that close fewer gates would win.
const TARGET: &str = "15%";
/// Largest distance from the target active fraction at which a trial is still compared.
const TOLERANCE: f64 = 0.02;
/// Name of the search's folder within the output folder.
const FOLDER: &str = "search";

/// One run of one trial.
#[derive(Clone, Debug)]
pub struct TrialRun {
    /// Number of the trial; trial 0 has the current settings, which are the defaults or an incumbent.
    trial: usize,
    spec: RunSpec,
    gated: bool,
}

/// The search in one modality.
struct Study {
    modality: String,
    dataset: String,
    space: Space,
    /// Settings that are fixed: those of --settings and --set, and those of --incumbent that are not searched.
    held: serde_json::Value,
    trials: Vec<Trial>,
    runs: Vec<TrialRun>,
    /// Target active fraction of gated runs; `None` if lambda is fixed instead.
    target: Option<f64>,
    /// File with the settings of trial 0, if they are not the defaults.
    incumbent: Option<PathBuf>,
}

impl Study {
    /// What messages call trial 0.
    fn first(&self) -> &'static str {
        match self.incumbent {
            Some(_) => "the incumbent",
            None => "the defaults",
        }
    }
}

/// Runs the command. Returns exit code 0, 1 if a trial failed, or 130 if it was stopped.
pub fn run(flags: &SearchFlags, runner: &Runner) -> anyhow::Result<ExitCode> {
    let cells = checked(flags)?;
    let machine = job::machine(&cells)?;
    rayon::scope(|_| {
        let mut console = Console::new().saying(validation_line);
        let mut studies = Vec::new();
        let purpose = match flags.dry_run {
            true => Purpose::Look,
            false => console.purpose(),
        };
        let mut job = Job::planned(&cells, runner, purpose, |m, c, p, o| {
            plan(flags, m, c, p, o, &mut studies)
        })?;
        let whole = std::mem::replace(&mut job.path, std::path::PathBuf::new());
        job.path = whole.join(FOLDER);
        if flags.dry_run {
            dry_run(flags, &job, &studies)?;
            return Ok(ExitCode::SUCCESS);
        }
        let found = carry_out(
            flags,
            &job,
            &whole,
            &studies,
            runner,
            &machine,
            &mut console,
        )?;
        if found.done.outcome.stopped {
            let done = &found.done;
            return Ok(done.close(Some("no settings were chosen: trials are still to do")));
        }
        let files = format!("chosen settings: {}", found.files.join(", "));
        let code = found.done.close(Some(&files));
        if found.without.is_empty() {
            return Ok(code);
        }
        println!("{}", nothing_chosen(&found.without));
        Ok(ExitCode::FAILURE)
    })
}

/// The outcome of a search: its runs, and the files with the settings that it chose.
struct Found {
    done: Done,
    /// The files with the chosen settings.
    files: Vec<String>,
    /// Modalities for which no settings were chosen.
    without: Vec<String>,
}

fn nothing_chosen(without: &[String]) -> String {
    format!(
        "no settings were chosen for {}: every trial failed, or ended more than {} points from the target (for which \
         gates that close in groups may be too coarse, or training too short)",
        without.join(", "),
        TOLERANCE * 100.0
    )
}

/// Runs the trials of a planned search and writes what they found.
fn carry_out(
    flags: &SearchFlags,
    job: &Job,
    whole: &Path,
    studies: &[Study],
    runner: &Runner,
    machine: &Machine,
    console: &mut Console,
) -> anyhow::Result<Found> {
    // Mark it as an output folder, so that `reproduce` may use it too.
    OutDir::create(whole)?;
    let done = job.carry_out(&Share::All, true, machine, console)?;
    if done.outcome.stopped {
        return Ok(Found {
            done,
            files: Vec::new(),
            without: Vec::new(),
        });
    }
    let command = done.out.command()?.command;
    let mut chosen = Vec::new();
    for study in studies {
        let runs: Vec<&TrialRun> = study.runs.iter().collect();
        let by_method = losses(&runs, study.target, &done.out)?;
        for line in results(study, &by_method) {
            console.headline(&line);
        }
        chosen.push((study, by_method));
    }
    let files = file::write(
        &done.out,
        &chosen,
        &file::Origin {
            program: &runner.program,
            command: &command,
            flags,
        },
    )?;
    let nothing = chosen.iter().filter(|(_, by)| best(&joint(by)).is_none());
    let without = nothing.map(|(study, _)| study.modality.clone()).collect();
    Ok(Found {
        done,
        files,
        without,
    })
}

/// What became of a search that another command made first.
pub(crate) enum Tuned {
    /// The file with the chosen settings.
    Chosen(PathBuf),
    /// It was stopped; the same command goes on.
    Stopped(ExitCode),
}

/// Searches settings as a part of another command, which has set up the machine. The console shows the trials.
///
/// # Errors
/// The search cannot be made, or nothing can be chosen.
pub(crate) fn tune(
    flags: &SearchFlags,
    runner: &Runner,
    machine: &Machine,
    console: Console,
) -> anyhow::Result<Tuned> {
    let cells = checked(flags)?;
    let mut console = console.saying(validation_line);
    let mut studies = Vec::new();
    let mut job = Job::planned(&cells, runner, console.purpose(), |m, c, p, o| {
        plan(flags, m, c, p, o, &mut studies)
    })?;
    let whole = std::mem::replace(&mut job.path, PathBuf::new());
    job.path = whole.join(FOLDER);
    let found = carry_out(flags, &job, &whole, &studies, runner, machine, &mut console)?;
    if found.done.outcome.stopped {
        return Ok(Tuned::Stopped(found.done.code()));
    }
    if !found.without.is_empty() {
        anyhow::bail!("{}", nothing_chosen(&found.without));
    }
    Ok(Tuned::Chosen(job.path.join(file::JOINT)))
}

/// The flags of the trials' runs. They fix the sparsity, because the validation loss alone would favour open gates.
fn checked(flags: &SearchFlags) -> anyhow::Result<CellFlags> {
    let mut cells = flags.cells.clone();
    if !cells.ablation.is_empty() {
        return Err(usage(
            "--ablation: a search has no ablations; give one's settings with --set instead",
        ));
    }
    cells.target.dedup();
    cells.lambda.dedup();
    let points = cells.target.len() + cells.lambda.len();
    if points > 1 {
        return Err(usage(format!(
            "--target and --lambda: {points} were given; a search compares at one, for example --target 15%"
        )));
    }
    // `Choice` refuses a lambda or target if dense is the only method.
    let dense_alone =
        !cells.method.is_empty() && !cells.method.iter().any(|m| modalities::has_knob(m));
    if points == 0 && !dense_alone {
        cells.target = vec![TARGET.to_owned()];
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
    let incumbent = match &flags.incumbent {
        Some(path) => incumbent(path, modalities, &datasets)?,
        None => Overrides::default(),
    };
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
        let (first, rest) = space.split(incumbent.of(name));
        let trials = space.trials(first, flags.by.into(), flags.trials, flags.search_seed)?;
        let held = merged(&rest, overrides.of(name));
        let target = choice.targets.first().map(|target| target.active());
        if space::get(&held, "train.target").is_some() {
            return Err(usage(format!(
                "{name}.train.target: a search has one target for all trials; say it with --target"
            )));
        }
        let mut runs = Vec::new();
        for method in modality.methods() {
            // The space has no settings for other methods.
            let searched = method.is_subject() || method.is_backbone();
            if !searched || !choice.takes(&method) {
                continue;
            }
            let gated = method.gated;
            let lambda = choice.lambdas.first().copied().filter(|_| gated);
            for (number, trial) in trials.iter().enumerate() {
                let mut settings = merged(&held, &trial.settings(gated));
                if let Some(target) = target.filter(|_| gated) {
                    space::insert(&mut settings, "train.target", target.into());
                }
                for &seed in &choice.seeds {
                    let request = SpecRequest {
                        lambda,
                        seed,
                        profile,
                        overrides: &settings,
                        ..SpecRequest::new(&dataset, &method.name)
                    };
                    let spec = modality
                        .spec(&request)
                        .map_err(|error| spec_error(name, &dataset, error))
                        .map_err(|error| match &flags.incumbent {
                            Some(path) => {
                                error.context(format!("with --incumbent {}", path.display()))
                            }
                            None => error,
                        })?;
                    runs.push(TrialRun {
                        trial: number,
                        spec: spec.clone(),
                        gated,
                    });
                    // A drawn point may equal the defaults; plan it once.
                    if planned.iter().any(|run| run.spec.id() == spec.id()) {
                        continue;
                    }
                    let cost = Cost::of(modality, &spec)?;
                    let name = Some(format!("trial {number}"));
                    planned.push(PlannedRun::new(index, spec, method.clone(), name, cost));
                }
            }
        }
        studies.push(Study {
            modality: name.to_owned(),
            dataset,
            space,
            held,
            trials,
            runs,
            target,
            incumbent: flags
                .incumbent
                .clone()
                .filter(|_| incumbent.named().any(|named| named == name)),
        });
    }
    if planned.is_empty() {
        return Err(usage("the flags leave nothing to search"));
    }
    Ok(Plan::of(planned))
}

/// Reads the incumbent's tables. There must be at least one, and each must belong to a modality that is searched.
fn incumbent(
    path: &Path,
    modalities: &[Box<dyn Modality>],
    datasets: &[(usize, String)],
) -> anyhow::Result<Overrides> {
    let known: Vec<String> = modalities.iter().map(|m| m.name().to_owned()).collect();
    let incumbent = Overrides::of_file("--incumbent", path, &known)?;
    let searched: Vec<&str> = datasets
        .iter()
        .map(|(i, _)| modalities[*i].name())
        .collect();
    let shown = path.display();
    if incumbent.named().next().is_none() {
        return Err(usage(format!(
            "--incumbent {shown}: it has no table of a modality, such as [{}]",
            searched.first().copied().unwrap_or("tabular")
        )));
    }
    let outside = incumbent.named().find(|named| !searched.contains(named));
    if let Some(named) = outside {
        return Err(usage(format!(
            "--incumbent {shown}: it has settings of {named}, but the flags leave that out of the search"
        )));
    }
    Ok(incumbent)
}

/// The console's line about a finished trial, which says nothing about the test split.
fn validation_line(record: &RunRecord) -> String {
    let loss = l0gm_report::aggregate::selected_loss(record).unwrap_or(f64::NAN);
    format!(
        "validation loss {}{}, trained in {}",
        format::decimals(loss, 5),
        crate::run::active(record),
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

/// The settings of a trial on one line.
fn shown(study: &Study, number: usize) -> String {
    let trial = &study.trials[number];
    if number == 0 {
        return study.first().to_owned();
    }
    let parts = trial.backbone.iter().chain(&trial.gate);
    let parts: Vec<String> = parts
        .map(|(key, value)| {
            let last = key.rsplit('.').next().unwrap_or(key);
            match value.as_f64() {
                // Print 1e-5 rather than 0.00001.
                Some(x) if x < 0.01 => format!("{last} {}", format::lambda(x)),
                _ => format!("{last} {value}"),
            }
        })
        .collect();
    parts.join(", ")
}

/// The validation losses of all trials, a line each.
fn results(study: &Study, by_method: &ByMethod) -> Vec<String> {
    let together = joint(by_method);
    let chosen = best(&together);
    let mut lines = vec![format!(
        "{} on {}, validation loss (mean over seeds):",
        study.modality, study.dataset
    )];
    for number in 0..study.trials.len() {
        let mut parts: Vec<String> = by_method
            .iter()
            .map(|(method, losses)| {
                let mark = if best(losses) == Some(number) {
                    "*"
                } else {
                    ""
                };
                format!("{method} {}{mark}", shown_loss(losses.get(&number)))
            })
            .collect();
        if by_method.len() > 1 {
            parts.push(format!("mean {}", shown_loss(together.get(&number))));
        }
        let mark = if chosen == Some(number) {
            " <- chosen"
        } else {
            ""
        };
        lines.push(format!(
            "  trial {number:>2}: {}  ({}){mark}",
            parts.join(", "),
            shown(study, number)
        ));
    }
    lines
}

fn shown_loss(judged: Option<&Judged>) -> String {
    match judged {
        Some(Judged::Loss(loss)) => format::decimals(*loss, 5),
        Some(Judged::Missed(active)) => format!("missed ({} active)", format::percent(*active)),
        Some(Judged::Failed) | None => "failed".to_owned(),
    }
}

#[cfg(test)]
mod tests;
