//! `cargo xtask reproduce`: plan -> run -> aggregate -> report. The first line on the console and the
//! last ones say what it ran on: real data, or twins and how to run on real data.

use crate::flags::{ProfileFlag, ReproduceFlags};
use crate::out::{CommandRecord, OutDir};
use crate::plan::{Choice, Overrides, Plan, print_table, threads};
use crate::run::{Console, INTERRUPTED, Machine, Outcome};
use crate::usage::usage;
use crate::{aggregate, data_report, device, modalities, report, run};
use anyhow::Context;
use l0gm_data::{DataOptions, FetchPolicy};
use l0gm_train::{Profile, StopFlag};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

/// Runs the command; exit code 0, 1 where a run failed, 130 where it was stopped.
pub(crate) fn run(flags: &ReproduceFlags) -> anyhow::Result<ExitCode> {
    let choice = Choice::new(flags)?;
    let threads = threads(flags)?;
    let (device, device_name) = device::parse(&flags.device)?;
    let profile = match flags.profile {
        ProfileFlag::Quick => Profile::Quick,
        ProfileFlag::Paper => Profile::Paper,
    };
    if flags.twin && profile == Profile::Paper {
        return Err(usage("--profile paper refuses twins: leave --twin out"));
    }
    use_threads(flags, threads)?;
    let machine = Machine {
        device,
        device_name,
        threads,
        stop: StopFlag::default(),
    };
    // On a thread of the pool, so that no op has to wake a worker and to sleep until it is done, which small
    // training steps feel.
    rayon::scope(|_| plan_and_run(flags, &choice, profile, &machine))
}

fn plan_and_run(
    flags: &ReproduceFlags,
    choice: &Choice,
    profile: Profile,
    machine: &Machine,
) -> anyhow::Result<ExitCode> {
    let mut console = Console::new();
    let options = data_options(flags, profile, console.has_bars());
    let modalities = if flags.dry_run {
        modalities::looking(&options)?
    } else {
        modalities::all(&options)?
    };
    let names: Vec<String> = modalities.iter().map(|m| m.name().to_owned()).collect();
    let overrides = Overrides::new(flags.settings.as_deref(), &flags.set, &names)?;
    let plan = Plan::new(&modalities, choice, profile, &overrides)?;
    if flags.twin {
        modalities::check_all_twins(&plan)?;
    }
    let data = data_report::describe(&plan, &options);
    for line in data.first_lines() {
        println!("{line}");
    }
    let path = out_path(flags);
    if flags.dry_run {
        OutDir::refuse_foreign(&path)?;
        let finished = match OutDir::open(&path) {
            Ok(out) => run::finished(&plan, &out)?,
            Err(_) => BTreeSet::new(),
        };
        print_table(&mut std::io::stdout(), &plan, &finished)?;
        println!("Nothing was run or fetched: this is the plan.");
        if let Some(hint) = data.real_data_hint() {
            println!("{hint}");
        }
        return Ok(ExitCode::SUCCESS);
    }

    println!(
        "{} runs, estimated {} in all on two CPU cores; output in {}",
        plan.runs.len(),
        report::format::duration(plan.estimate()),
        path.display()
    );
    let out = OutDir::create(&path)?;
    out.write_command(&CommandRecord {
        command: typed_command(),
        profile: match profile {
            Profile::Quick => "quick".to_owned(),
            Profile::Paper => "paper".to_owned(),
        },
        planned: plan.runs.iter().map(|run| run.spec.id()).collect(),
    })?;
    run::on_ctrl_c(machine.stop.clone())?;
    let outcome = run::execute(&plan, &modalities, &out, machine, &mut console)?;
    run::remember(&out, &outcome)?;
    let records = out.records()?;
    if !records.is_empty() {
        aggregate::write_summary(&out, &records)?;
        report::write(&out, &records).context("writing the report")?;
    }
    Ok(close(&out, &plan, &outcome, &data, !records.is_empty()))
}

/// The last lines and the exit code.
fn close(
    out: &OutDir,
    plan: &Plan,
    outcome: &Outcome,
    data: &data_report::DataReport,
    reported: bool,
) -> ExitCode {
    println!(
        "{} of {} runs done ({} now, {} before), {} failed",
        outcome.finished + outcome.skipped,
        plan.runs.len(),
        outcome.finished,
        outcome.skipped,
        outcome.failures.len()
    );
    for (id, message) in &outcome.failures {
        println!("failed: {id}: {message}");
    }
    if reported {
        println!("report: {}", out.path().join("report.html").display());
    }
    if outcome.stopped {
        println!("stopped on request; the same command goes on where it stopped");
    } else if outcome.failures.is_empty() {
        println!(
            "to start anew: choose another --out, or delete folders under {}",
            out.path().join("runs").display()
        );
    } else {
        println!("the same command tries the failed runs again");
    }
    for line in data.last_lines() {
        println!("{line}");
    }
    if outcome.stopped {
        ExitCode::from(INTERRUPTED)
    } else if outcome.failures.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn data_options(flags: &ReproduceFlags, profile: Profile, bars: bool) -> DataOptions {
    DataOptions {
        data_dir: flags.data_dir.clone(),
        model_dir: flags.model_dir.clone(),
        fetch: if flags.offline || flags.twin {
            FetchPolicy::LocalOnly
        } else {
            FetchPolicy::Download
        },
        allow_twin: profile == Profile::Quick,
        force_twin: flags.twin,
        bars,
    }
}

fn out_path(flags: &ReproduceFlags) -> PathBuf {
    flags.out.clone().unwrap_or_else(|| {
        PathBuf::from(match flags.profile {
            ProfileFlag::Quick => "out/quick",
            ProfileFlag::Paper => "out/paper",
        })
    })
}

/// Sizes rayon's pool; candle reads the same number from the environment, which a user may have set.
fn use_threads(flags: &ReproduceFlags, threads: usize) -> anyhow::Result<()> {
    if flags.threads.is_some() {
        // SAFETY: no other thread has been started yet that could read the environment.
        unsafe { std::env::set_var("RAYON_NUM_THREADS", threads.to_string()) };
    }
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build_global()
        .context("cannot size the thread pool")
}

/// What was typed, for the report: `cargo xtask reproduce ...`.
fn typed_command() -> String {
    let mut words = vec!["cargo xtask".to_owned()];
    words.extend(std::env::args().skip(1).map(|word| {
        if word.is_empty()
            || word.contains(|c: char| c.is_whitespace() || "'\"$&|;<>(){}*?`\\".contains(c))
        {
            format!("'{}'", word.replace('\'', r"'\''"))
        } else {
            word
        }
    }));
    words.join(" ")
}
