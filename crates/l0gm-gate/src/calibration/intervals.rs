//! Every measure with its uncertainty: a bootstrap interval (rows redrawn with replacement) and the noise floor
//! (labels redrawn from the predictions), which is what perfectly calibrated predictions like these read.

use super::bootstrap::check_resamples;
use super::measure::values;
use super::{CalibrationReport, CalibrationSettings, EqualWidth, Measure, Predictions};
use crate::{Result, quantile};
use l0gm_ops::Generator;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A measure of some predictions, and how far to trust it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// On the rows as they are.
    pub value: f64,
    /// Lower end of the 95% interval; 0 for an error within `noise_p95`, because such predictions may be
    /// perfectly calibrated.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Mean of the measure over labels redrawn from the predictions.
    pub noise: f64,
    /// 95th percentile of the same.
    pub noise_p95: f64,
}

/// Every measure that is defined for these predictions. Intervals are mirrored ("basic") ones, as ECE's
/// ([`bootstrap_ece`](super::bootstrap_ece)), and contain the value. ECE's own uncertainty is
/// [`CalibrationReport`]'s, so that a run's record and this agree. The resamples depend on the seed alone, not on
/// the number of threads.
///
/// # Errors
/// No bins or no resamples, or absurdly many.
pub fn measure_all(
    predictions: &Predictions,
    settings: CalibrationSettings,
) -> Result<BTreeMap<Measure, Measured>> {
    let width = EqualWidth::new(settings.bins)?;
    check_resamples(settings.resamples)?;
    let rows = resample(predictions, settings, "calibration rows", redraw_rows)?;
    let labels = resample(predictions, settings, "calibration labels", redraw_labels)?;
    let mut all = BTreeMap::new();
    for (measure, value) in values(predictions, width)? {
        let (rows, labels) = (sorted(&rows, measure), sorted(&labels, measure));
        let noise_p95 = quantile(&labels, 0.95);
        let centre = measure.centre(value, predictions, width);
        let mirrored = |quantile: f64| value - (quantile - centre);
        let low = if measure.is_error() && value <= noise_p95 {
            0.0
        } else {
            mirrored(quantile(&rows, 0.975)).clamp(0.0, value)
        };
        let highest = measure.highest().max(value);
        let measured = Measured {
            value,
            low,
            high: mirrored(quantile(&rows, 0.025)).clamp(value, highest),
            noise: labels.iter().sum::<f64>() / labels.len() as f64,
            noise_p95,
        };
        all.insert(measure, measured);
    }
    let report = CalibrationReport::new(predictions, settings)?;
    all.insert(
        Measure::Ece,
        Measured {
            value: report.ece,
            low: report.ece_low,
            high: report.ece_high,
            noise: report.ece_noise,
            noise_p95: report.ece_noise_p95,
        },
    );
    Ok(all)
}

/// Every measure's value on some rows.
type Values = BTreeMap<Measure, f64>;

/// The one resampling loop: every measure's values on rows redrawn by `redraw`, resample by resample.
fn resample(
    predictions: &Predictions,
    settings: CalibrationSettings,
    stream: &str,
    redraw: fn(&Predictions, &mut Generator) -> Drawn,
) -> Result<Vec<Values>> {
    let width = EqualWidth::new(settings.bins)?;
    let generator = Generator::new(settings.seed);
    (0..settings.resamples as u64)
        .into_par_iter()
        .map(|number| {
            let drawn = redraw(predictions, &mut generator.stream(stream, number));
            let classes = predictions.classes();
            let drawn = Predictions::new(drawn.probabilities, drawn.labels, classes)?;
            values(&drawn, width)
        })
        .collect()
}

/// One measure's values over all resamples, ascending.
fn sorted(resamples: &[Values], measure: Measure) -> Vec<f64> {
    let of = |values: &Values| values.get(&measure).copied();
    let mut sorted: Vec<f64> = resamples.iter().filter_map(of).collect();
    sorted.sort_by(f64::total_cmp);
    sorted
}

/// Rows as they were redrawn.
struct Drawn {
    probabilities: Vec<f64>,
    labels: Vec<u32>,
}

/// As many rows, each any of them.
fn redraw_rows(predictions: &Predictions, generator: &mut Generator) -> Drawn {
    let n = predictions.len();
    let mut drawn = Drawn {
        probabilities: Vec::with_capacity(n * predictions.classes()),
        labels: Vec::with_capacity(n),
    };
    for _ in 0..n {
        let row = generator.below(n as u64) as usize;
        drawn.probabilities.extend(predictions.row(row));
        drawn.labels.push(predictions.labels()[row]);
    }
    drawn
}

/// The same rows, each with a label of its own distribution.
fn redraw_labels(predictions: &Predictions, generator: &mut Generator) -> Drawn {
    let label = |row: &[f64]| {
        let mut rest = generator.uniform();
        let drawn = row.iter().position(|p| {
            rest -= p;
            rest < 0.0
        });
        // Rounding may leave a crumb: it belongs to the last class that can be.
        let last = row.iter().rposition(|p| *p > 0.0).unwrap_or(0);
        drawn.unwrap_or(last) as u32
    };
    Drawn {
        labels: predictions.rows().map(label).collect(),
        probabilities: predictions.rows().flatten().copied().collect(),
    }
}

#[cfg(test)]
#[path = "intervals_tests.rs"]
mod tests;
