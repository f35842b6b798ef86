//! Turns a study's judged points into the figure of metric and ECE by condition and severity.

use super::{bins, mean, score, setting};
use crate::figures::{self, Figure, Plot, Shifted, Spot};
use crate::study::{Point, Study};
use l0gm_train::{Condition, ConditionKind, Score};

pub(super) fn figure(study: &Study<'_>, points: &[&Point<'_>]) -> Figure {
    let ticks = |kind: ConditionKind| {
        let own = Condition::PROTOCOL.into_iter();
        let own = own.filter(move |c| c.kind == kind).map(Some);
        [None].into_iter().chain(own)
    };
    let kinds = ConditionKind::ALL.into_iter().map(|kind| {
        let labels = ticks(kind).map(|condition| match condition {
            None => "–".to_owned(),
            // Written as ".05" to save room, because the ticks are close together.
            Some(condition) => {
                let severity = condition.severity.to_string();
                severity.strip_prefix('0').unwrap_or(&severity).to_owned()
            }
        });
        (symbol(kind).to_owned(), labels.collect())
    });
    let series = points.iter().map(|point| Shifted {
        label: point.label(),
        gated: point.is_subject(),
        spots: ConditionKind::ALL
            .into_iter()
            .map(|kind| ticks(kind).filter_map(|c| spot(point, c)).collect())
            .collect(),
    });
    let noise = points.iter().filter_map(|point| {
        point.maybe(|r| {
            r.robustness
                .as_ref()
                .and_then(|r| mean(r, |s| Some(s.ece_noise)))
        })
    });
    let noise: Vec<f64> = noise.map(|e| e.mean).collect();
    let plot = figures::Robustness {
        title: format!("{}: under perturbation", study.tag()),
        kinds: kinds.collect(),
        series: series.collect(),
        noise: noise.iter().sum::<f64>() / noise.len().max(1) as f64,
    };
    let caption = format!(
        "Accuracy (above) and ECE with {} bins before and after temperature scaling (below) by kind and severity \
         of perturbation; “–” is the same rows as they are{}. {}",
        bins(study),
        if points.iter().any(|p| p.runs.len() > 1) {
            "; means over seeds, bars of one standard deviation"
        } else {
            "; one seed"
        },
        setting(study)
    );
    Figure {
        id: format!("robustness-{}", study.slug()),
        alt: caption.clone(),
        caption: format!("{}. {caption}", study.name()),
        plot: Plot::Robustness(plot),
    }
}

fn symbol(kind: ConditionKind) -> &'static str {
    match kind {
        ConditionKind::Missingness => "missing, p",
        ConditionKind::Noise => "noise, σ",
        ConditionKind::Quantisation => "bits",
        ConditionKind::Occlusion => "occluded, r",
    }
}

fn spot(point: &Point<'_>, condition: Option<Condition>) -> Option<Spot> {
    let of = |f: fn(&Score) -> f64| point.maybe(|r| score(r, condition).map(f));
    let accuracy = of(|s| s.accuracy)?;
    Some(Spot {
        accuracy: accuracy.mean,
        accuracy_std: accuracy.std,
        ece: of(|s| s.ece)?.mean,
        ece_scaled: of(|s| s.ece_scaled)?.mean,
    })
}
