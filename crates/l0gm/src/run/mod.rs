//! Carries out a plan. Each run has its own folder; finished runs are skipped, a failure does not stop the others,
//! and all of it can be stopped. Several processes may carry out the same plan: each claims a run before starting it,
//! and skips runs that others have claimed.

mod baselines;
mod console;
mod stop;

pub use console::Console;
pub use stop::{INTERRUPTED, on_ctrl_c};

use crate::claim::{Attempt, Claim};
use crate::plan::{Plan, PlannedRun};
use l0gm_report::format;
use l0gm_report::out::OutDir;
use l0gm_train::{Modality, RunContext, RunRecord, StopFlag};
use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::time::Duration;

/// How often a waiting process checks again.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// The hardware that runs use.
pub struct Machine {
    /// The device that tensors are on.
    pub device: candle_core::Device,
    /// Name of the device: "cpu" or "cuda:0".
    pub device_name: String,
    /// Number of threads.
    pub threads: usize,
    /// Flag that Ctrl-C sets.
    pub stop: StopFlag,
}

/// The result of carrying out a plan.
#[derive(Debug, Default, PartialEq)]
pub struct Outcome {
    /// Number of runs that this command finished.
    pub finished: usize,
    /// Number of runs that had been finished before.
    pub skipped: usize,
    /// Ids of the runs counted by `finished` and `skipped`.
    pub done: BTreeSet<String>,
    /// Number of runs that this command finished with warnings, which the console showed where each run ended.
    pub with_warnings: usize,
    /// Error message of each failed run, by id.
    pub failures: BTreeMap<String, String>,
    /// Holder of each run that another process was working on, by id.
    pub elsewhere: BTreeMap<String, String>,
    /// Whether the command was stopped before the end.
    pub stopped: bool,
}

/// Ids of the plan's runs that are finished in `out`.
pub fn finished(plan: &Plan, out: &OutDir) -> anyhow::Result<BTreeSet<String>> {
    let mut ids = BTreeSet::new();
    for run in &plan.runs {
        if out.record(&run.spec)?.is_some() {
            ids.insert(run.spec.id());
        }
    }
    Ok(ids)
}

/// Carries out the unfinished runs in the plan's order and skips runs that other processes hold. With `wait`, waits
/// for those at the end and takes over any that are abandoned.
pub fn execute(
    plan: &Plan,
    modalities: &[Box<dyn Modality>],
    out: &OutDir,
    machine: &Machine,
    wait: bool,
    console: &mut Console,
) -> anyhow::Result<Outcome> {
    let finished = finished(plan, out)?;
    let (skipped, mut todo): (Vec<&PlannedRun>, Vec<&PlannedRun>) = plan
        .runs
        .iter()
        .partition(|run| finished.contains(&run.spec.id()) && !data_may_change(run, modalities));
    let mut outcome = Outcome {
        skipped: skipped.len(),
        done: skipped.iter().map(|run| run.spec.id()).collect(),
        ..Outcome::default()
    };
    console.start(plan.runs.len(), skipped.len(), &todo);
    let mut last = None;
    loop {
        let mut left = Vec::new();
        outcome.elsewhere.clear();
        for run in todo {
            if machine.stop.is_set() {
                outcome.stopped = true;
                break;
            }
            if let Some(before) = last.replace(run.modality).filter(|m| *m != run.modality) {
                modalities[before].rest();
            }
            let id = run.spec.id();
            match one(run, modalities, out, machine, console)? {
                One::Finished(record) => {
                    outcome.finished += 1;
                    outcome.with_warnings += usize::from(!record.warnings.is_empty());
                    outcome.done.insert(id);
                    console.succeeded(run, &record);
                }
                One::Before => {
                    outcome.skipped += 1;
                    outcome.done.insert(id);
                    console.finished(run, "finished before, its data unchanged");
                }
                One::Elsewhere(holder) => {
                    outcome.elsewhere.insert(id, holder);
                    left.push(run);
                }
                One::Stopped => {
                    outcome.stopped = true;
                    break;
                }
                One::Failed(message) => {
                    console.failed(run, &format!("{id}: FAILED: {message}"));
                    outcome.failures.insert(id, message);
                }
            }
        }
        if outcome.stopped || left.is_empty() || !wait {
            break;
        }
        // A run may have been skipped hours ago, so wait only if other processes hold all of them now.
        if all_held(&mut outcome.elsewhere, out)? {
            console.waiting(&outcome.elsewhere);
            std::thread::sleep(LOOK_AGAIN);
        }
        todo = left;
    }
    console.end();
    Ok(outcome)
}

