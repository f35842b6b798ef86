//! What happens to every run, whatever its modality: train, predict, judge, measure, record.
//!
//! The order is the protocol's: selection by validation loss alone, the test split read once, at the
//! end, the record written last, so that a record means a finished run.

use crate::predict::predict_and_read;
use crate::robustness;
use crate::run_dir::{RunDir, finished_record, write_json};
use crate::trainer::{Outcome, TrainConfig, train_on};
use crate::{
    CompactFolder, CompactHeader, CompactSummary, Compacted, DataSummary, Encoder, Error,
    GatedModel, Head, Latency, Metrics, PredictionTable, Result, Robustness, RunContext, RunRecord,
    RunSpec, Sizes, Split, Task, latency_of, latency_rows, write_predictions,
};
use l0gm_gate::GateReading;
use l0gm_gate::calibration::{
    CalibrationReport, CalibrationSettings, Predictions, fit_temperature, reliability_bins,
};
use std::collections::BTreeMap;
use std::path::Path;

/// Bins of every binned calibration measure (design: M = 15).
const BINS: usize = 15;
/// Resamples of the bootstrap interval and of the noise floor.
const RESAMPLES: usize = 500;

/// What every modality does once its task and model stand: train (or continue), predict valid and
/// test, score, measure latency, write `predictions.parquet`, a compact model's folder `compact` and
/// `record.json` into the run's directory. `compact` builds the compact model of the trained one (or
/// `None`); a dense model is not asked, and neither is one whose gates read their examples or stand below
/// the interface: they fold into no layer behind it.
/// `fields` names the interface's fields ("age", ...), empty for flat interfaces.
///
/// A finished run is not run again: its record is returned as it stands, unless the checksums in
/// `data` are not the record's. That is an error, like a checkpoint of other data.
pub fn run_experiment<T, E, H>(
    spec: &RunSpec,
    data: DataSummary,
    fields: &[String],
    task: &T,
    model: &GatedModel<E, H>,
    config: &TrainConfig,
    sizes: Sizes,
    compact: impl FnOnce(&GatedModel<E, H>) -> Result<Option<Compacted>>,
    context: &mut RunContext<'_>,
) -> Result<RunRecord>
where
    T: Task,
    E: Encoder<Input = T::Input>,
    H: Head<T::Input>,
{
    if let Some(record) = finished_before(spec, &data, &context.dir)? {
        return Ok(record);
    }
    let run = RunDir::open(&context.dir)?;
    run_experiment_in(
        &run, spec, data, fields, task, model, config, sizes, compact, context,
    )
}

/// The record of a run that has finished in `dir`, after a look at whether it is this spec's and of these
/// data; `None` where there is none.
fn finished_before(spec: &RunSpec, data: &DataSummary, dir: &Path) -> Result<Option<RunRecord>> {
    let record = finished_record(dir)?;
    if let Some(record) = &record {
        check_spec(&dir.join("record.json"), &record.spec, spec)?;
        record.check_data(dir, &data.checksums)?;
    }
    Ok(record)
}

/// [`run_experiment`] in a folder that the caller has locked already, for whoever writes files of its own
/// there first. `run` is `context.dir`'s.
pub fn run_experiment_in<T, E, H>(
    run: &RunDir,
    spec: &RunSpec,
    data: DataSummary,
    fields: &[String],
    task: &T,
    model: &GatedModel<E, H>,
    config: &TrainConfig,
    sizes: Sizes,
    compact: impl FnOnce(&GatedModel<E, H>) -> Result<Option<Compacted>>,
    context: &mut RunContext<'_>,
) -> Result<RunRecord>
where
    T: Task,
    E: Encoder<Input = T::Input>,
    H: Head<T::Input>,
{
    if let Some(record) = finished_before(spec, &data, run.path())? {
        return Ok(record);
    }
    note_spec(run, spec)?;
    let outcome = train_on(
        &data.checksums,
        task,
        model,
        config,
        spec.seed,
        &context.device,
        run,
        context.progress,
        &context.stop,
    )?;
    let mut of_split = |split| {
        predict_and_read(
            task,
            model,
            split,
            config.eval_batch_size,
            &context.device,
            context.progress,
            &context.stop,
        )
    };
    let (valid, _) = of_split(Split::Valid)?;
    let (test, reading) = of_split(Split::Test)?;
    if test.rows.is_empty() {
        return Err(Error::Task(
            "the test split is empty: there is nothing to judge by".to_owned(),
        ));
    }
    let latency = latency(task, model, config.eval_batch_size, context)?;
    let compact = if !model.gates().is_empty() && model.check_compactable().is_ok() {
        compact(model)?
    } else {
        None
    };
    let mut gate = reading;
    if !fields.is_empty() {
        gate.count_fields(model.gate.interface(), fields)?;
    }
    write_predictions(&run.predictions_path(), &[valid.clone(), test.clone()])?;
    let scaling = fit_temperature(&valid.logits_f64(), &valid.labels, valid.classes)?;
    let robustness = if config.robustness {
        let judged = robustness::Judged {
            task,
            model,
            scaling,
            batch_size: config.eval_batch_size,
            seed: spec.seed,
            bins: BINS,
        };
        robustness::judge(&judged, &test, context)?
    } else {
        None
    };
    let compact = match compact {
        Some(compact) => Some(keep_compact(run, spec, &data, scaling, compact)?),
        None => None,
    };
    let judged = Judged {
        gate,
        robustness,
        compact,
        latency,
        sizes,
        scaling,
    };
    let record = record(spec, data, outcome, &valid, &test, judged, context)?;
    run.write_record(&record)?;
    Ok(record)
}

