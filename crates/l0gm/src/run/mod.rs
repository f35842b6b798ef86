//! Does what a plan says: each run in its own folder, finished ones skipped, a failing one reported
//! while the others go on, all of it stoppable. Several processes may do the same plan at once: a run is
//! claimed before it is begun, and whoever comes second passes over it.

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

/// How often a process that waits looks again.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Where runs happen.
pub struct Machine {
    /// Device.
    pub device: candle_core::Device,
    /// "cpu" or "cuda:0".
    pub device_name: String,
    /// Threads in use.
    pub threads: usize,
    /// Set by Ctrl-C.
    pub stop: StopFlag,
}

/// How a plan went.
#[derive(Debug, Default, PartialEq)]
pub struct Outcome {
    /// Runs finished now.
    pub finished: usize,
    /// Runs that had been finished before.
    pub skipped: usize,
    /// Ids of both.
    pub done: BTreeSet<String>,
    /// Id and error of failed runs.
    pub failures: BTreeMap<String, String>,
    /// Id and holder of runs that other processes were working on.
    pub elsewhere: BTreeMap<String, String>,
    /// Whether a stop was asked for before the end.
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

/// Runs what is not finished, in the plan's order. What other processes work on is passed over or, with
/// `wait`, waited for at the end and taken over where they stop.
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
        // A run may have been passed over hours ago: only what somebody has now is waited for.
        if all_held(&mut outcome.elsewhere, out)? {
            console.waiting(&outcome.elsewhere);
            std::thread::sleep(LOOK_AGAIN);
        }
        todo = left;
    }
    console.end();
    Ok(outcome)
}

/// Whether others still have all these runs; puts down who.
fn all_held(elsewhere: &mut BTreeMap<String, String>, out: &OutDir) -> anyhow::Result<bool> {
    for (id, holder) in elsewhere.iter_mut() {
        match Claim::holder(&out.claim(id))? {
            Some(now) => *holder = now,
            None => return Ok(false),
        }
    }
    Ok(true)
}

/// What became of one run.
enum One {
    /// It was run, or continued, to its end.
    Finished(Box<RunRecord>),
    /// Its record was there.
    Before,
    /// Another process has it.
    Elsewhere(String),
    Stopped,
    Failed(String),
}

/// Claims a run and does it. The record is looked for under the claim: then nobody else can be writing it.
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

/// Adds this command's failures to those remembered in `out`, without the runs that are done by now.
pub fn remember(out: &OutDir, outcome: &Outcome) -> anyhow::Result<BTreeMap<String, String>> {
    // Read and written again: not by two processes at once.
    let _claim = Claim::wait(&out.claim("failures.json"))?;
    let mut failures = out.failures()?;
    failures.retain(|id, _| !outcome.done.contains(id));
    failures.extend(outcome.failures.clone());
    out.write_failures(&failures)?;
    Ok(failures)
}

/// Whether a finished run must go through its modality again, which loads the data and refuses the
/// record of other bytes. A catalogue's files are held against their known sums whenever they are
/// found, so there the record is trusted unread; files of one's own may be edited at any time.
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
    let mut progress = console.progress(run);
    let mut context = RunContext {
        dir: out.run(&run.spec.id()),
        device: machine.device.clone(),
        device_name: machine.device_name.clone(),
        threads: machine.threads,
        progress: progress.as_mut(),
        stop: machine.stop.clone(),
    };
    // A panic in one modality must not take the other runs with it.
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

/// What one finished run is worth saying on a line.
fn result_line(record: &RunRecord) -> String {
    let open = record.gate.active_fraction;
    let nothing = if open == 0.0 {
        " (nothing stays open: the classifier sees only its bias)"
    } else {
        ""
    };
    format!(
        "accuracy {}, NLL {}, ECE {}, {} active{nothing}, trained in {}",
        format::fraction(record.test.accuracy),
        format::fraction(record.calibration.nll),
        format::fraction(record.calibration.ece),
        format::percent(open),
        format::seconds(record.train_seconds)
    )
}

#[cfg(test)]
mod tests;