/// Whether other processes still hold all these runs. Updates who holds each.
fn all_held(elsewhere: &mut BTreeMap<String, String>, out: &OutDir) -> anyhow::Result<bool> {
    for (id, holder) in elsewhere.iter_mut() {
        match Claim::holder(&out.claim(id))? {
            Some(now) => *holder = now,
            None => return Ok(false),
        }
    }
    Ok(true)
}

/// The result of one run.
enum One {
    /// It was run, or continued, to its end.
    Finished(Box<RunRecord>),
    /// Its record was there already.
    Before,
    /// Another process holds it.
    Elsewhere(String),
    Stopped,
    Failed(String),
}

/// Claims a run and carries it out. Checks for its record after taking the claim, when no other process can be
/// writing it.
fn one(
    run: &PlannedRun,
    modalities: &[Box<dyn Modality>],
    out: &OutDir,
    machine: &Machine,
    console: &mut Console,
) -> anyhow::Result<One> {
    let _claim = match Claim::attempt(&out.claim(&run.spec.id()))? {
        Attempt::Held(claim) => claim,
        Attempt::Elsewhere(holder) => return Ok(One::Elsewhere(holder)),
    };
    let before = out.record(&run.spec)?.is_some();
    if before && !data_may_change(run, modalities) {
        return Ok(One::Before);
    }
    Ok(match run_one(run, modalities, out, machine, console) {
        Ok(_) if before => One::Before,
        Ok(record) => One::Finished(Box::new(record)),
        Err(Failure::Stopped) => One::Stopped,
        Err(Failure::Error(message)) => One::Failed(message),
    })
}

/// Adds this command's failures to those stored in `out`, and removes runs that are done by now.
pub fn remember(out: &OutDir, outcome: &Outcome) -> anyhow::Result<BTreeMap<String, String>> {
    // Hold a claim while reading and rewriting the list, so that two processes do not do it at once.
    let _claim = Claim::wait(&out.claim("failures.json"))?;
    let mut failures = out.failures()?;
    failures.retain(|id, _| !outcome.done.contains(id));
    failures.extend(outcome.failures.clone());
    out.write_failures(&failures)?;
    Ok(failures)
}

/// Whether a finished run must be given to its modality again, which loads the data and refuses a record of other
/// data. Files of the catalogue are compared with known checksums whenever they are found, so records of those are
/// trusted; a user's own files may change at any time.
fn data_may_change(run: &PlannedRun, modalities: &[Box<dyn Modality>]) -> bool {
    !modalities[run.modality]
        .datasets()
        .contains(&run.spec.dataset)
}

enum Failure {
    Stopped,
    Error(String),
}

fn run_one(
    run: &PlannedRun,
    modalities: &[Box<dyn Modality>],
    out: &OutDir,
    machine: &Machine,
    console: &mut Console,
) -> Result<RunRecord, Failure> {
    let modality = modalities[run.modality].as_ref();
    let baselines = baselines::beside(run, modality, out)
        .map_err(|error| Failure::Error(crate::usage::one_line(&error)))?;
    let mut progress = console.progress(run);
    let mut context = RunContext {
        dir: out.run(&run.spec.id()),
        device: machine.device.clone(),
        device_name: machine.device_name.clone(),
        threads: machine.threads,
        progress: progress.as_mut(),
        stop: machine.stop.clone(),
        baselines,
    };
    // A panic in one run must not end the others.
    let done = std::panic::catch_unwind(AssertUnwindSafe(|| modality.run(&run.spec, &mut context)));
    match done {
        Ok(Ok(record)) => Ok(record),
        Ok(Err(l0gm_train::Error::Stopped)) => Err(Failure::Stopped),
        Ok(Err(error)) => Err(Failure::Error(crate::usage::one_line(&anyhow::Error::new(
            error,
        )))),
        Err(panic) => Err(Failure::Error(format!("panicked: {}", panic_text(&*panic)))),
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()))
        .unwrap_or_else(|| "no message".to_owned())
}

/// What a gate leaves open, such as ", 31.3% active"; empty for a method without a gate.
pub(crate) fn active(record: &RunRecord) -> String {
    match record.gate.kind {
        Some(_) => format!(", {} active", format::percent(record.gate.active_fraction)),
        None => String::new(),
    }
}

/// The line about a finished run.
fn result_line(record: &RunRecord) -> String {
    let active = active(record);
    let nothing = match record.gate.active_fraction == 0.0 && !active.is_empty() {
        true => " (nothing stays open: the classifier sees only its bias)",
        false => "",
    };
    format!(
        "accuracy {}, NLL {}, ECE {}{active}{nothing}, trained in {}",
        format::fraction(record.test.accuracy),
        format::fraction(record.calibration.nll),
        format::fraction(record.calibration.ece),
        format::seconds(record.train_seconds)
    )
}

#[cfg(test)]
mod tests;
