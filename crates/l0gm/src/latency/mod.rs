//! `cargo xtask latency DIR`: times the forward passes of finished runs, with dense, gated and compact by turns and
//! nothing else being trained. The report shows the times.

mod measure;
mod peers;

use crate::flags::LatencyFlags;
use crate::run::Machine;
use crate::runner::Runner;
use crate::usage::usage;
use crate::{job, modalities, names, run};
use l0gm_data::{DataOptions, FetchPolicy};
use l0gm_report::latency_record::{BatchTimes, ModelTimes};
use l0gm_report::out::OutDir;
use l0gm_report::{format, grouping, study};
use l0gm_train::{Modality, RunRecord, StopFlag, Turns};
use measure::{Loaded, Protocol};
use std::collections::BTreeMap;
use std::process::ExitCode;

/// A gated run and the dense run that it may be compared with, or another run alone: a baseline's, or a dense one if
/// there are no gated ones.
struct Pair<'a> {
    run: &'a RunRecord,
    dense: Option<&'a RunRecord>,
}

/// Runs the command. Returns exit code 0, 1 if a run could not be timed, or 130 if it was stopped.
pub fn run(flags: &LatencyFlags, runner: &Runner) -> anyhow::Result<ExitCode> {
    let protocol = protocol(flags)?;
    let out = OutDir::open(&flags.dir)?;
    let records = out.records()?;
    let chosen = chosen(&records, flags)?;
    let threads = match flags.peers {
        true => Some(peers::one_thread(flags)?),
        false => flags.threads.as_deref(),
    };
    let machine = job::machine_of(threads, &flags.device)?;
    run::on_ctrl_c(machine.stop.clone())?;
    // Run on a thread of the pool, as training does.
    rayon::scope(|_| {
        let timing = Timing {
            flags,
            protocol: &protocol,
            out: &out,
            machine: &machine,
        };
        let done = match flags.peers {
            true => peers::time_all(&chosen, &records, timing)?,
            false => time_all(&chosen, timing)?,
        };
        l0gm_report::write(&out, &records, &runner.program, &modalities::rivals())?;
        println!("report: {}", out.path().join("report.html").display());
        Ok(done)
    })
}

fn protocol(flags: &LatencyFlags) -> anyhow::Result<Protocol> {
    let mut batches = match (flags.batch.as_slice(), flags.peers) {
        ([], false) => vec![1, 64, 1024],
        ([], true) => vec![1, 64, 1024, 65_536],
        (given, _) => given.to_vec(),
    };
    batches.sort_unstable();
    batches.dedup();
    if batches.first() == Some(&0) {
        return Err(usage("--batch 0: a batch holds at least 1 row"));
    }
    let turns = Turns {
        rounds: flags.rounds,
        ..Turns::default()
    };
    if turns.rounds < Turns::FEWEST {
        return Err(usage(format!(
            "--rounds {}: at least {}, or the spread over rounds says nothing",
            turns.rounds,
            Turns::FEWEST
        )));
    }
    Ok(Protocol { batches, turns })
}

/// The runs that the flags choose; without --seeds, the lowest seed of each point.
fn chosen<'a>(records: &'a [RunRecord], flags: &LatencyFlags) -> anyhow::Result<Vec<Pair<'a>>> {
    let studies = grouping::studies(records);
    let known = |name: fn(&study::Study<'_>) -> String| -> Vec<String> {
        studies.iter().map(name).collect()
    };
    for name in &flags.modality {
        let here = known(|s| s.modality.to_owned());
        if modalities::NAMES.contains(&name.as_str()) && !here.contains(name) {
            return Err(usage(format!(
                "--modality {name}: no finished {name} run is in {}; it has runs of: {}",
                flags.dir.display(),
                here.join(", ")
            )));
        }
        names::check("--modality", name, &known(|s| s.modality.to_owned()))?;
    }
    for name in &flags.dataset {
        names::check("--dataset", name, &known(|s| s.dataset.to_owned()))?;
    }
    let asked = |names: &[String], name: &str| names.is_empty() || names.iter().any(|n| n == name);
    let mut pairs = Vec::new();
    for study in &studies {
        if !asked(&flags.modality, study.modality) || !asked(&flags.dataset, study.dataset) {
            continue;
        }
        let seeds = |point: &study::Point<'a>| -> Vec<&'a RunRecord> {
            let runs = point.runs.iter().copied();
            match flags.seeds.is_empty() {
                true => runs.take(1).collect(),
                false => runs
                    .filter(|r| flags.seeds.contains(&r.spec.seed))
                    .collect(),
            }
        };
        let gated: Vec<_> = study
            .gated()
            .filter(|point| {
                flags.lambda.is_empty() || point.lambda.is_some_and(|l| flags.lambda.contains(&l))
            })
            .collect();
        for point in &gated {
            let dense = study.dense_beside(point);
            pairs.extend(seeds(point).into_iter().map(|run| Pair {
                run,
                dense: dense.and_then(|dense| {
                    let same = |r: &&&RunRecord| r.spec.seed == run.spec.seed;
                    dense.runs.iter().find(same).copied()
                }),
            }));
        }
        if study.gated().next().is_none() {
            let backbones = study.points.iter().filter(|p| p.method.is_backbone());
            let alone = backbones.flat_map(seeds);
            pairs.extend(alone.map(|run| Pair { run, dense: None }));
        }
        if flags.lambda.is_empty() {
            let alone = study.others().flat_map(seeds);
            pairs.extend(alone.map(|run| Pair { run, dense: None }));
        }
    }
    if pairs.is_empty() {
        return Err(usage(format!(
            "{}: no finished run is left to time by these flags",
            flags.dir.display()
        )));
    }
    Ok(pairs)
}

