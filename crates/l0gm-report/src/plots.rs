//! Turns a study's points into the data that `figures/` draws.

use super::arms::{by_sparsity, knob_in_words};
use super::figures::{
    Confusion, Curve, Dense, Figure, Frontier, FrontierPoint, GateRow, Gates, Learning, Moment,
    Plot, Reliability,
};
use super::format;
use super::study::{Point, Study};
use l0gm_gate::calibration::{Bin, CalibrationReport};
use l0gm_train::RunRecord;

/// A point's name for use in file names, such as "dense" or "l0gm-1e-3".
pub(crate) fn point_slug(point: &Point<'_>) -> String {
    let mut slug = point.method.name.to_string();
    if let Some(lambda) = point.lambda {
        slug.push_str(&format!("-{}", format::lambda(lambda)));
    } else if point.is_subject() {
        // A point without a lambda was trained towards an active fraction, which its variant states.
        let words = point.variant.chars();
        slug.push('-');
        slug.extend(words.map(|c| {
            if c.is_ascii_alphanumeric() || c == '.' {
                c
            } else {
                '-'
            }
        }));
    }
    slug
}

fn figure(study: &Study<'_>, id: &str, caption: String, plot: Plot) -> Figure {
    Figure {
        id: format!("{id}-{}", study.slug()),
        alt: caption.clone(),
        caption: format!("{}. {caption}", study.name()),
        plot,
    }
}

/// Accuracy and ECE against sparsity.
pub(crate) fn frontier(study: &Study<'_>) -> Option<Figure> {
    let points = by_sparsity(study);
    if points.is_empty() {
        return None;
    }
    let plot = Frontier {
        title: format!(
            "{}: the frontier over {}",
            study.tag(),
            knob_in_words(&points)
        ),
        points: points
            .iter()
            .map(|point| {
                let accuracy = point.over(|r| r.test.accuracy);
                let ece = point.over(|r| r.calibration.ece);
                let scaled = point.over(|r| r.calibration_scaled.ece);
                FrontierPoint {
                    label: point.sparsity(),
                    active: point.active(),
                    accuracy: accuracy.mean,
                    accuracy_std: accuracy.std,
                    ece: ece.mean,
                    ece_std: ece.std,
                    ece_scaled: scaled.mean,
                    ece_scaled_std: scaled.std,
                }
            })
            .collect(),
        dense: study.dense_beside_all(&points).map(|dense| Dense {
            accuracy: dense.over(|r| r.test.accuracy).mean,
            ece: dense.over(|r| r.calibration.ece).mean,
            ece_scaled: dense.over(|r| r.calibration_scaled.ece).mean,
        }),
        noise: points
            .iter()
            .copied()
            .chain(study.dense_beside_all(&points))
            .map(|p| p.over(|r| r.calibration.ece_noise).mean)
            .fold(0.0, f64::max),
    };
    Some(figure(
        study,
        "frontier",
        format!(
            "Accuracy (above) and ECE with {} bins (below) against the active fraction, one point a λ or target; test split{}",
            super::tables::bins_of(study),
            match study.has_spread() {
                true => "; bars of one standard deviation over seeds",
                false => "; one seed",
            }
        ),
        Plot::Frontier(plot),
    ))
}

/// Training loss, validation loss and active fraction by epoch.
pub(crate) fn learning(study: &Study<'_>) -> Figure {
    let gated = by_sparsity(study);
    let shown = study.dense_beside_all(&gated).into_iter().chain(gated);
    let curves = shown.map(|point| {
        let run = point.first();
        Curve {
            label: if point.is_subject() {
                point.sparsity_in_words()
            } else {
                point.method.name.to_string()
            },
            gated: point.is_subject(),
            epochs: run
                .history
                .iter()
                .map(|e| Moment {
                    epoch: e.epoch as f64,
                    train_loss: e.train_loss,
                    valid_loss: e.valid_loss,
                    active: e.active_fraction,
                })
                .collect(),
            best: run.best_epoch as f64,
        }
    });
    let plot = Learning {
        title: format!("{}: learning curves", study.tag()),
        curves: curves.collect(),
    };
    let seed = study.runs().next().map_or(0, |run| run.spec.seed);
    figure(
        study,
        "learning",
        format!(
            "Training loss (above; with noise and dropout, without the penalty), validation loss and active fraction of the deterministic gate (below) by epoch; seed {seed}; dots mark the selected epoch; what lies above the frame is not drawn"
        ),
        Plot::Learning(plot),
    )
}