/// What was found out about a model besides its predictions.
struct Judged {
    gate: GateReading,
    robustness: Option<Robustness>,
    compact: Option<CompactSummary>,
    latency: Latency,
    sizes: Sizes,
    /// The temperature fitted on the validation split.
    scaling: f64,
}

/// Writes a compact model into the run's folder; what the record says of it is returned.
fn keep_compact(
    run: &RunDir,
    spec: &RunSpec,
    data: &DataSummary,
    scaling: f64,
    compact: Compacted,
) -> Result<CompactSummary> {
    let Compacted { summary, parts } = compact;
    let Some(parts) = parts else {
        return Ok(summary);
    };
    let header = CompactHeader {
        format: CompactFolder::FORMAT,
        modality: spec.modality.clone(),
        run_id: spec.id(),
        classes: data.classes.clone(),
        temperature: scaling,
        gated: summary.gated,
        compact: summary.compact,
        files: BTreeMap::new(),
        model: serde_json::Value::Null,
    };
    CompactFolder::write(&run.compact_path(), header, parts)?;
    Ok(summary)
}

fn record(
    spec: &RunSpec,
    data: DataSummary,
    outcome: Outcome,
    valid: &PredictionTable,
    test: &PredictionTable,
    judged: Judged,
    context: &RunContext<'_>,
) -> Result<RunRecord> {
    let scaling = judged.scaling;
    let as_trained = Predictions::from_logits(&test.logits_f64(), &test.labels, test.classes)?;
    let scaled_logits: Vec<f64> = test.logits_f64().iter().map(|l| l / scaling).collect();
    let scaled = Predictions::from_logits(&scaled_logits, &test.labels, test.classes)?;
    let settings = CalibrationSettings {
        bins: BINS,
        resamples: RESAMPLES,
        seed: spec.seed,
    };
    let report = |predictions| CalibrationReport::new(predictions, settings);
    let epochs = outcome.history.last().map_or(0, |last| last.epoch);
    Ok(RunRecord {
        format: RunRecord::FORMAT,
        run_id: spec.id(),
        spec: spec.clone(),
        data,
        test: Metrics::from_predictions(test),
        valid: Metrics::from_predictions(valid),
        calibration: report(&as_trained)?,
        calibration_scaled: report(&scaled)?,
        scaling_temperature: scaling,
        reliability: reliability_bins(&as_trained, BINS)?,
        reliability_scaled: reliability_bins(&scaled, BINS)?,
        robustness: judged.robustness,
        gate: judged.gate,
        compact: judged.compact,
        history: outcome.history,
        best_epoch: outcome.best_epoch,
        epochs,
        train_seconds: outcome.train_seconds,
        latency_us_per_example: judged.latency.per_example_us(),
        latency_p95_us_per_example: judged.latency.p95_per_example_us(),
        latency_batch: judged.latency.batch,
        device: context.device_name.clone(),
        threads: context.threads,
        sizes: judged.sizes,
        versions: versions(),
        predictions: vec![Split::Valid, Split::Test],
    })
}

/// Times the forward pass of one batch of test rows.
fn latency<T, E, H>(
    task: &T,
    model: &GatedModel<E, H>,
    eval_batch_size: usize,
    context: &mut RunContext<'_>,
) -> Result<Latency>
where
    T: Task,
    E: Encoder<Input = T::Input>,
    H: Head<T::Input>,
{
    let rows = latency_rows(task, eval_batch_size)?;
    let batch = task.batch(Split::Test, &rows, &context.device)?;
    latency_of(rows.len(), || {
        model.logits(&batch.input)?;
        Ok(context.device.synchronize()?)
    })
}

/// `spec.json` says whose folder it is from the first moment on.
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

fn versions() -> BTreeMap<String, String> {
    [
        ("l0gm", env!("CARGO_PKG_VERSION")),
        ("candle", env!("L0GM_CANDLE")),
        ("rustc", env!("L0GM_RUSTC")),
        ("machine", &crate::machine::machine()),
    ]
    .map(|(name, version): (&str, &str)| (name.to_owned(), version.to_owned()))
    .into()
}
