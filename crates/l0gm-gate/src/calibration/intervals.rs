//! Every measure with its uncertainty: a bootstrap interval (from rows redrawn with replacement) and the noise floor
//! (from labels redrawn from the predictions), which is the value for perfectly calibrated predictions like these.

use super::measure::values;
use super::{CalibrationReport, CalibrationSettings, EqualWidth, Measure, Predictions};
use crate::{Result, quantile};
use l0gm_ops::Generator;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The value of a measure and its uncertainty.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// The value on the given rows.
    pub value: f64,
    /// Lower end of the 95% interval. For a calibration error within `noise_p95` it is 0, because such predictions
    /// may be perfectly calibrated.
    pub low: f64,
    /// Upper end of the 95% interval.
    pub high: f64,
    /// Mean of the measure over labels redrawn from the predictions.
    pub noise: f64,
    /// 95th percentile of the measure over these labels.
    pub noise_p95: f64,
}

/// Computes every measure that is defined for these predictions. The intervals are mirrored ("basic") like ECE's
/// ([`bootstrap_ece`](super::bootstrap_ece)) and contain the value. For ECE itself, the uncertainty is taken from
/// [`CalibrationReport`], so that it agrees with a run's record. The resamples depend only on the seed, not on the
/// number of threads.
///
/// # Errors
/// There are no bins or no resamples, or absurdly many.
pub fn measure_all(
    predictions: &Predictions,
    settings: CalibrationSettings,
) -> Result<BTreeMap<Measure, Measured>> {
    let width = EqualWidth::new(settings.bins)?;
    settings.check()?;
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

/// The values of all measures on some rows.
type Values = BTreeMap<Measure, f64>;

/// The only resampling loop: computes every measure on rows from `redraw`, once per resample.
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

/// The values of one measure over all resamples, in ascending order.
fn sorted(resamples: &[Values], measure: Measure) -> Vec<f64> {
    let of = |values: &Values| values.get(&measure).copied();
    let mut sorted: Vec<f64> = resamples.iter().filter_map(of).collect();
    sorted.sort_by(f64::total_cmp);
    sorted
}

/// Redrawn rows.
struct Drawn {
    probabilities: Vec<f64>,
    labels: Vec<u32>,
}

/// Draws as many rows as there are, with replacement.
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

/// Keeps the rows and draws each label from the row's own probabilities.
fn redraw_labels(predictions: &Predictions, generator: &mut Generator) -> Drawn {
    let label = |row: &[f64]| {
        let mut rest = generator.uniform();
        let drawn = row.iter().position(|p| {
            rest -= p;
            rest < 0.0
        });
        // Rounding may leave a small rest, which goes to the last class with a probability above 0.
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
