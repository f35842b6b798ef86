//! Every measure with its uncertainty: a bootstrap interval (rows redrawn) and, for those that are 0 for
//! perfect calibration, the noise floor (labels redrawn from the predictions).

use l0gm_gate::Generator;
use l0gm_gate::calibration::{
    CalibrationReport, EqualWidth, Predictions, brier_score, class_wise_ece, debiased_l2,
    equal_mass_sums, expected_calibration_error, maximum_calibration_error,
    negative_log_likelihood, root_mean_square_calibration_error, smooth_ece,
};
use rayon::prelude::*;
use serde::Serialize;
use std::collections::BTreeMap;

/// A measure: its key, its name, the value.
type Value = (&'static str, f64);

/// Names by key, in the order of tables. Proper scores and accuracy first: rankings go by them.
pub(super) const NAMES: [(&str, &str); 10] = [
    ("nll", "NLL"),
    ("brier", "Brier score"),
    ("accuracy", "accuracy"),
    ("ece", "ECE"),
    ("ece_equal_mass", "equal-mass ECE"),
    ("ece_l2_debiased", "debiased L2 ECE"),
    ("ece_smooth", "smooth ECE"),
    ("ece_class_wise", "class-wise ECE"),
    ("ece_positive", "ECE on P(y = 1)"),
    ("mce", "MCE"),
];

/// One measure.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Measure {
    /// On the rows as they are.
    pub(super) value: f64,
    /// Lower end of the 95% interval.
    pub(super) low: f64,
    /// Upper end.
    pub(super) high: f64,
    /// Mean of the measure over labels redrawn from the predictions: what perfectly calibrated
    /// predictions like these read.
    pub(super) noise: f64,
    /// 95th percentile of the same.
    pub(super) noise_p95: f64,
}

/// By key; `ece_positive` for two classes only.
pub(super) type Measures = BTreeMap<&'static str, Measure>;

/// Every measure. ECE's uncertainty is [`CalibrationReport`]'s, so that a run's record and this agree;
/// the others' is made the same way. Errors: no bins, no resamples.
pub(super) fn measures(
    predictions: &Predictions,
    bins: usize,
    resamples: usize,
    seed: u64,
) -> anyhow::Result<Measures> {
    let report = CalibrationReport::new(predictions, bins, resamples, seed)?;
    let width = EqualWidth::new(bins)?;
    let generator = Generator::new(seed);
    let draw = |name: &str, redraw: fn(&Predictions, &mut Generator) -> Drawn| {
        (0..resamples as u64)
            .into_par_iter()
            .map(|i| {
                let drawn = redraw(predictions, &mut generator.stream(name, i));
                let classes = predictions.classes();
                let drawn = Predictions::new(drawn.probabilities, drawn.labels, classes)?;
                values(&drawn, width)
            })
            .collect::<anyhow::Result<Vec<Vec<Value>>>>()
    };
    let rows = draw("calibration rows", redraw_rows)?;
    let labels = draw("calibration labels", redraw_labels)?;
    let mut measures = Measures::new();
    for (at, (key, value)) in values(predictions, width)?.into_iter().enumerate() {
        let of = |draws: &[Vec<Value>]| -> Vec<f64> {
            let mut sorted: Vec<f64> = draws.iter().map(|values| values[at].1).collect();
            sorted.sort_by(f64::total_cmp);
            sorted
        };
        let (rows, labels) = (of(&rows), of(&labels));
        let noise_p95 = quantile(&labels, 0.95);
        // What the resamples are draws of. Debiased, they estimate the sample's error with its bias.
        let centre = match key {
            "ece_l2_debiased" => {
                root_mean_square_calibration_error(&width.sums(&predictions.top_label()))
            }
            _ => value,
        };
        let mirrored = |quantile: f64| value - (quantile - centre);
        let highest = if key == "nll" { f64::INFINITY } else { 1.0 };
        let low = if is_error(key) && value <= noise_p95 {
            0.0
        } else {
            mirrored(quantile(&rows, 0.975)).clamp(0.0, value)
        };
        measures.insert(
            key,
            Measure {
                value,
                low,
                high: mirrored(quantile(&rows, 0.025)).clamp(value, highest.max(value)),
                noise: labels.iter().sum::<f64>() / labels.len() as f64,
                noise_p95,
            },
        );
    }
    if let Some(ece) = measures.get_mut("ece") {
        *ece = Measure {
            value: report.ece,
            low: report.ece_low,
            high: report.ece_high,
            noise: report.ece_noise,
            noise_p95: report.ece_noise_p95,
        };
    }
    Ok(measures)
}

/// Whether perfect calibration would bring the measure to 0, but for the noise.
pub(super) fn is_error(key: &str) -> bool {
    key.starts_with("ece") || key == "mce"
}

