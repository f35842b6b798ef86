//! From trials to what they say on the validation split, and to the settings that are taken. Nothing here reads a
//! figure of the test split: of a record only its learning curve is parsed.

use super::{TOLERANCE, TrialRun};
use crate::modalities;
use anyhow::Context;
use l0gm_report::out::OutDir;
use l0gm_train::EpochRecord;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

/// The part of a run's record that a search may see.
#[derive(Debug, Deserialize)]
struct LearningCurve {
    history: Vec<EpochRecord>,
    best_epoch: usize,
}

/// What a trial of one method came to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Judged {
    /// Validation loss at the selected epoch, mean over seeds.
    Loss(f64),
    /// A run ended too far from the active fraction that was asked for, at this one: its loss is one of another sparsity.
    Missed(f64),
    /// A run failed, or diverged.
    Failed,
}

impl Judged {
    /// The loss, where it may be compared.
    pub(super) fn loss(self) -> Option<f64> {
        match self {
            Self::Loss(loss) => Some(loss),
            Self::Missed(_) | Self::Failed => None,
        }
    }
}

/// One method's trials by number.
pub(super) type Losses = BTreeMap<usize, Judged>;

/// A study's trials by method.
pub(super) type ByMethod = BTreeMap<String, Losses>;

/// The validation losses of every method's trials of one modality. `target`: the active fraction asked of gated runs.
pub(super) fn losses(
    runs: &[&TrialRun],
    target: Option<f64>,
    out: &OutDir,
) -> anyhow::Result<ByMethod> {
    let mut found: BTreeMap<(String, usize), Vec<Option<EpochRecord>>> = BTreeMap::new();
    for run in runs {
        let epoch = selected(&out.run(&run.spec.id()).join("record.json"))?;
        let key = (run.spec.method.clone(), run.trial);
        found.entry(key).or_default().push(epoch);
    }
    let mut by_method = ByMethod::new();
    for ((method, trial), epochs) in found {
        let target = target.filter(|_| modalities::has_knob(&method));
        let epochs: Option<Vec<EpochRecord>> = epochs.into_iter().collect();
        let judged = epochs.map_or(Judged::Failed, |epochs| judged(&epochs, target));
        by_method.entry(method).or_default().insert(trial, judged);
    }
    Ok(by_method)
}

/// One trial's seeds together.
fn judged(epochs: &[EpochRecord], target: Option<f64>) -> Judged {
    let loss = epochs.iter().map(|e| e.valid_loss).sum::<f64>() / epochs.len() as f64;
    let far = |active: f64| target.map_or(0.0, |target| (active - target).abs());
    let active = epochs.iter().map(|e| e.active_fraction);
    let farthest = active.max_by(|a, b| far(*a).total_cmp(&far(*b)));
    match farthest {
        _ if !loss.is_finite() => Judged::Failed,
        // Fractions are counts over counts: what is written as two points apart is.
        Some(active) if far(active) > TOLERANCE + 1e-9 => Judged::Missed(active),
        _ => Judged::Loss(loss),
    }
}

/// Mean share of dimensions that a trial's gated runs left open, at the selected epoch; `None` where one has not
/// finished, or none is gated.
pub(super) fn active(runs: &[TrialRun], trial: usize, out: &OutDir) -> anyhow::Result<Option<f64>> {
    let of_trial = |run: &&TrialRun| run.trial == trial && run.gated;
    let mut shares = Vec::new();
    for run in runs.iter().filter(of_trial) {
        let epoch = selected(&out.run(&run.spec.id()).join("record.json"))?;
        shares.push(epoch.map(|epoch| epoch.active_fraction));
    }
    let count = shares.len() as f64;
    let sum: Option<f64> = shares.into_iter().sum();
    Ok(sum.map(|sum| sum / count).filter(|share| share.is_finite()))
}

/// The selected epoch; `None` where the run has not finished.
fn selected(record: &Path) -> anyhow::Result<Option<EpochRecord>> {
    if !record.exists() {
        return Ok(None);
    }
    let shown = record.display();
    let bytes = std::fs::read(record).with_context(|| format!("{shown}: cannot be read"))?;
    let curve: LearningCurve = serde_json::from_slice(&bytes).with_context(|| {
        format!("{shown}: not a run's record; delete it to run the trial again")
    })?;
    let mut epochs = curve.history.into_iter();
    Ok(epochs.find(|epoch| epoch.epoch == curve.best_epoch))
}

/// The trial with the lowest loss, the first of equals; `None` where none finished.
pub(super) fn best(losses: &Losses) -> Option<usize> {
    let finished = losses
        .iter()
        .filter_map(|(trial, judged)| Some((*trial, judged.loss()?)));
    finished
        .min_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)))
        .map(|(trial, _)| trial)
}

/// The mean over methods of each trial that counts for all of them: a trial's backbone is the same for all.
pub(super) fn joint(by_method: &ByMethod) -> Losses {
    let trials = by_method.values().flat_map(|losses| losses.keys().copied());
    let trials: std::collections::BTreeSet<usize> = trials.collect();
    let methods = by_method.len() as f64;
    let mean = |trial: usize| -> Judged {
        let each = || {
            by_method
                .values()
                .filter_map(move |losses| losses.get(&trial).copied())
        };
        let sum: Option<f64> = each().map(Judged::loss).sum();
        match sum.filter(|_| each().count() == by_method.len()) {
            Some(sum) => Judged::Loss(sum / methods),
            None => {
                let not = |judged: &Judged| judged.loss().is_none();
                let worst = each()
                    .filter(not)
                    .min_by_key(|judged| *judged != Judged::Failed);
                worst.unwrap_or(Judged::Failed)
            }
        }
    };
    trials
        .into_iter()
        .map(|trial| (trial, mean(trial)))
        .collect()
}
