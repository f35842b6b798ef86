//! Scores a predictor's answers under the conditions of the protocol.

use super::{Condition, ConditionResult, Robustness, Score};
use crate::{Error, Metrics, Perturbed, PredictionTable, ProgressEvent, Result, RunContext, Split};
use l0gm_gate::calibration::{
    CalibrationSettings, EqualWidth, Predictions, brier_score, ece_noise_floor,
    expected_calibration_error, negative_log_likelihood, scale_logits,
};
use std::time::Instant;

/// Resamples of each noise floor. So few are enough, because only the mean is used.
const RESAMPLES: usize = 100;

/// What the perturbed predictions are scored against.
pub(crate) struct Scoring<'a> {
    /// The unperturbed predictions of the whole test split.
    pub(crate) clean: &'a PredictionTable,
    /// The temperature fitted on validation. Logits are divided by it.
    pub(crate) scaling: f64,
    /// Seed for redrawing labels for the noise floor.
    pub(crate) seed: u64,
    /// Number of equal-width bins of the ECEs.
    pub(crate) bins: usize,
}

/// Scores every condition of [`Condition::PROTOCOL`], and the same rows without a perturbation. `began` is the time
/// at which predicting the first condition began.
///
/// # Errors
/// The logits do not match the rows, or a row is not in the test split.
pub(crate) fn score_conditions(
    scoring: &Scoring<'_>,
    perturbed: Perturbed,
    began: Instant,
) -> Result<Robustness> {
    let Perturbed { rows, outcomes } = perturbed;
    if outcomes.len() != Condition::PROTOCOL.len() {
        return Err(Error::Task(format!(
            "robustness: {} conditions were predicted, the protocol has {}",
            outcomes.len(),
            Condition::PROTOCOL.len()
        )));
    }
    let mut untouched = Vec::with_capacity(rows.len() * scoring.clean.classes);
    for &row in &rows {
        untouched.extend_from_slice(clean_row(scoring.clean, row)?);
    }
    let mut conditions = Vec::with_capacity(outcomes.len());
    for (condition, outcome) in Condition::PROTOCOL.into_iter().zip(outcomes) {
        conditions.push(ConditionResult {
            condition,
            at: outcome.at,
            score: scoring.score(&rows, outcome.logits)?,
        });
    }
    Ok(Robustness {
        rows: rows.len(),
        bins: scoring.bins,
        clean: scoring.score(&rows, untouched)?,
        conditions,
        seconds: began.elapsed().as_secs_f64(),
    })
}

impl Scoring<'_> {
    /// Scores the logits of `rows`, in this order. The labels are taken from the unperturbed predictions.
    fn score(&self, rows: &[u32], logits: Vec<f32>) -> Result<Score> {
        let clean = self.clean;
        if logits.len() != rows.len() * clean.classes {
            return Err(Error::Task(format!(
                "robustness: {} logits for {} rows of {} classes",
                logits.len(),
                rows.len(),
                clean.classes
            )));
        }
        let labels = rows.iter().map(|row| clean.labels[*row as usize]).collect();
        let table = PredictionTable {
            split: Split::Test,
            rows: rows.to_vec(),
            labels,
            logits,
            classes: clean.classes,
        };
        let metrics = Metrics::from_predictions(&table);
        let raw = table.logits_f64();
        let settings = CalibrationSettings {
            bins: self.bins,
            resamples: RESAMPLES,
            seed: self.seed,
        };
        let bins = EqualWidth::new(self.bins)?;
        let of = |logits: &[f64]| Predictions::from_logits(logits, &table.labels, table.classes);
        let trained = of(&raw)?;
        let scaled = of(&scale_logits(&raw, self.scaling)?)?;
        let ece = |p: &Predictions| expected_calibration_error(&bins.sums(&p.top_label()));
        let noise = ece_noise_floor(&trained.top_label(), settings)?;
        Ok(Score {
            accuracy: metrics.accuracy,
            auc: metrics.auc,
            macro_f1: metrics.macro_f1,
            nll: negative_log_likelihood(&trained),
            brier: brier_score(&trained),
            ece: ece(&trained),
            ece_noise: noise.mean,
            nll_scaled: negative_log_likelihood(&scaled),
            brier_scaled: brier_score(&scaled),
            ece_scaled: ece(&scaled),
        })
    }
}

/// The unperturbed logits of one row. The table holds the whole split in row order.
fn clean_row(clean: &PredictionTable, row: u32) -> Result<&[f32]> {
    let start = row as usize * clean.classes;
    clean
        .logits
        .get(start..start + clean.classes)
        .ok_or_else(|| {
            Error::Task(format!(
                "robustness: row {row} is planned, but the test split has {} rows",
                clean.rows.len()
            ))
        })
}

/// Tells the user which condition is being predicted. A predictor calls it before each one.
///
/// # Errors
/// [`Error::Stopped`] after a stop request.
pub fn report_condition(context: &mut RunContext<'_>, step: usize, steps: usize) -> Result<()> {
    context.progress.event(&ProgressEvent {
        stage: "robustness",
        step,
        steps,
        loss: None,
        metric: None,
        active_fraction: None,
    });
    if context.stop.is_set() {
        return Err(Error::Stopped);
    }
    Ok(())
}