/// Reliability before and after scaling, for dense and for the recommended point.
pub(crate) fn reliability(study: &Study<'_>) -> Vec<Figure> {
    let mut figures = Vec::new();
    for point in [study.dense(), study.pick()].into_iter().flatten() {
        let before: Vec<&[Bin]> = point
            .runs
            .iter()
            .map(|r| r.reliability.as_slice())
            .collect();
        let after: Vec<&[Bin]> = point
            .runs
            .iter()
            .map(|r| r.reliability_scaled.as_slice())
            .collect();
        let ece = point.over(|r| r.calibration.ece).mean;
        let scaled = point.over(|r| r.calibration_scaled.ece).mean;
        let floor = |f: fn(&RunRecord) -> &CalibrationReport| {
            let mean = |g: fn(&CalibrationReport) -> f64| point.over(|r| g(f(r))).mean;
            (mean(|c| c.ece_noise), mean(|c| c.ece_noise_p95))
        };
        for (state, id, bins, ece, (noise, noise_p95)) in [
            (
                "before scaling",
                "before",
                before,
                ece,
                floor(|r| &r.calibration),
            ),
            (
                "after scaling",
                "after",
                after,
                scaled,
                floor(|r| &r.calibration_scaled),
            ),
        ] {
            let plot = Reliability {
                title: format!("{}: {}, {state}", study.tag(), point.label()),
                bins: pooled(&bins),
            };
            figures.push(figure(
                study,
                &format!("reliability-{}-{id}", point_slug(point)),
                format!(
                    "Reliability of {} {state}: ECE {} (noise floor {}, 95th percentile {}) with {} bins{}",
                    point.label(),
                    format::fraction(ece),
                    format::fraction(noise),
                    format::fraction(noise_p95),
                    bins.first().map_or(0, |b| b.len()),
                    if point.runs.len() > 1 {
                        "; counts summed over seeds"
                    } else {
                        ""
                    }
                ),
                Plot::Reliability(plot),
            ));
        }
    }
    figures
}

/// Pools the bins of several seeds: counts are added, and means are weighted by the counts.
fn pooled(seeds: &[&[Bin]]) -> Vec<Bin> {
    let mut pooled: Vec<Bin> = seeds.first().map(|bins| bins.to_vec()).unwrap_or_default();
    for bins in seeds.iter().skip(1) {
        for (into, bin) in pooled.iter_mut().zip(*bins) {
            let (a, b) = (into.count as f64, bin.count as f64);
            if a + b > 0.0 {
                into.confidence = (into.confidence * a + bin.confidence * b) / (a + b);
                into.accuracy = (into.accuracy * a + bin.accuracy * b) / (a + b);
            }
            into.count += bin.count;
        }
    }
    pooled
}

/// Confusion matrices of dense and of the recommended point.
pub(crate) fn confusion(study: &Study<'_>) -> Vec<Figure> {
    let points = [study.dense(), study.pick()].into_iter().flatten();
    points
        .map(|point| {
            let mut counts = point.first().test.confusion.clone();
            for run in point.runs.iter().skip(1) {
                for (into, row) in counts.iter_mut().zip(&run.test.confusion) {
                    for (into, count) in into.iter_mut().zip(row) {
                        *into += count;
                    }
                }
            }
            let plot = Confusion {
                title: format!("{}: {}", study.tag(), point.label()),
                classes: point.first().data.classes.clone(),
                counts,
            };
            figure(
                study,
                &format!("confusion-{}", point_slug(point)),
                format!(
                    "Confusion matrix of {}; shading is the share of the true class{}",
                    point.label(),
                    if point.runs.len() > 1 {
                        "; counts summed over seeds"
                    } else {
                        ""
                    }
                ),
                Plot::Confusion(plot),
            )
        })
        .collect()
}

/// Shows how close the gates are to fully open or closed; `None` if the study has no gated runs.
pub(crate) fn gates(study: &Study<'_>) -> Option<Figure> {
    let points = by_sparsity(study);
    let rows: Vec<GateRow> = points
        .iter()
        .filter(|point| !point.first().gate.open_probability.is_empty())
        .map(|point| {
            let gate = &point.first().gate;
            GateRow {
                label: format!(
                    "{}: {} of {} dimensions open",
                    point.sparsity_in_words(),
                    format::count(gate.open_dims as u64),
                    format::count(gate.total_dims as u64)
                ),
                open_probability: gate.open_probability.clone(),
            }
        })
        .collect();
    (!rows.is_empty()).then(|| {
        let plot = Gates {
            title: format!("{}: how decided the gates are", study.tag()),
            rows,
        };
        figure(
            study,
            "gates",
            format!(
                "Histogram of every gate's probability of being open, by {}; a decided gate lies at an end",
                knob_in_words(&points)
            ),
            Plot::Gates(plot),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pooled_bins_add_counts_and_weigh_means() {
        let bin = |count, accuracy| Bin {
            low: 0.0,
            high: 1.0,
            count,
            confidence: 0.5,
            accuracy,
        };
        let one = [bin(1, 1.0)];
        let two = [bin(3, 0.0)];
        let pooled = pooled(&[&one, &two]);
        assert_eq!((pooled[0].count, pooled[0].accuracy), (4, 0.25));
    }
}
