//! Which gated model to recommend, by evidence on the validation rows.
//!
//! The rule: the sparsest gated model whose validation NLL lies within one standard error of the best one's. The best is
//! looked for among the gated models and the dense one beside them. The standard error is that of the mean paired
//! difference over the same validation rows, which is far smaller than that of either loss: two models mostly find the
//! same rows hard. Accuracy alone would be a poor judge; half a point of it hides losses that calibration needs.

use crate::grouping;
use crate::out::OutDir;
use crate::significance::{Scored, differences, scored};
use crate::study::{Point, Study};
use l0gm_train::{RunRecord, Split};
use std::collections::{BTreeMap, BTreeSet};

/// The recommended point of each study, by the run id of its lowest seed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choices(BTreeSet<String>);

impl Choices {
    /// Reads the validation predictions of a folder's runs and chooses. A study of which predictions cannot be read has
    /// no choice; the gated point of the lowest validation loss then stands for it.
    pub fn of(out: &OutDir, records: &[RunRecord]) -> Self {
        let read = |run: &RunRecord| scored(out, run, Split::Valid);
        let studies = grouping::studies(records);
        Self(
            studies
                .iter()
                .filter_map(|study| choose(study, &read))
                .collect(),
        )
    }

    /// Groups records into studies that know their choice.
    pub fn studies<'a>(&self, records: &'a [RunRecord]) -> Vec<Study<'a>> {
        let mut studies = grouping::studies(records);
        for study in &mut studies {
            let mut points = study.points.iter();
            study.chosen = points.position(|point| self.0.contains(&point.first().run_id));
        }
        studies
    }
}

/// Whether a point's validation NLL lies within one standard error of another's, by paired differences on the validation
/// rows, so that these rows cannot tell them apart. `None` if the predictions cannot be paired.
pub fn within_chance(out: &OutDir, point: &Point<'_>, other: &Point<'_>) -> Option<bool> {
    let read = |run: &RunRecord| scored(out, run, Split::Valid);
    within_one_error(point, other, &mut BTreeMap::new(), &read)
}

type Read<'r> = &'r dyn Fn(&RunRecord) -> Result<Scored, String>;

/// The run id of the chosen point; `None` if there is no gated point or its predictions cannot be compared.
fn choose(study: &Study<'_>, read: Read<'_>) -> Option<String> {
    let mut candidates: Vec<&Point<'_>> = study.gated().collect();
    candidates.sort_by(|a, b| a.active().total_cmp(&b.active()));
    let with_dense = |point: &&&Point<'_>| study.dense_beside(point).is_some();
    let beside = candidates.iter().find(with_dense);
    let dense = beside.and_then(|point| study.dense_beside(point));
    let best = candidates
        .iter()
        .copied()
        .chain(dense)
        .min_by(|a, b| a.valid_loss().total_cmp(&b.valid_loss()))?;
    let mut losses = BTreeMap::new();
    for point in &candidates {
        if std::ptr::eq(*point, best) || within_one_error(point, best, &mut losses, read)? {
            return Some(point.first().run_id.clone());
        }
    }
    // Only dense is that good. Of the gated points, the best one comes nearest.
    study.best().map(|point| point.first().run_id.clone())
}

/// Whether the mean paired difference of the validation NLL is at most its standard error. `None` if the predictions
/// cannot be paired.
fn within_one_error(
    point: &Point<'_>,
    best: &Point<'_>,
    losses: &mut BTreeMap<String, Result<Scored, String>>,
    read: Read<'_>,
) -> Option<bool> {
    let shared: Vec<(&RunRecord, &RunRecord)> = point
        .runs
        .iter()
        .filter_map(|a| {
            let b = best.runs.iter().find(|b| b.spec.seed == a.spec.seed)?;
            Some((*a, *b))
        })
        .collect();
    for (a, b) in &shared {
        for run in [a, b] {
            let id = run.run_id.clone();
            losses.entry(id).or_insert_with(|| read(run));
        }
    }
    let scored = |run: &RunRecord| losses.get(&run.run_id)?.as_ref().ok();
    let pairs: Option<Vec<(&Scored, &Scored)>> = shared
        .iter()
        .map(|(a, b)| Some((scored(a)?, scored(b)?)))
        .collect();
    let strata = differences(&pairs?).ok()?;
    // One stratum a seed, or one of means where all seeds have the same rows.
    const NLL: usize = 1;
    let count = strata.len() as f64;
    let (mut mean, mut square) = (0.0, 0.0);
    for stratum in &strata {
        let n = stratum.len() as f64;
        let of_seed = stratum.iter().map(|d| d[NLL]).sum::<f64>() / n;
        let squares = stratum.iter().map(|d| (d[NLL] - of_seed).powi(2));
        let variance = squares.sum::<f64>() / (n - 1.0).max(1.0);
        mean += of_seed / count;
        square += variance / n / (count * count);
    }
    Some(mean <= square.sqrt())
}

#[cfg(test)]
#[path = "choice_tests.rs"]
mod tests;
