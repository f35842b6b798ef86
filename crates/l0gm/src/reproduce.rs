//! `cargo xtask reproduce`: plans, runs, aggregates and reports. Its first and last lines say which data it used:
//! real data, or twins and how to use real data.

use crate::flags::ReproduceFlags;
use crate::job::{self, Job};
use crate::modalities::{self, Purpose};
use crate::plan::{Share, print_table};
use crate::run::{Console, Machine};
use crate::runner::Runner;
use anyhow::Context;
use l0gm_report::aggregate;
use std::process::ExitCode;

/// Runs the command. Returns exit code 0, 1 if a run failed, or 130 if it was stopped.
pub fn run(flags: &ReproduceFlags, runner: &Runner) -> anyhow::Result<ExitCode> {
    let machine = job::machine(&flags.cells)?;
    // Run on a thread of the pool. From any other thread, every operation would have to wake a worker and sleep until
    // it is done, which slows small training steps noticeably.
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
    l0gm_report::write(&done.out, &records, &runner.program, &modalities::rivals())
        .context("writing the report")?;
    let page = done.out.path().join("report.html");
    Ok(done.close(Some(&format!("report: {}", page.display()))))
}
