//! `cargo xtask generality`: trains the defaults on datasets that nobody tuned them to, beside every baseline, and
//! tabulates where they hold.
//!
//! [`members`] are the datasets; [`suite`] turns the chosen ones into a plan, which the runner carries out like any
//! other; [`figures`] are computed from the records, [`demands`] judge them, and [`table`] and [`rows`] show both.

mod carried;
mod choice;
mod demands;
mod figures;
mod markdown;
mod members;
mod presence;
mod rows;
mod suite;
mod table;
#[cfg(test)]
mod tests;

use crate::flags::GeneralityFlags;
use anyhow::Context;
use carried::Carried;
use choice::Choice;
use figures::Figures;
use l0gm::job::{self, Job};
use l0gm::modalities::{self, Purpose};
use l0gm::outlook::Outlook;
use l0gm::plan::{Plan, Share, print_table};
use l0gm::run::{Console, Machine};
use l0gm::runner::Runner;
use l0gm::usage::usage;
use l0gm_data::{DataOptions, FetchPolicy};
use l0gm_report::OutDir;
use l0gm_report::format::{count, duration};
use l0gm_train::{Modality, Profile, RunRecord};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use suite::{Block, Suite};
use table::Table;

/// Runs the command. Returns exit code 0, 1 if a run failed, or 130 if it was stopped.
pub(crate) fn run(flags: &GeneralityFlags, runner: &Runner) -> anyhow::Result<ExitCode> {
    let machine = job::machine_of(flags.threads.as_deref(), "cpu")?;
    // Run on a thread of the pool. From any other thread, every operation would have to wake a worker and sleep until
    // it is done.
    rayon::scope(|_| on_pool(flags, runner, &machine))
}

fn on_pool(
    flags: &GeneralityFlags,
    runner: &Runner,
    machine: &Machine,
) -> anyhow::Result<ExitCode> {
    let choice = Choice::new(flags, runner)?;
    let mut console = Console::new();
    let only_look = flags.dry_run || flags.table_only;
    let purpose = match only_look {
        true => Purpose::Look,
        false => console.purpose(),
    };
    let options = data_options(flags, purpose);
    let modalities = modalities::of(&options, purpose)?;
    let suite = Suite::new(&choice, &modalities, &Outlook::new(&options)?)?;
    if flags.dry_run {
        dry_run(flags, &suite)?;
        return Ok(ExitCode::SUCCESS);
    }
    for left_out in &suite.left_out {
        println!("not run: {}", left_out.line());
        if !left_out.details.is_empty() {
            println!("  {}", left_out.details);
        }
    }
    if suite.plan.runs.is_empty() {
        return Err(usage(match suite.left_out.is_empty() {
            true => {
                "the flags leave nothing to run: no chosen member has more training rows than --size says"
            }
            false => "no chosen member is at hand; --data-dir names the folder of the data",
        }));
    }
    if flags.table_only {
        write_table(&OutDir::open(&flags.out)?, flags, &suite, &choice.seeds)?;
        return Ok(ExitCode::SUCCESS);
    }
    let job = job_of(&suite.plan, modalities, options, flags, runner);
    let done = job.carry_out(&Share::All, true, machine, &mut console)?;
    let files = write_table(&done.out, flags, &suite, &choice.seeds)?;
    Ok(done.close(Some(&files)))
}

fn job_of(
    plan: &Plan,
    modalities: Vec<Box<dyn Modality>>,
    options: DataOptions,
    flags: &GeneralityFlags,
    runner: &Runner,
) -> Job {
    let (plan, out) = (plan.clone(), flags.out.clone());
    Job::of(plan, modalities, options, Profile::General, out, runner)
}

fn data_options(flags: &GeneralityFlags, purpose: Purpose) -> DataOptions {
    DataOptions {
        data_dir: flags.data_dir.clone(),
        model_dir: flags.model_dir.clone(),
        fetch: match flags.offline {
            true => FetchPolicy::LocalOnly,
            false => FetchPolicy::Download,
        },
        allow_twin: false,
        force_twin: false,
        bars: purpose == (Purpose::Run { bars: true }),
    }
}

/// Prints the members, those that are absent, the runs and the estimate. Runs and fetches nothing.
fn dry_run(flags: &GeneralityFlags, suite: &Suite) -> anyhow::Result<()> {
    OutDir::refuse_foreign(&flags.out)?;
    let finished = match OutDir::open(&flags.out) {
        Ok(out) => l0gm::run::finished(&suite.plan, &out)?,
        Err(_) => BTreeSet::new(),
    };
    println!("Members:");
    for block in &suite.blocks {
        let runs = suite.runs(block);
        let left: Vec<_> = runs
            .iter()
            .filter(|run| !finished.contains(&run.spec.id()))
            .collect();
        println!(
            "  {}: {} runs, {} finished, estimated {} for the rest",
            block.name(),
            count(runs.len() as u64),
            runs.len() - left.len(),
            duration(left.iter().map(|run| run.estimate).sum())
        );
    }
    for left_out in &suite.left_out {
        println!("  not run: {}", left_out.line());
    }
    for (member, address) in &suite.downloads {
        println!("  {member} would be downloaded from {address}");
    }
    println!("Runs:");
    print_table(&mut std::io::stdout(), &suite.plan, &finished)?;
    println!("Nothing was run or fetched: this is the plan.");
    Ok(())
}

/// Writes the table of the finished runs, and returns a line that says where.
fn write_table(
    out: &OutDir,
    flags: &GeneralityFlags,
    suite: &Suite,
    seeds: &[u64],
) -> anyhow::Result<String> {
    let failures = out.failures()?;
    let planned: BTreeSet<String> = suite.plan.runs.iter().map(|run| run.spec.id()).collect();
    let earlier = match &flags.carry {
        Some(path) => Carried::read(path)?,
        None => Carried::default(),
    };
    let mut finished = 0;
    let (mut blocks, mut carried) = (Vec::new(), Vec::new());
    for block in &suite.blocks {
        let records = records(out, suite, block)?;
        finished += records.len();
        let figures = Figures::of(&records).or_else(|| {
            let figures = earlier.of(block)?.clone();
            carried.push(block.name());
            Some(figures)
        });
        blocks.push((block, figures));
    }
    let table = Table {
        blocks,
        carried,
        left_out: &suite.left_out,
        seeds,
        runs: [suite.plan.runs.len(), finished],
        failed: failures
            .into_keys()
            .filter(|id| planned.contains(id))
            .collect(),
    };
    let (page, rows) = (table.markdown(), table.csv()?);
    out.write("table.md", page.as_bytes())?;
    out.write("rows.csv", &rows)?;
    let mut said = format!("table: {}", out.path().join("table.md").display());
    if flags.write {
        let kept = kept();
        std::fs::create_dir_all(&kept).with_context(|| kept.display().to_string())?;
        for (name, bytes) in [("table.md", page.as_bytes()), ("rows.csv", &rows)] {
            let path = kept.join(name);
            std::fs::write(&path, bytes).with_context(|| path.display().to_string())?;
        }
        said += &format!(", also written to {}", kept.display());
    }
    if flags.table_only {
        println!("{said}");
    }
    Ok(said)
}

/// The records of a block's finished runs, in the plan's order.
fn records(out: &OutDir, suite: &Suite, block: &Block) -> anyhow::Result<Vec<RunRecord>> {
    let mut records = Vec::new();
    for run in suite.runs(block) {
        records.extend(out.record(&run.spec)?);
    }
    Ok(records)
}

/// The folder of this repository that keeps the table.
fn kept() -> PathBuf {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask).join("results/generality")
}
