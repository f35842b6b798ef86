//! What `reproduce`, `plan` and `run` share: they turn flags into a plan with its data, and carry out a part of the
//! plan. All commands run a cell in the same way.

use crate::data_report::{self, DataReport};
use crate::flags::{CellFlags, ProfileFlag};
use crate::modalities::Purpose;
use crate::plan::{Choice, Overrides, Plan, Share, spec_error, threads};
use crate::run::{Console, INTERRUPTED, Machine, Outcome};
use crate::runner::Runner;
use crate::usage::usage;
use crate::{device, modalities, run};
use anyhow::Context;
use l0gm_data::{DataOptions, FetchPolicy};
use l0gm_report::out::{CommandRecord, OutDir};
use l0gm_train::{DataLook, Modality, Profile, StopFlag};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

/// A plan with everything needed to carry it out.
pub struct Job {
    /// The plan with every cell.
    pub plan: Plan,
    /// How data of the user's own were read while planning, a look a dataset.
    pub looks: Vec<DataLook>,
    /// Path of the output folder.
    pub path: PathBuf,
    modalities: Vec<Box<dyn Modality>>,
    options: DataOptions,
    profile: Profile,
    program: String,
}

/// The result of carrying out a part of a job.
pub struct Done {
    /// The output folder that holds the results.
    pub out: OutDir,
    /// What became of each run.
    pub outcome: Outcome,
    /// Number of cells that were to be done.
    cells: usize,
    data: DataReport,
}

impl Job {
    /// Makes the job that these flags describe.
    ///
    /// # Errors
    /// Fails if flags name something unknown or contradict each other, or if data cannot be read.
    pub fn new(flags: &CellFlags, runner: &Runner, purpose: Purpose) -> anyhow::Result<Self> {
        Self::planned(flags, runner, purpose, Plan::new)
    }

    /// Like [`Job::new`], with the caller's planner.
    ///
    /// # Errors
    /// Fails like [`Job::new`], or with the planner's error.
    pub fn planned(
        flags: &CellFlags,
        runner: &Runner,
        purpose: Purpose,
        make: impl FnOnce(&[Box<dyn Modality>], &Choice, Profile, &Overrides) -> anyhow::Result<Plan>,
    ) -> anyhow::Result<Self> {
        let choice = Choice::new(flags, runner)?;
        let profile = profile(flags)?;
        let options = data_options(flags, profile, purpose);
        let modalities = modalities::of(&options, purpose)?;
        let names: Vec<String> = modalities.iter().map(|m| m.name().to_owned()).collect();
        let overrides = Overrides::new(flags.settings.as_deref(), &flags.set, &names)?;
        let plan = make(&modalities, &choice, profile, &overrides)?;
        if flags.twin {
            check_all_twins(&plan)?;
        }
        let looks = look_at_own_data(&plan, &modalities)?;
        Ok(Self {
            plan,
            looks,
            path: out_path(flags, runner),
            modalities,
            options,
            profile,
            program: runner.program.clone(),
        })
    }

    /// A job of the caller's own plan, which was made with these modalities and options.
    pub fn of(
        plan: Plan,
        modalities: Vec<Box<dyn Modality>>,
        options: DataOptions,
        profile: Profile,
        path: PathBuf,
        runner: &Runner,
    ) -> Self {
        Self {
            plan,
            looks: Vec::new(),
            path,
            modalities,
            options,
            profile,
            program: runner.program.clone(),
        }
    }

    /// Describes the plan's data.
    pub fn data(&self) -> DataReport {
        data_report::describe(&self.plan, &self.options, &self.program)
    }

    /// Ids of the cells that are already finished. Creates nothing.
    pub fn finished(&self) -> anyhow::Result<BTreeSet<String>> {
        OutDir::refuse_foreign(&self.path)?;
        match OutDir::open(&self.path) {
            Ok(out) => run::finished(&self.plan, &out),
            Err(_) => Ok(BTreeSet::new()),
        }
    }