/// Every measure's value, in a fixed order.
fn values(predictions: &Predictions, width: EqualWidth) -> anyhow::Result<Vec<Value>> {
    let top = predictions.top_label();
    let sums = width.sums(&top);
    let right = top.outcomes().iter().filter(|right| **right).count();
    let mut values = vec![
        ("nll", negative_log_likelihood(predictions)),
        ("brier", brier_score(predictions)),
        ("accuracy", right as f64 / top.len() as f64),
        ("ece", expected_calibration_error(&sums)),
        (
            "ece_equal_mass",
            expected_calibration_error(&equal_mass_sums(&top, width.bins())?),
        ),
        ("ece_l2_debiased", debiased_l2(&sums)),
        ("ece_smooth", smooth_ece(&top)),
        ("ece_class_wise", class_wise_ece(predictions, width.bins())?),
        ("mce", maximum_calibration_error(&sums)),
    ];
    if predictions.classes() == 2 {
        let positive = width.sums(&predictions.positive()?);
        values.push(("ece_positive", expected_calibration_error(&positive)));
    }
    Ok(values)
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

/// A quantile of ascending values, linear between neighbours.
fn quantile(ascending: &[f64], share: f64) -> f64 {
    let place = share * (ascending.len() - 1) as f64;
    let (below, rest) = (place.floor() as usize, place.fract());
    let above = (below + 1).min(ascending.len() - 1);
    ascending[below] * (1.0 - rest) + ascending[above] * rest
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// `n` rows of three classes whose labels follow softmax(logits), stated `sharper` times as sure.
    fn sample(n: usize, sharper: f64, seed: u64) -> Predictions {
        let mut generator = Generator::new(seed);
        let mut probabilities = Vec::new();
        let mut labels = Vec::new();
        for _ in 0..n {
            let logits: Vec<f64> = (0..3).map(|_| 1.5 * generator.normal()).collect();
            let softmax = |factor: f64| -> Vec<f64> {
                let sum: f64 = logits.iter().map(|x| (factor * x).exp()).sum();
                logits.iter().map(|x| (factor * x).exp() / sum).collect()
            };
            let mut rest = generator.uniform();
            let drawn = softmax(1.0).iter().position(|p| {
                rest -= p;
                rest < 0.0
            });
            labels.push(drawn.unwrap_or(2) as u32);
            probabilities.extend(softmax(sharper));
        }
        Predictions::new(probabilities, labels, 3).unwrap()
    }

    #[test]
    fn calibrated_predictions_lie_within_the_noise_and_bold_ones_beyond() {
        let honest = measures(&sample(2000, 1.0, 3), 15, 100, 1).unwrap();
        let bold = measures(&sample(2000, 2.5, 3), 15, 100, 1).unwrap();
        for key in [
            "ece",
            "ece_equal_mass",
            "ece_smooth",
            "ece_class_wise",
            "ece_l2_debiased",
        ] {
            let (honest, bold) = (honest[key], bold[key]);
            assert!(honest.value <= 1.2 * honest.noise_p95, "{key}: {honest:?}");
            assert!(bold.low > bold.noise_p95, "{key}: {bold:?}");
        }
    }

    #[test]
    fn intervals_hold_the_value_and_narrow_with_the_rows() {
        let few = measures(&sample(300, 2.0, 5), 15, 100, 1).unwrap();
        let many = measures(&sample(4800, 2.0, 5), 15, 100, 1).unwrap();
        for (key, measure) in &many {
            assert!(measure.low <= measure.value && measure.value <= measure.high);
            let wide = |m: &Measure| m.high - m.low;
            // MCE is its emptiest bin's, however many rows the others have.
            assert!(
                *key == "mce" || wide(measure) < wide(&few[key]),
                "{key}: {measure:?}"
            );
        }
    }

    #[test]
    fn the_interval_of_the_proper_scores_is_the_textbooks() {
        // A mean's bootstrap interval is its value plus and minus 1.96 standard errors.
        let predictions = sample(2000, 1.0, 7);
        let measured = measures(&predictions, 15, 1000, 1).unwrap()["nll"];
        let losses: Vec<f64> = (0..2000)
            .map(|i| -predictions.row(i)[predictions.labels()[i] as usize].ln())
            .collect();
        let mean = losses.iter().sum::<f64>() / 2000.0;
        let variance = losses.iter().map(|l| (l - mean).powi(2)).sum::<f64>() / 1999.0;
        let error = (variance / 2000.0).sqrt();
        assert!((measured.value - mean).abs() < 1e-12);
        assert!(
            ((mean - measured.low) / error - 1.96).abs() < 0.25,
            "{measured:?} {error}"
        );
        assert!(
            ((measured.high - mean) / error - 1.96).abs() < 0.25,
            "{measured:?} {error}"
        );
    }

    #[test]
    fn every_measure_has_a_name() {
        let all = measures(&sample(50, 1.0, 1), 15, 5, 1).unwrap();
        for key in all.keys() {
            assert!(NAMES.iter().any(|(known, _)| known == key), "{key}");
        }
        assert_eq!(
            all.len(),
            NAMES.len() - 1,
            "all but P(y = 1) of three classes"
        );
    }
}
