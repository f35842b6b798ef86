//! `cargo xtask bench`: times our operations and training steps against stock candle and, with `--peers`, against
//! PyTorch, by turns in one run. Times depend on the machine and its other work. The ratio of two medians taken a
//! second apart depends on them much less, so the tables show ratios.

mod case;
mod cases;
mod limits;
mod memory;
mod peers;
mod table;
mod timing;

use crate::flags::BenchFlags;
use anyhow::Context;
use case::{Case, Inputs};
use l0gm::usage::usage;
use l0gm_data::{Catalogue, DataOptions, FetchPolicy};
use peers::Peers;
use std::process::ExitCode;
use table::Row;

/// Runs the chosen cases and writes their table.
pub(crate) fn run(flags: &BenchFlags) -> anyhow::Result<ExitCode> {
    if flags.install_peers {
        peers::install(&flags.venv)?;
    }
    let wanted = chosen(&flags.only)?;
    if flags.list {
        for entry in &wanted {
            println!("{:<22} {}", entry.name, entry.work);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let threads = flags.threads.unwrap_or(2).max(1);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    let pool = pool.context("the thread pool cannot be set up")?;
    // Run on a thread of the pool. From any other thread, every operation would have to wake a worker and sleep until
    // it is done.
    pool.install(|| run_cases(flags, &wanted, threads))
}

fn run_cases(
    flags: &BenchFlags,
    wanted: &[&'static cases::Entry],
    threads: usize,
) -> anyhow::Result<ExitCode> {
    let catalogue = Catalogue::new(DataOptions {
        data_dir: flags.data_dir.clone(),
        model_dir: flags.model_dir.clone(),
        fetch: FetchPolicy::LocalOnly,
        ..DataOptions::default()
    })?;
    let inputs = Inputs { catalogue };
    if flags.memory {
        for entry in wanted {
            println!("{}", memory::growth(&mut (entry.build)(&inputs)?.ours)?);
        }
        return Ok(ExitCode::SUCCESS);
    }
    let mut peers = match flags.peers {
        true => Some(Peers::start(&flags.venv, threads)?),
        false => None,
    };
    let limits = limits::measure(threads)?;
    println!("{threads} threads; {limits}");
    if let Some(peers) = &peers {
        println!("peers: {}", peers.versions());
    }
    let mut rows = Vec::new();
    println!("{}", table::header());
    for entry in wanted {
        match (entry.build)(&inputs) {
            Ok(case) => {
                let mut row = measure(entry.name, case, peers.as_mut(), flags)?;
                if let Some(result) = row.result_bytes {
                    row.memory = memory::ask(entry.name, result, threads, flags)?;
                }
                println!("{}", table::line(&row, &limits));
                rows.push(row);
            }
            Err(error) => println!("{:<22} skipped: {error:#}", entry.name),
        }
    }
    println!(
        "ours / X: median ratio (smallest to largest round), below 1 ours is faster; goal: for ours / PyTorch; \
         ours / limit: over the least time at the rates above; faults: page faults a run; MiB: extra memory of a run, of its result. \
         More: docs/performance.md"
    );
    let files = table::write(&flags.out, &rows, &limits, peers.as_ref(), threads)?;
    println!("written: {files}");
    Ok(ExitCode::SUCCESS)
}

/// Times one case in rounds: ours, stock candle and the peer by turns.
fn measure(
    name: &'static str,
    mut case: Case,
    mut peers: Option<&mut Peers>,
    flags: &BenchFlags,
) -> anyhow::Result<Row> {
    let mut row = Row::new(name, &case);
    let with_peer = match peers.as_deref_mut() {
        Some(peers) if case.peer => peers.prepare(name, &case.input)?,
        _ => false,
    };
    (case.ours)().with_context(|| format!("{name}: ours"))?;
    for _ in 0..flags.rounds.max(1) {
        let before = timing::page_faults();
        let times = timing::sample(&mut case.ours, flags.seconds)?;
        row.faults = before.zip(timing::page_faults()).map(|(before, after)| {
            // The sample runs once more than it reports times, to warm up.
            after.saturating_sub(before) as f64 / (times.len() + 1) as f64
        });
        row.ours.push(times);
        if let Some(stock) = case.stock.as_mut().filter(|_| !flags.no_stock) {
            row.stock.push(timing::sample(stock, flags.seconds)?);
        }
        if let (true, Some(peers)) = (with_peer, peers.as_deref_mut()) {
            row.peer.push(peers.sample(flags.seconds)?);
        }
    }
    if let (true, Some(peers)) = (with_peer, peers) {
        peers.release()?;
    }
    Ok(row)
}

/// The cases whose names contain one of the words, or all cases if there are no words.
fn chosen(words: &[String]) -> anyhow::Result<Vec<&'static cases::Entry>> {
    let wanted: Vec<_> = cases::ALL
        .iter()
        .filter(|entry| words.is_empty() || words.iter().any(|word| entry.name.contains(word)))
        .collect();
    if wanted.is_empty() {
        let names: Vec<_> = cases::ALL.iter().map(|entry| entry.name).collect();
        return Err(usage(format!(
            "--only {}: no case has that in its name; there are {}",
            words.join(","),
            names.join(", ")
        )));
    }
    Ok(wanted)
}
