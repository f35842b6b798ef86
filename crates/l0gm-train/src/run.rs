//! The course of every run, whatever its method: fit, judge, record.
//!
//! A finished run is not repeated, and an interrupted one continues. The record is written last, so that its presence
//! means that the run is finished.

use crate::judge::{Judging, judge};
use crate::run_dir::{RunDir, finished_record, write_json};
use crate::{
    DataSummary, Error, Fitted, MethodInfo, Origins, Predictor, Result, RunContext, RunRecord,
    RunSpec,
};
use std::path::Path;

/// A run to be carried out: its spec, its data and what is judged.
#[derive(Clone, Debug)]
pub struct Experiment<'a> {
    /// Everything that the result depends on, except the data's bytes.
    pub spec: &'a RunSpec,
    /// The description of the method, for the record.
    pub method: MethodInfo,
    /// The description of the data, for the record.
    pub data: DataSummary,
    /// Where the validation and test rows stand in the user's data, so that predictions can be joined back to it;
    /// `None` if they come from no file.
    pub origins: Option<Origins>,
    /// Whether the predictor is also judged under the conditions of the robustness protocol.
    pub robustness: bool,
}

/// What the code that fits a model may know about its run.
#[derive(Clone, Copy, Debug)]
pub struct Sitting<'a> {
    /// The run's folder, locked by this process.
    pub run: &'a RunDir,
    /// The spec of the run.
    pub spec: &'a RunSpec,
    /// The description of the data that are fitted.
    pub data: &'a DataSummary,
}

impl Experiment<'_> {
    /// Fits, judges and records in the context's folder. If the run is already finished, returns its record
    /// unchanged.
    ///
    /// # Errors
    /// The folder holds another run or one on other data, fitting or judging fails, or a stop was requested.
    pub fn run<P: Predictor>(
        self,
        fit: impl FnOnce(Sitting<'_>, &mut RunContext<'_>) -> Result<Fitted<P>>,
        context: &mut RunContext<'_>,
    ) -> Result<RunRecord> {
        if let Some(record) = self.finished(&context.dir)? {
            return Ok(record);
        }
        let run = RunDir::open(&context.dir)?;
        self.run_in(&run, fit, context)
    }

    /// Like [`run`](Self::run), for callers that already hold the folder's lock.
    ///
    /// # Errors
    /// Those of [`run`](Self::run).
    pub fn run_in<P: Predictor>(
        self,
        run: &RunDir,
        fit: impl FnOnce(Sitting<'_>, &mut RunContext<'_>) -> Result<Fitted<P>>,
        context: &mut RunContext<'_>,
    ) -> Result<RunRecord> {
        if let Some(record) = self.finished(run.path())? {
            return Ok(record);
        }
        note_spec(run, self.spec)?;
        let sitting = Sitting {
            run,
            spec: self.spec,
            data: &self.data,
        };
        let fitted = fit(sitting, context)?;
        let judging = Judging {
            run,
            spec: self.spec,
            method: self.method,
            data: self.data,
            origins: self.origins,
            robustness: self.robustness,
        };
        let record = judge(judging, fitted, context)?;
        run.write_record(&record)?;
        Ok(record)
    }

    /// The record of a finished run in `dir`, after checking that it has this spec and these data; `None` where there
    /// is none.
    fn finished(&self, dir: &Path) -> Result<Option<RunRecord>> {
        let record = finished_record(dir)?;
        if let Some(record) = &record {
            check_spec(&dir.join("record.json"), &record.spec, self.spec)?;
            record.check_data(dir, &self.data.checksums)?;
        }
        Ok(record)
    }
}

/// Writes `spec.json` at the very beginning, so that the folder always says which run it belongs to.
fn note_spec(run: &RunDir, spec: &RunSpec) -> Result<()> {
    let path = run.path().join("spec.json");
    if !path.exists() {
        return write_json(&path, spec);
    }
    let text = std::fs::read(&path).map_err(|e| Error::io(&path, "read this file", &e))?;
    let there: RunSpec = serde_json::from_slice(&text).map_err(|e| {
        Error::file(
            &path,
            format!("not a run's spec ({e}); delete this folder to start over"),
        )
    })?;
    check_spec(&path, &there, spec)
}

fn check_spec(path: &Path, there: &RunSpec, asked: &RunSpec) -> Result<()> {
    if there.id() == asked.id() {
        return Ok(());
    }
    Err(Error::file(
        path,
        format!(
            "this folder belongs to the run {}, not to {}; choose another output folder",
            there.id(),
            asked.id()
        ),
    ))
}
