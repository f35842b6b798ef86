//! `cargo xtask latency DIR --peers`: times a run's compact model and other projects' programs by turns, on the same
//! rows and one thread. What is timed is checked first: our probabilities must be those of the run, and a program's
//! those that it answered as a rival.

mod expected;
mod leftovers;
mod models;
mod process;
mod programs;
mod rows_file;
mod table;

use super::{Pair, Timing};
use crate::flags::LatencyFlags;
use crate::methods::install;
use crate::run;
use crate::usage::{one_line, usage};
use anyhow::Context;
use expected::Expected;
use l0gm_report::latency_record::TurnsRecord;
use l0gm_report::peers_record::{MissingPeer, PeerInput, PeersRecord};
use l0gm_train::{Modality, PeerRun, RunRecord, Turn, by_turns};
use models::Model;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// The thread count of the pool, as a flag.
pub(super) fn one_thread(flags: &LatencyFlags) -> anyhow::Result<&'static str> {
    if flags
        .threads
        .as_deref()
        .is_some_and(|threads| threads != "1")
    {
        return Err(usage(
            "--peers times one thread, because the programs spread their work in ways of their own: leave --threads out",
        ));
    }
    if flags.device != "cpu" {
        return Err(usage("--peers times the CPU: leave --device out"));
    }
    Ok("1")
}