    /// Runs the unfinished cells of a share. With `wait`, also waits for cells that other processes work on.
    pub fn carry_out(
        &self,
        share: &Share,
        wait: bool,
        machine: &Machine,
        console: &mut Console,
    ) -> anyhow::Result<Done> {
        let part = share.of(&self.plan)?;
        let data = data_report::describe(&part, &self.options, &self.program);
        for line in data.first_lines() {
            console.headline(&line);
        }
        let all = self.plan.runs.len();
        console.headline(&format!(
            "{} {}, estimated {} in all on two CPU cores; output in {}",
            match part.runs.len() {
                n if n == all => n.to_string(),
                n => format!("{n} of {all}"),
            },
            match all {
                1 => "run",
                _ => "runs",
            },
            l0gm_report::format::duration(part.estimate()),
            self.path.display()
        ));
        let out = OutDir::create(&self.path)?;
        out.write_command(&CommandRecord {
            command: typed_command(&self.program),
            profile: match self.profile {
                Profile::Quick => "quick".to_owned(),
                Profile::Paper => "paper".to_owned(),
                Profile::General => "general".to_owned(),
            },
            planned: self.plan.runs.iter().map(|run| run.spec.id()).collect(),
        })?;
        run::on_ctrl_c(machine.stop.clone())?;
        let outcome = run::execute(&part, &self.modalities, &out, machine, wait, console)?;
        run::remember(&out, &outcome)?;
        Ok(Done {
            out,
            outcome,
            cells: part.runs.len(),
            data,
        })
    }
}

impl Done {
    /// Prints the last lines and returns the exit code: 0, 1 if a run failed, or 130 if it was stopped. `report` is a
    /// line about the report.
    pub fn close(&self, report: Option<&str>) -> ExitCode {
        let outcome = &self.outcome;
        println!(
            "{} of {} runs done ({} now, {} before), {} failed{}",
            outcome.finished + outcome.skipped,
            self.cells,
            outcome.finished,
            outcome.skipped,
            outcome.failures.len(),
            match outcome.with_warnings {
                0 => String::new(),
                n => format!(", {n} with warnings"),
            }
        );
        for (id, message) in &outcome.failures {
            println!("failed: {id}: {message}");
        }
        for (id, holder) in &outcome.elsewhere {
            println!("passed over: {id}: {holder} is working on it");
        }
        if let Some(line) = report {
            println!("{line}");
        }
        if outcome.stopped {
            println!("stopped on request; the same command goes on where it stopped");
        } else if outcome.failures.is_empty() {
            println!(
                "to start anew: choose another --out, or delete folders under {}",
                self.out.path().join("runs").display()
            );
        } else {
            println!("the same command tries the failed runs again");
        }
        for line in self.data.last_lines() {
            println!("{line}");
        }
        self.code()
    }

    /// The exit code: 0, 1 if a run failed, or 130 if it was stopped.
    pub fn code(&self) -> ExitCode {
        if self.outcome.stopped {
            ExitCode::from(INTERRUPTED)
        } else if self.outcome.failures.is_empty() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }
}

/// The device and threads that these flags ask for. Sets the size of rayon's pool, so it may be called once per
/// process.
pub fn machine(flags: &CellFlags) -> anyhow::Result<Machine> {
    machine_of(flags.threads.as_deref(), &flags.device)
}

/// Like [`machine`], given `--threads` and `--device` alone.
pub fn machine_of(threads_flag: Option<&str>, device: &str) -> anyhow::Result<Machine> {
    let threads = threads(threads_flag)?;
    let (device, device_name) = device::parse(device)?;
    use_threads(threads_flag.is_some(), threads)?;
    Ok(Machine {
        device,
        device_name,
        threads,
        stop: StopFlag::default(),
    })
}

fn profile(flags: &CellFlags) -> anyhow::Result<Profile> {
    match flags.profile {
        ProfileFlag::Quick => Ok(Profile::Quick),
        ProfileFlag::Paper if flags.twin => {
            Err(usage("--profile paper refuses twins: leave --twin out"))
        }
        ProfileFlag::Paper => Ok(Profile::Paper),
        ProfileFlag::General => Ok(Profile::General),
    }
}