/// Opens the modalities on the data that a run used: its twin, or the real files.
fn doors(flags: &LatencyFlags, twin: bool) -> anyhow::Result<Vec<Box<dyn Modality>>> {
    modalities::all(&DataOptions {
        data_dir: flags.data_dir.clone(),
        model_dir: flags.model_dir.clone(),
        fetch: FetchPolicy::LocalOnly,
        allow_twin: twin,
        force_twin: twin,
        bars: false,
    })
}

/// How and where runs are timed, and where the times are stored.
#[derive(Clone, Copy)]
struct Timing<'a> {
    flags: &'a LatencyFlags,
    protocol: &'a Protocol,
    out: &'a OutDir,
    machine: &'a Machine,
}

fn time_all(pairs: &[Pair<'_>], timing: Timing<'_>) -> anyhow::Result<ExitCode> {
    let machine = timing.machine;
    println!(
        "{} runs to time on {}, {} threads: dense, gated and compact by turns, baselines alone",
        pairs.len(),
        machine.device_name,
        machine.threads
    );
    let mut dense: Option<Loaded<'_>> = None;
    let mut before: BTreeMap<(&str, &str, bool), _> = BTreeMap::new();
    let (mut failed, mut noisy) = (false, 0);
    for (at, pair) in pairs.iter().enumerate() {
        let spec = &pair.run.spec;
        println!("[{}/{}] {}", at + 1, pairs.len(), pair.run.run_id);
        let study = (spec.modality.as_str(), spec.dataset.as_str(), spec.twin);
        let before = before.entry(study).or_default();
        let mut say = |times: &BatchTimes| {
            noisy += usize::from(times.is_noisy());
            println!("  {}", line(times));
        };
        match time_one(pair, &mut dense, before, timing, &mut say) {
            Ok(()) => {}
            Err(error) if stopped(&error, &machine.stop) => {
                println!("stopped on request; what was timed before is kept");
                return Ok(ExitCode::from(run::INTERRUPTED));
            }
            Err(error) if keeps_no_model(&error) => {
                println!("  left out: {}", crate::usage::one_line(&error));
            }
            Err(error) => {
                failed = true;
                println!("  not timed: {}", crate::usage::one_line(&error));
            }
        }
    }
    if noisy > 0 {
        println!(
            "warning: the machine was too noisy for the third digit at {noisy} batches: the middle half of the rounds' \
             medians is wider than {:.0}% of their median; stop other work and time again",
            100.0 * l0gm_train::THIRD_DIGIT
        );
    }
    Ok(if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn stopped(error: &anyhow::Error, stop: &StopFlag) -> bool {
    let by_us = error.downcast_ref::<l0gm_train::Error>();
    stop.is_set() && matches!(by_us, Some(l0gm_train::Error::Stopped))
}

fn keeps_no_model(error: &anyhow::Error) -> bool {
    let by_us = error.downcast_ref::<l0gm_train::Error>();
    matches!(by_us, Some(l0gm_train::Error::NoModel(_)))
}

fn time_one<'a>(
    pair: &Pair<'a>,
    dense: &mut Option<Loaded<'a>>,
    before: &mut BTreeMap<usize, Option<ModelTimes>>,
    timing: Timing<'_>,
    say: &mut dyn FnMut(&BatchTimes),
) -> anyhow::Result<()> {
    let Timing {
        flags,
        protocol,
        out,
        machine,
    } = timing;
    let doors = doors(flags, pair.run.spec.twin)?;
    let name = pair.run.spec.modality.as_str();
    let Some(modality) = doors.iter().find(|door| door.name() == name) else {
        anyhow::bail!("this version has no modality {name}");
    };
    // A sweep's dense run is built once and kept. Drop it before building another, to save memory.
    let same = |kept: &Loaded<'_>| pair.dense.is_some_and(|d| d.run_id == kept.record.run_id);
    if !dense.as_ref().is_some_and(same) {
        *dense = None;
        if let Some(record) = pair.dense {
            *dense = Some(measure::load(record, modality.as_ref(), out, machine)?);
        }
    }
    let loaded = measure::load(pair.run, modality.as_ref(), out, machine)?;
    let timed = measure::measure(&loaded, dense.as_ref(), protocol, machine, before, say)?;
    timed.write(out)?;
    for note in &timed.notes {
        println!("  note: {note}");
    }
    Ok(())
}

/// The line about a batch, such as "batch 64: compact 210 µs, dense 312 µs, gated 340 µs; compact takes 33% less than
/// dense; spread 0.8%".
fn line(times: &BatchTimes) -> String {
    let models: Vec<String> = times
        .models
        .iter()
        .map(|(name, model)| {
            format!(
                "{name} {}",
                format::timing(model.median_us, model.is_noisy())
            )
        })
        .collect();
    let mut text = format!("batch {}: {}", times.batch, models.join(", "));
    if let Some(ratio) = times.compact_to_dense {
        text.push_str(&format!(
            "; compact takes {} of dense's time",
            format::percent(ratio.ratio)
        ));
    }
    if let Some(before) = &times.before {
        text.push_str(&format!(
            "; before them {}",
            format::timing(before.median_us, before.is_noisy())
        ));
    }
    let spread = times.models.values().map(|m| m.spread).fold(0.0, f64::max);
    text.push_str(&format!("; spread {}", format::percent(spread)));
    text
}

#[cfg(test)]
pub mod tests;
