//! `cargo xtask plan` lists the runs of `reproduce` as independent cells, and `cargo xtask run` carries out some of
//! them. A Slurm array, MPI ranks or a Kubernetes job need nothing else.

use crate::flags::{PlanFlags, RunFlags};
use crate::job::{self, Job};
use crate::modalities::Purpose;
use crate::plan::{Share, print_lines};
use crate::run::Console;
use crate::runner::Runner;
use anyhow::Context;
use std::io::Write;
use std::process::ExitCode;

/// `cargo xtask plan`: prints the cells on stdout, and the data they use on stderr.
pub fn plan(flags: &PlanFlags, runner: &Runner) -> anyhow::Result<ExitCode> {
    let job = Job::new(&flags.cells, runner, Purpose::Look)?;
    for line in job.data().first_lines() {
        eprintln!("{line}");
    }
    let mut lines = Vec::new();
    print_lines(&mut lines, &job.plan, &job.finished()?)?;
    std::io::stdout()
        .write_all(&lines)
        .context("the plan could not be written")?;
    Ok(ExitCode::SUCCESS)
}

/// `cargo xtask run`: returns exit code 0, 1 if a cell failed, or 130 if it was stopped.
pub fn run(flags: &RunFlags, runner: &Runner) -> anyhow::Result<ExitCode> {
    let share = Share::new(&flags.cell, flags.shard.as_deref())?;
    let machine = job::machine(&flags.cells)?;
    // Run on a thread of the pool, as `reproduce` does.
    rayon::scope(|_| {
        let mut console = Console::new();
        let purpose = console.purpose();
        let job = Job::new(&flags.cells, runner, purpose)?;
        let done = job.carry_out(&share, flags.wait, &machine, &mut console)?;
        let report = format!(
            "report: {} report {}",
            runner.program,
            done.out.path().display()
        );
        Ok(done.close(Some(&report)))
    })
}