/// Fails if the plan has a dataset without a twin, because `--twin` asks for twins throughout.
fn check_all_twins(plan: &Plan) -> anyhow::Result<()> {
    match plan.data().iter().find(|(_, _, twin)| !twin) {
        None => Ok(()),
        Some((dataset, ..)) => Err(usage(format!(
            "--twin: {dataset} is a file of its own and has no twin; leave --twin out"
        ))),
    }
}

/// Reads every dataset of the user's own once, so that what no run can use is said before the first one.
fn look_at_own_data(
    plan: &Plan,
    modalities: &[Box<dyn Modality>],
) -> anyhow::Result<Vec<DataLook>> {
    let mut seen = BTreeSet::new();
    let mut looks = Vec::new();
    for run in &plan.runs {
        let modality = modalities[run.modality].as_ref();
        let dataset = &run.spec.dataset;
        if modality.datasets().contains(dataset) || !seen.insert((run.modality, dataset)) {
            continue;
        }
        let look = modality
            .look(&run.spec)
            .map_err(|error| spec_error(modality.name(), dataset, error))?;
        looks.extend(look);
    }
    Ok(looks)
}

fn data_options(flags: &CellFlags, profile: Profile, purpose: Purpose) -> DataOptions {
    DataOptions {
        data_dir: flags.data_dir.clone(),
        model_dir: flags.model_dir.clone(),
        fetch: if flags.offline || flags.twin {
            FetchPolicy::LocalOnly
        } else {
            FetchPolicy::Download
        },
        allow_twin: profile != Profile::Paper,
        force_twin: flags.twin,
        bars: purpose == (Purpose::Run { bars: true }),
    }
}

fn out_path(flags: &CellFlags, runner: &Runner) -> PathBuf {
    let default = || runner.defaults(flags.profile).out.clone();
    flags.out.clone().unwrap_or_else(default)
}

/// Sets the size of rayon's pool. candle takes its number of threads from the environment, so `--threads` is written
/// there.
fn use_threads(asked: bool, threads: usize) -> anyhow::Result<()> {
    if asked {
        // SAFETY: no other thread has been started yet that could read the environment.
        unsafe { std::env::set_var("RAYON_NUM_THREADS", threads.to_string()) };
    }
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build_global()
        .context("cannot size the thread pool")
}

/// The typed command, for the report: `PROGRAM reproduce ...`. A command for a share would not make the whole report
/// again, so it is replaced by the command for the whole plan.
fn typed_command(program: &str) -> String {
    whole_plan(program, std::env::args().skip(1))
}

fn whole_plan(program: &str, arguments: impl Iterator<Item = String>) -> String {
    let mut words = vec![program.to_owned()];
    let (mut of_a_share, mut is_value) = (false, false);
    for (at, word) in arguments.enumerate() {
        if at == 0 && word == "run" {
            of_a_share = true;
            words.push("reproduce".to_owned());
            continue;
        }
        if std::mem::take(&mut is_value) {
            continue;
        }
        let (flag, value) = match word.split_once('=') {
            Some((flag, _)) => (flag, true),
            None => (word.as_str(), false),
        };
        match flag {
            "--wait" if of_a_share => {}
            "--cell" | "--shard" if of_a_share => is_value = !value,
            _ => words.push(quoted(word)),
        }
    }
    words.join(" ")
}

/// Quotes a word for a shell.
fn quoted(word: String) -> String {
    let is_plain = |c: char| !c.is_whitespace() && !"'\"$&|;<>(){}*?`\\".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        word
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shares_command_is_recorded_as_the_whole_plans() {
        let of = |text: &str| whole_plan("cargo xtask", text.split(' ').map(str::to_owned));
        assert_eq!(
            of("run --shard 1/4 --wait --profile paper --cell abc --cell=x --out a"),
            "cargo xtask reproduce --profile paper --out a"
        );
        let typed = "reproduce --set text.a=b --out o";
        assert_eq!(of(typed), format!("cargo xtask {typed}"));
        let spaced = whole_plan("l0gm", ["plan", "it's"].map(str::to_owned).into_iter());
        assert_eq!(spaced, r"l0gm plan 'it'\''s'");
    }
}