/// Times every chosen run that has a compact model.
pub(super) fn time_all(
    pairs: &[Pair<'_>],
    records: &[RunRecord],
    timing: Timing<'_>,
) -> anyhow::Result<ExitCode> {
    let compact = |pair: &&Pair<'_>| pair.run.compact.is_some();
    let runs: Vec<&RunRecord> = pairs.iter().filter(compact).map(|pair| pair.run).collect();
    if runs.is_empty() {
        return Err(usage(format!(
            "{}: none of the runs that the flags choose has a compact model; --peers times those of gated runs",
            timing.out.path().display()
        )));
    }
    println!(
        "{} runs to time beside other programs, one thread",
        runs.len()
    );
    let mut failed = false;
    for (at, run) in runs.iter().enumerate() {
        println!("[{}/{}] {}", at + 1, runs.len(), run.run_id);
        match time_one(run, records, timing) {
            Ok(record) => print!("{}", table::text(&record)),
            Err(error) if super::stopped(&error, &timing.machine.stop) => {
                println!("stopped on request; what was timed before is kept");
                return Ok(ExitCode::from(run::INTERRUPTED));
            }
            Err(error) if super::keeps_no_model(&error) => {
                println!("  left out: {}", one_line(&error));
            }
            Err(error) => {
                failed = true;
                println!("  not timed: {}", one_line(&error));
            }
        }
    }
    Ok(if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn time_one(
    run: &RunRecord,
    records: &[RunRecord],
    timing: Timing<'_>,
) -> anyhow::Result<PeersRecord> {
    let doors = super::doors(timing.flags, run.spec.twin)?;
    let name = run.spec.modality.as_str();
    let Some(modality) = doors.iter().find(|door| door.name() == name) else {
        anyhow::bail!("this version has no modality {name}");
    };
    let limit = Duration::try_from_secs_f64(timing.flags.time_limit).ok();
    let limit = limit.filter(|limit| !limit.is_zero()).ok_or_else(|| {
        usage(format!(
            "--time-limit {}: expected seconds, above 0",
            timing.flags.time_limit
        ))
    })?;
    let mut found = None;
    modality.beside_peers(&run.spec, &timing.out.run(&run.run_id), &mut |beside| {
        let files = timing.out.path().join("latency").join("peers-files");
        let trial = Trial {
            run,
            beside,
            records,
            timing,
            // Logs that the record of one run names must outlast the timing of the next.
            folder: files.join(&run.run_id),
            limit,
        };
        found = Some(trial.carry_out(modality.as_ref()));
    })?;
    let record = found.context("the run was not handed over to be timed")??;
    record.write(timing.out)?;
    Ok(record)
}

/// One run beside all programs.
struct Trial<'a> {
    run: &'a RunRecord,
    beside: &'a PeerRun<'a>,
    records: &'a [RunRecord],
    timing: Timing<'a>,
    /// Where tasks and files of rows are written. At the end only the logs of programs that were not timed are left.
    folder: PathBuf,
    /// Time in which a program must answer.
    limit: Duration,
}

impl Trial<'_> {
    fn carry_out(&self, modality: &dyn Modality) -> anyhow::Result<PeersRecord> {
        let cleared = |programs: &BTreeSet<&str>| {
            leftovers::keep_logs(&self.folder, programs)
                .with_context(|| format!("{}: cannot be emptied", self.folder.display()))
        };
        cleared(&BTreeSet::new())?;
        let mut failed = BTreeSet::new();
        let timed = self.all_timed(modality, &mut failed);
        let cleared = cleared(&failed);
        let record = timed?;
        cleared?;
        Ok(record)
    }

    /// Times everything. The names of programs that were not timed, or not in all ways, join `failed`.
    fn all_timed(
        &self,
        modality: &dyn Modality,
        failed: &mut BTreeSet<&'static str>,
    ) -> anyhow::Result<PeersRecord> {
        let (mut missing, mut notes) = (Vec::new(), Vec::new());
        let ours = Expected::of_run(self.run, self.timing.out)?;
        let mut models = vec![
            Model::ours(self.beside, PeerInput::Encoded),
            Model::ours(self.beside, PeerInput::File),
        ];
        for name in install::peers() {
            match self.start(name, modality, &ours, &mut notes) {
                Ok(program) => {
                    println!("  {name}: {}", program.version);
                    models.extend(program.into_models());
                }
                Err(error) if super::stopped(&error, &self.timing.machine.stop) => {
                    return Err(error);
                }
                Err(error) => {
                    let reason = one_line(&error);
                    println!("  {name}: not timed: {reason}");
                    failed.insert(name);
                    missing.push(MissingPeer {
                        name: name.to_owned(),
                        reason,
                    });
                }
            }
        }
        for &size in &self.timing.protocol.batches {
            for input in [PeerInput::Encoded, PeerInput::File] {
                for (program, peer) in self.batch(size, input, &ours, &mut models)? {
                    failed.extend(program);
                    missing.push(peer);
                }
            }
        }
        let turns = &self.timing.protocol.turns;
        Ok(PeersRecord {
            format: PeersRecord::FORMAT,
            run_id: self.run.run_id.clone(),
            test_rows: self.beside.test_rows,
            turns: TurnsRecord {
                rounds: turns.rounds,
                warmup: turns.warmup,
                repeats: turns.repeats,
                turn_seconds: turns.turn_seconds,
            },
            models: models.into_iter().filter_map(Model::finished).collect(),
            missing,
            notes,
        })
    }

    /// Times all models with this input at one batch size. Returns those that failed, each with its program.
    fn batch(
        &self,
        size: usize,
        input: PeerInput,
        ours: &Expected,
        models: &mut [Model<'_>],
    ) -> anyhow::Result<Vec<(Option<&'static str>, MissingPeer)>> {
        let protocol = self.timing.protocol;
        let stop = &self.timing.machine.stop;
        let file = match input {
            PeerInput::Encoded => None,
            PeerInput::File => Some(self.rows_file(size)?),
        };
        let mut missing = Vec::new();
        let mut failed = |model: &mut Model<'_>, error: &anyhow::Error| {
            let reason = format!("batch {size}: {}", one_line(error));
            println!("  {}: not timed: {reason}", model.name());
            let peer = MissingPeer {
                name: model.name().to_owned(),
                reason,
            };
            missing.push((model.program(), peer));
        };
        let mut ready: Vec<&mut Model<'_>> = Vec::new();
        let of_input = models.iter_mut().filter(|model| model.input() == input);
        for model in of_input {
            match model.prepare(size, file.as_deref(), ours) {
                Ok(()) => ready.push(model),
                Err(error) if model.is_ours() => return Err(error),
                Err(error) => failed(model, &error),
            }
        }
        let mut turns: Vec<Turn<'_>> = ready.iter_mut().map(|model| model.turn()).collect();
        let timings = by_turns(&mut turns, &protocol.turns, stop)?;
        drop(turns);
        for (model, timing) in ready.into_iter().zip(timings) {
            match timing {
                Ok(timing) => model.add(size, &timing),
                Err(error) if model.is_ours() => return Err(error.into()),
                Err(error) => failed(model, &error.into()),
            }
        }
        Ok(missing)
    }

    fn rows_file(&self, size: usize) -> anyhow::Result<PathBuf> {
        let path = std::path::absolute(self.folder.join(format!("rows-{size}.csv")))?;
        if !path.exists() {
            std::fs::create_dir_all(&self.folder)
                .with_context(|| format!("{}: cannot be created", self.folder.display()))?;
            rows_file::write(&path, self.beside.rows, size)?;
        }
        Ok(path)
    }
}
