//! `cargo xtask reproduce`: plan -> run -> aggregate -> report. The first line on the console and the
//! last ones say what it ran on: real data, or twins and how to run on real data.

use crate::flags::ReproduceFlags;
use crate::job::{self, Job};
use crate::modalities::Purpose;
use crate::plan::{Share, print_table};
use crate::run::{Console, Machine};
use crate::runner::Runner;
use anyhow::Context;
use l0gm_report::aggregate;
use std::process::ExitCode;

/// Runs the command; exit code 0, 1 where a run failed, 130 where it was stopped.
pub fn run(flags: &ReproduceFlags, runner: &Runner) -> anyhow::Result<ExitCode> {
    let machine = job::machine(&flags.cells)?;
    // On a thread of the pool, so that no op has to wake a worker and to sleep until it is done, which small
    // training steps feel.
    rayon::scope(|_| {
        if flags.dry_run {
            dry_run(flags, runner)
        } else {
            run_and_report(flags, runner, &machine)
        }
    })
}

fn dry_run(flags: &ReproduceFlags, runner: &Runner) -> anyhow::Result<ExitCode> {
    let job = Job::new(&flags.cells, runner, Purpose::Look)?;
    let data = job.data();
    for line in data.first_lines() {
        println!("{line}");
    }
    print_table(&mut std::io::stdout(), &job.plan, &job.finished()?)?;
    println!("Nothing was run or fetched: this is the plan.");
    if let Some(hint) = data.real_data_hint() {
        println!("{hint}");
    }
    Ok(ExitCode::SUCCESS)
}

fn run_and_report(
    flags: &ReproduceFlags,
    runner: &Runner,
    machine: &Machine,
) -> anyhow::Result<ExitCode> {
    let mut console = Console::new();
    let job = Job::new(&flags.cells, runner, console.purpose())?;
    let done = job.carry_out(&Share::All, true, machine, &mut console)?;
    let records = done.out.records()?;
    if records.is_empty() {
        return Ok(done.close(None));
    }
    aggregate::write_summary(&done.out, &records)?;
    l0gm_report::write(&done.out, &records, &runner.program).context("writing the report")?;
    let page = done.out.path().join("report.html");
    Ok(done.close(Some(&format!("report: {}", page.display()))))
}
