//! Judges a predictor, with the same code for every method.
//!
//! The order follows the protocol: selection is over before judging begins, and the test split is read only here.

use crate::robustness::{Scoring, score_conditions};
use crate::{
    CompactFolder, CompactHeader, CompactSummary, Compacted, Condition, DataSummary, Error,
    Evidence, Fitted, Legend, MethodInfo, Metrics, Origins, Predictor, Result, Role, RunContext,
    RunDir, RunRecord, RunSpec, Split, write_predictions,
};
use l0gm_gate::calibration::{
    CalibrationReport, CalibrationSettings, Predictions, fit_temperature, reliability_bins,
};
use std::collections::BTreeMap;

/// Number of bins of every binned calibration measure; the protocol's M is 15.
const BINS: usize = 15;
/// Number of resamples for bootstrap intervals and for the noise floor.
const RESAMPLES: usize = 500;

/// What is judged and where its files go.
#[derive(Debug)]
pub struct Judging<'a> {
    /// The run's folder, which the caller has locked.
    pub run: &'a RunDir,
    /// The spec of the run.
    pub spec: &'a RunSpec,
    /// The description of the method, for the record.
    pub method: MethodInfo,
    /// The description of the data, for the record.
    pub data: DataSummary,
    /// Where the judged rows stand in the user's data, for the file of predictions; `None` if that is not known.
    pub origins: Option<Origins>,
    /// Whether the conditions of the robustness protocol are judged as well.
    pub robustness: bool,
}

/// Predicts validation and test, scores both, fits the temperature on validation and measures whatever else the
/// predictor offers. Writes `predictions.parquet` and the folder `compact`. The caller writes the returned record.
///
/// # Errors
/// The test split is empty, a forward pass or a file operation fails, or a stop was requested.
pub fn judge<P: Predictor>(
    judging: Judging<'_>,
    fitted: Fitted<P>,
    context: &mut RunContext<'_>,
) -> Result<RunRecord> {
    let Fitted {
        mut predictor,
        outcome,
    } = fitted;
    let valid = predictor.predict(Split::Valid, context)?;
    let test = predictor.predict(Split::Test, context)?;
    for table in [&valid, &test] {
        table.check()?;
        let classes = judging.data.classes.len();
        if table.classes != classes && classes > 0 {
            return Err(Error::Task(format!(
                "method {} predicts {} classes, but the data have {classes}",
                judging.method.name, table.classes
            )));
        }
    }
    if test.rows.is_empty() {
        return Err(Error::Task(
            "the test split is empty: there is nothing to judge by".to_owned(),
        ));
    }
    let mut not_offered = Vec::new();
    let latency = predictor
        .latency(context)?
        .or_note("latency", &mut not_offered);
    let sizes = predictor.sizes().or_note("sizes", &mut not_offered);
    let compact = predictor
        .compact(context)?
        .or_note("compact form", &mut not_offered);
    let gate = predictor.gate()?;
    write_predictions(
        &judging.run.predictions_path(),
        &[valid.clone(), test.clone()],
        Legend {
            classes: &judging.data.classes,
            origins: judging.origins.as_ref(),
        },
    )?;
    let scaling = fit_temperature(&valid.logits_f64(), &valid.labels, valid.classes)?;
    let robustness = if judging.robustness {
        let scoring = Scoring {
            clean: &test,
            scaling,
            seed: judging.spec.seed,
            bins: BINS,
        };
        let began = std::time::Instant::now();
        predictor
            .perturbed(&Condition::PROTOCOL, judging.spec.seed, context)?
            .or_note("robustness", &mut not_offered)
            .map(|perturbed| score_conditions(&scoring, perturbed, began))
            .transpose()?
    } else {
        None
    };
    let compact = compact
        .map(|compact| keep_compact(&judging, scaling, compact))
        .transpose()?;
    let as_trained = Predictions::from_logits(&test.logits_f64(), &test.labels, test.classes)?;
    let scaled_logits: Vec<f64> = test.logits_f64().iter().map(|l| l / scaling).collect();
    let scaled = Predictions::from_logits(&scaled_logits, &test.labels, test.classes)?;
    let seed = judging.spec.seed;
    let settings = CalibrationSettings {
        bins: BINS,
        resamples: RESAMPLES,
        seed,
    };
    let report = |predictions| CalibrationReport::new(predictions, settings);
    let evidence = Evidence {
        valid_nll: valid.nll(),
        valid_labels: &valid.labels,
        rows: &judging.data.rows,
        baselines: &context.baselines,
        gate: &gate,
        history: &outcome.history,
        selection: outcome.selection,
    };
    // A baseline is what others are measured by, not a model that can fail.
    let warnings = match judging.method.role {
        Role::Baseline => Vec::new(),
        _ => evidence.warnings(),
    };
    let epochs = outcome.history.last().map_or(0, |last| last.epoch);
    Ok(RunRecord {
        format: RunRecord::FORMAT,
        run_id: judging.spec.id(),
        spec: judging.spec.clone(),
        method: judging.method,
        data: DataSummary {
            notes: [judging.data.notes, outcome.notes].concat(),
            ..judging.data
        },
        test: Metrics::from_predictions(&test),
        valid: Metrics::from_predictions(&valid),
        valid_nll: Some(valid.nll()),
        calibration: report(&as_trained)?,
        calibration_scaled: report(&scaled)?,
        scaling_temperature: scaling,
        reliability: reliability_bins(&as_trained, settings)?,
        reliability_scaled: reliability_bins(&scaled, settings)?,
        robustness,
        gate,
        compression: outcome.kept,
        compact,
        selection: outcome.selection,
        warnings,
        not_offered,
        history: outcome.history,
        best_epoch: outcome.best_epoch,
        epochs,
        train_seconds: outcome.train_seconds,
        latency_us_per_example: latency.map(|latency| latency.per_example_us()),
        latency_p95_us_per_example: latency.map(|latency| latency.p95_per_example_us()),
        latency_batch: latency.map_or(0, |latency| latency.batch),
        device: context.device_name.clone(),
        threads: context.threads,
        sizes: sizes.unwrap_or_default(),
        versions: versions(),
        predictions: vec![Split::Valid, Split::Test],
    })
}

/// Writes a compact model into the run's folder and returns what the record says of it.
fn keep_compact(judging: &Judging<'_>, scaling: f64, compact: Compacted) -> Result<CompactSummary> {
    let Compacted { summary, parts } = compact;
    let Some(parts) = parts else {
        return Ok(summary);
    };
    let header = CompactHeader {
        format: CompactFolder::FORMAT,
        modality: judging.spec.modality.clone(),
        run_id: judging.spec.id(),
        classes: judging.data.classes.clone(),
        temperature: scaling,
        label: None,
        decision: None,
        gated: summary.gated,
        compact: summary.compact,
        files: BTreeMap::new(),
        model: serde_json::Value::Null,
    };
    CompactFolder::write(&judging.run.compact_path(), header, parts)?;
    Ok(summary)
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
