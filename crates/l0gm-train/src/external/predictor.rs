//! The predictor of a program: it has answered everything that its judge may ask.

use super::answer::{self, Facts};
use super::process::ExternalTool;
use super::rows::{ExternalPart, ExternalRows};
use super::task::TASK;
use super::written::Written;
use crate::{
    Condition, Error, Fitted, Latency, Offered, Outcome, Perturbed, PerturbedLogits,
    PredictionTable, Predictor, ProgressEvent, Result, RunContext, Sitting, Sizes, Split,
};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Probabilities of a run's rows, from a program.
#[derive(Debug)]
pub struct ExternalPredictor {
    tool: String,
    valid: PredictionTable,
    test: PredictionTable,
    /// One entry a condition of the protocol; empty if it was not asked for.
    perturbed: Vec<PerturbedLogits>,
    facts: Facts,
}

/// The files of one call, in a folder of its own below `external` in the run's folder. A program that an earlier call
/// left behind cannot answer this one: its folder is gone.
struct Folder {
    path: PathBuf,
    /// The folder `external`, which keeps the task, the answer's facts and what was printed.
    kept: PathBuf,
}

impl Folder {
    fn new(run: &Path) -> Result<Self> {
        // The program need not run where the runner does.
        let kept = std::path::absolute(run.join("external"))
            .map_err(|e| Error::io(run, "find this folder", &e))?;
        if kept.exists() {
            fs::remove_dir_all(&kept).map_err(|e| Error::io(&kept, "empty this folder", &e))?;
        }
        let nonce = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_nanos());
        let path = kept.join(format!("call-{}-{nonce}", std::process::id()));
        let answers = path.join("answers");
        fs::create_dir_all(&answers).map_err(|e| Error::io(&answers, "create this folder", &e))?;
        Ok(Self { path, kept })
    }

    fn answer(&self, name: &str) -> PathBuf {
        self.path.join("answers").join(format!("{name}.parquet"))
    }

    /// Keeps what is small and removes the rows and probabilities. What cannot be moved or removed stays: the answers have
    /// been read, and a run is not lost over its leftovers.
    fn clear(&self) {
        for name in ["task.json", "answer.json", "log.txt"] {
            drop(fs::rename(self.path.join(name), self.kept.join(name)));
        }
        drop(fs::remove_dir_all(&self.path));
    }
}

/// What one call asks to predict, by the names of its files.
fn asked(robustness: bool) -> Vec<(String, ExternalPart)> {
    let mut parts = vec![
        ("valid".to_owned(), ExternalPart::Split(Split::Valid)),
        ("test".to_owned(), ExternalPart::Split(Split::Test)),
    ];
    if robustness {
        let conditions = Condition::PROTOCOL.iter().enumerate();
        parts.extend(conditions.map(|(at, condition)| {
            (
                format!("perturbed-{at:02}"),
                ExternalPart::Perturbed(*condition),
            )
        }));
    }
    parts
}

impl ExternalPredictor {
    /// Writes the rows, calls the tool and reads its answers. `settings` are handed to the tool as they are; with
    /// `robustness` it also predicts the test rows under every condition of the protocol.
    ///
    /// # Errors
    /// The tool cannot be started, fails, or takes too long; an answer is missing or wrong; a file cannot be written; or
    /// a stop was requested.
    pub fn fit(
        tool: &ExternalTool,
        data: &dyn ExternalRows,
        settings: Value,
        robustness: bool,
        sitting: Sitting<'_>,
        context: &mut RunContext<'_>,
    ) -> Result<Fitted<Self>> {
        let folder = Folder::new(sitting.run.path())?;
        let parts = asked(robustness);
        let classes = &sitting.data.classes;
        let run = sitting.spec.id();
        let written = Written {
            folder: &folder.path,
            spec: sitting.spec,
            classes,
            threads: context.threads,
            settings,
        };
        let counts = written.write(data, &parts, &context.stop)?;
        let task = folder.path.join(TASK);
        context.progress.event(&ProgressEvent {
            stage: "external tool",
            step: 0,
            steps: 1,
            loss: None,
            metric: None,
            active_fraction: None,
        });
        let seconds = tool.call(&folder.path, &task, context.threads, &context.stop)?;
        let facts = answer::facts(&folder.path.join("answer.json"), &tool.name, &run)?;
        let mut notes = facts.notes.clone();
        let mut tables = Vec::with_capacity(parts.len());
        for ((name, part), rows) in parts.iter().zip(counts) {
            let p = answer::probabilities(&folder.answer(name), &tool.name, classes, rows)?;
            let split = match part {
                ExternalPart::Split(split) => *split,
                ExternalPart::Perturbed(_) => Split::Test,
            };
            let labels = data.labels(split).to_vec();
            let (table, raised) =
                PredictionTable::from_probabilities(split, labels, &p, classes.len())?;
            if raised > 0 {
                notes.push(format!(
                    "{name}: {raised} probabilities below 1e-15 were raised to it"
                ));
            }
            tables.push((*part, table));
        }
        folder.clear();
        let mut tables = tables.into_iter();
        let (Some((_, valid)), Some((_, test))) = (tables.next(), tables.next()) else {
            return Err(Error::Task(format!("{}: nothing was asked", tool.name)));
        };
        let perturbed = tables.filter_map(|(part, table)| match part {
            ExternalPart::Perturbed(condition) => Some(PerturbedLogits {
                at: data.place(condition.kind),
                logits: table.logits,
            }),
            ExternalPart::Split(_) => None,
        });
        let mut outcome = Outcome::without_epochs(facts.fit_seconds.unwrap_or(seconds));
        outcome.notes = notes;
        Ok(Fitted {
            predictor: Self {
                tool: tool.name.clone(),
                perturbed: perturbed.collect(),
                valid,
                test,
                facts,
            },
            outcome,
        })
    }
}

impl Predictor for ExternalPredictor {
    fn predict(&mut self, split: Split, _: &mut RunContext<'_>) -> Result<PredictionTable> {
        match split {
            Split::Valid => Ok(self.valid.clone()),
            Split::Test => Ok(self.test.clone()),
            Split::Train => Err(Error::Task(format!(
                "{} was not asked about training rows",
                self.tool
            ))),
        }
    }

    fn perturbed(
        &mut self,
        conditions: &[Condition],
        _: u64,
        _: &mut RunContext<'_>,
    ) -> Result<Offered<Perturbed>> {
        if conditions != Condition::PROTOCOL || self.perturbed.is_empty() {
            return Ok(Offered::No(format!(
                "{} was not asked about perturbed rows",
                self.tool
            )));
        }
        Ok(Offered::Yes(Perturbed {
            rows: self.test.rows.clone(),
            outcomes: self.perturbed.clone(),
        }))
    }

    fn latency(&mut self, _: &mut RunContext<'_>) -> Result<Offered<Latency>> {
        Ok(Offered::No(
            "another program's passes are not timed in a run".to_owned(),
        ))
    }

    fn sizes(&self) -> Offered<Sizes> {
        match self.facts.parameters {
            None => Offered::No(format!("{} does not say how large its model is", self.tool)),
            Some(parameters) => Offered::Yes(Sizes {
                parameters,
                flops: 0,
                bytes: self.facts.bytes.unwrap_or(0),
            }),
        }
    }
}
