//! Compares trials on the validation split and chooses settings. Nothing here reads results on the test split: of a
//! record, only the learning curve is parsed.

use super::{TOLERANCE, TrialRun};
use crate::modalities;
use anyhow::Context;
use l0gm_report::out::OutDir;
use l0gm_train::EpochRecord;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

/// The part of a run's record that a search may read.
#[derive(Debug, Deserialize)]
struct LearningCurve {
    history: Vec<EpochRecord>,
    best_epoch: usize,
}

/// The outcome of a trial for one method.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Judged {
    /// Validation loss at the selected epoch, as a mean over seeds.
    Loss(f64),
    /// A run ended too far from the target active fraction, at this fraction. Its loss belongs to another sparsity
    /// and is not compared.
    Missed(f64),
    /// A run failed or diverged.
    Failed,
}

impl Judged {
    /// The loss, if it may be compared.
    pub(super) fn loss(self) -> Option<f64> {
        match self {
            Self::Loss(loss) => Some(loss),
            Self::Missed(_) | Self::Failed => None,
        }
    }
}

/// The outcomes of one method's trials, by trial number.
pub(super) type Losses = BTreeMap<usize, Judged>;

/// The outcomes of a study's trials, by method.
pub(super) type ByMethod = BTreeMap<String, Losses>;

/// The validation losses of one modality's trials, by method. `target` is the target active fraction of gated runs.
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

/// Combines one trial's seeds.
fn judged(epochs: &[EpochRecord], target: Option<f64>) -> Judged {
    let loss = epochs.iter().map(|e| e.valid_loss).sum::<f64>() / epochs.len() as f64;
    let far = |active: f64| target.map_or(0.0, |target| (active - target).abs());
    let active = epochs.iter().map(|e| e.active_fraction);
    let farthest = active.max_by(|a, b| far(*a).total_cmp(&far(*b)));
    match farthest {
        _ if !loss.is_finite() => Judged::Failed,
        // Fractions are quotients of counts, so allow for rounding: a fraction exactly two points away still counts.
        Some(active) if far(active) > TOLERANCE + 1e-9 => Judged::Missed(active),
        _ => Judged::Loss(loss),
    }
}

/// Mean active fraction of a trial's gated runs at the selected epoch; `None` if one of them has not finished or no
/// run is gated.
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

/// The selected epoch; `None` if the run has not finished.
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

/// The trial with the lowest loss, or the first of several equal ones; `None` if none finished.
pub(super) fn best(losses: &Losses) -> Option<usize> {
    let finished = losses
        .iter()
        .filter_map(|(trial, judged)| Some((*trial, judged.loss()?)));
    finished
        .min_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)))
        .map(|(trial, _)| trial)
}

/// The mean loss over methods of each trial that counts for all of them. The methods share a trial's backbone
/// settings.
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
