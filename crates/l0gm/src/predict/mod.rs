//! `cargo xtask predict MODEL NEW`: predicts new rows with a compact model, chunk by chunk, and writes class,
//! probabilities and key columns. What the rows are and how they are predicted is the modality's matter
//! ([`RowPredictor`]).

pub mod flags;
pub(crate) mod output;
mod summary;

use crate::modalities::{self, NewRows};
use crate::usage::usage;
use crate::{job, run};
use anyhow::Context;
use flags::{PredictFlags, PredictionFormat};
use indicatif::{ProgressBar, ProgressStyle};
use l0gm_data::{DataOptions, FetchPolicy};
use l0gm_train::{CompactFolder, PredictedRows, RowPredictor, StopFlag};
use output::Output;
use std::io::{BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::mpsc::sync_channel;
use std::time::Instant;
use summary::Summary;

/// Steps of the progress bar.
const STEPS: u64 = 1000;

/// Runs the command. Returns exit code 0, or 130 if it was stopped.
pub fn run(flags: &PredictFlags) -> anyhow::Result<ExitCode> {
    let target = Target::new(flags)?;
    output::check_columns(&flags.keep)?;
    let model = CompactFolder::find(&flags.model)?;
    let machine = job::machine_of(flags.threads.as_deref(), &flags.device)?;
    let rows = NewRows {
        model: &model,
        new: &flags.new,
        keep: &flags.keep,
        separator: flags.separator,
        text_column: flags.text_column.as_deref(),
        encoder: flags.encoder.as_deref(),
        data: DataOptions {
            model_dir: flags.model_dir.clone(),
            fetch: FetchPolicy::LocalOnly,
            ..DataOptions::default()
        },
        device: &machine.device,
    };
    let mut predictor = modalities::row_predictor(&rows)?;
    run::on_ctrl_c(machine.stop.clone())?;
    let bar = bar(flags);
    let mut work = Work {
        predictor: predictor.as_mut(),
        stop: &machine.stop,
        bar: &bar,
        begin: Instant::now(),
    };
    let found = target.write(flags, &mut work);
    bar.finish_and_clear();
    let Some(summary) = found? else {
        let what = match &target.file {
            Some(path) => format!("{} was not written", path.display()),
            None => "the predictions are not complete".to_owned(),
        };
        eprintln!("stopped: {what}");
        return Ok(ExitCode::from(run::INTERRUPTED));
    };
    if !flags.quiet {
        eprint!("{}", summary.text(predictor.as_ref()));
    }
    Ok(ExitCode::SUCCESS)
}

/// The file or stream that the predictions are written to, and their format.
struct Target {
    /// The file; `None` means standard output.
    file: Option<PathBuf>,
    format: PredictionFormat,
}

impl Target {
    fn new(flags: &PredictFlags) -> anyhow::Result<Self> {
        if flags.out == "-" {
            let format = flags.format.unwrap_or(PredictionFormat::Csv);
            if format == PredictionFormat::Parquet && std::io::stdout().is_terminal() {
                return Err(usage(
                    "--format parquet: a terminal cannot show Parquet; name a file with --out",
                ));
            }
            return Ok(Self { file: None, format });
        }
        let path = PathBuf::from(&flags.out);
        let shown = path.display();
        if path.is_dir() {
            return Err(usage(format!(
                "--out {shown}: is a folder; name a file in it"
            )));
        }
        let folder = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        if folder.is_some_and(|folder| !folder.is_dir()) {
            return Err(usage(format!(
                "--out {shown}: its folder does not exist; make it first"
            )));
        }
        if same_file(&path, Path::new(&flags.new)) {
            return Err(usage(format!(
                "--out {shown}: is the file of new rows; choose another name"
            )));
        }
        let ending = path.extension().and_then(|ending| ending.to_str());
        let format = match (flags.format, ending) {
            (Some(format), _) => format,
            (None, Some("csv")) => PredictionFormat::Csv,
            (None, Some("parquet")) => PredictionFormat::Parquet,
            (None, Some("jsonl" | "ndjson")) => PredictionFormat::Jsonl,
            (None, _) => {
                return Err(usage(format!(
                    "--out {shown}: its ending is not .csv, .parquet or .jsonl; say which with --format"
                )));
            }
        };
        Ok(Self {
            file: Some(path),
            format,
        })
    }

    /// Predicts all rows and writes them; `None` if the work was stopped. A file is then left as it was.
    fn write(&self, flags: &PredictFlags, work: &mut Work<'_>) -> anyhow::Result<Option<Summary>> {
        let Some(path) = &self.file else {
            return work.carry_out(std::io::stdout(), self.format, &flags.keep);
        };
        let mut outcome = None;
        let written = l0gm_gate::write_whole(path, |file, _| {
            let found = work.carry_out(file, self.format, &flags.keep);
            let complete = matches!(found, Ok(Some(_)));
            outcome = Some(found);
            match complete {
                true => Ok(()),
                false => Err(std::io::Error::other("not complete")),
            }
        });
        let failed = || format!("{}: cannot be written", path.display());
        match outcome {
            Some(Ok(Some(summary))) => written.with_context(failed).map(|()| Some(summary)),
            Some(found) => found,
            None => written.with_context(failed).map(|()| None),
        }
    }
}

/// Whether two names are of one existing file.
fn same_file(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

/// A progress bar on a terminal, else nothing.
fn bar(flags: &PredictFlags) -> ProgressBar {
    if flags.quiet || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(STEPS);
    if let Ok(style) = ProgressStyle::with_template("{wide_bar} {percent}% {msg} {eta}") {
        bar.set_style(style);
    }
    bar
}

/// The work on all rows.
struct Work<'a> {
    predictor: &'a mut dyn RowPredictor,
    stop: &'a StopFlag,
    bar: &'a ProgressBar,
    begin: Instant,
}

impl Work<'_> {
    /// Predicts on one thread and writes on another. `None` if the work was stopped.
    fn carry_out(
        &mut self,
        out: impl Write + Send,
        format: PredictionFormat,
        keep: &[String],
    ) -> anyhow::Result<Option<Summary>> {
        let header = self.predictor.header().clone();
        let (stop, bar, begin) = (self.stop, self.bar, self.begin);
        let predictor = &mut *self.predictor;
        // A few chunks may wait, so that neither side stands still for long.
        let (sender, receiver) = sync_channel::<(PredictedRows, Option<f64>)>(2);
        std::thread::scope(|scope| {
            let predicting = scope.spawn(move || -> anyhow::Result<()> {
                while !stop.is_set() {
                    // On a thread of the pool, as in training.
                    let found = rayon::scope(|_| predictor.next_rows())?;
                    let Some(rows) = found else {
                        return Ok(());
                    };
                    if sender.send((rows, predictor.share())).is_err() {
                        // The writer failed and says why.
                        return Ok(());
                    }
                }
                Ok(())
            });
            let mut output = Output::new(BufWriter::new(out), format, header, keep);
            let mut rows = 0u64;
            let mut written = Ok(());
            for (chunk, share) in receiver {
                rows += chunk.probabilities.rows() as u64;
                written = output.write(&chunk);
                if written.is_err() || stop.is_set() {
                    break;
                }
                if let Some(share) = share {
                    bar.set_position((share * STEPS as f64) as u64);
                }
                bar.set_message(format!("{} rows", l0gm_report::format::count(rows)));
            }
            let predicted = match predicting.join() {
                Ok(predicted) => predicted,
                Err(panic) => std::panic::resume_unwind(panic),
            };
            written?;
            predicted?;
            output.finish()?;
            let seconds = begin.elapsed().as_secs_f64();
            Ok((!stop.is_set()).then_some(Summary { rows, seconds }))
        })
    }
}
