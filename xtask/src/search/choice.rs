//! From trials to what they say on the validation split, and to the settings that are taken. Nothing here reads a
//! figure of the test split: of a record only its learning curve is parsed.

use super::TrialRun;
use crate::out::OutDir;
use anyhow::Context;
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

/// What one method's trials came to: by number, the mean over seeds; absent where a run failed.
pub(super) type Losses = BTreeMap<usize, Option<f64>>;

/// A study's trials by method.
pub(super) type ByMethod = BTreeMap<String, Losses>;

/// The validation losses of every method's trials of one modality.
pub(super) fn losses(runs: &[&TrialRun], out: &OutDir) -> anyhow::Result<ByMethod> {
    let mut found: BTreeMap<(String, usize), Vec<Option<f64>>> = BTreeMap::new();
    for run in runs {
        let loss = selected_loss(&out.run(&run.spec.id()).join("record.json"))?;
        let key = (run.spec.method.clone(), run.trial);
        found.entry(key).or_default().push(loss);
    }
    let mut by_method = ByMethod::new();
    for ((method, trial), losses) in found {
        let seeds = losses.len() as f64;
        let all: Option<Vec<f64>> = losses.into_iter().collect();
        let mean = all.map(|all| all.iter().sum::<f64>() / seeds);
        let mean = mean.filter(|loss| loss.is_finite());
        by_method.entry(method).or_default().insert(trial, mean);
    }
    Ok(by_method)
}

/// Mean share of dimensions that a trial's gated runs left open, at the selected epoch; `None` where one has not
/// finished, or none is gated.
pub(super) fn active(runs: &[TrialRun], trial: usize, out: &OutDir) -> anyhow::Result<Option<f64>> {
    let of_trial = |run: &&TrialRun| run.trial == trial && run.spec.method != "dense";
    let mut shares = Vec::new();
    for run in runs.iter().filter(of_trial) {
        let epoch = selected(&out.run(&run.spec.id()).join("record.json"))?;
        shares.push(epoch.map(|epoch| epoch.active_fraction));
    }
    let count = shares.len() as f64;
    let sum: Option<f64> = shares.into_iter().sum();
    Ok(sum.map(|sum| sum / count).filter(|share| share.is_finite()))
}

fn selected_loss(record: &Path) -> anyhow::Result<Option<f64>> {
    Ok(selected(record)?.map(|epoch| epoch.valid_loss))
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
        .filter_map(|(trial, loss)| Some((*trial, (*loss)?)));
    finished
        .min_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)))
        .map(|(trial, _)| trial)
}

/// The mean over methods of each trial that all of them finished: a trial's backbone is the same for all.
pub(super) fn joint(by_method: &ByMethod) -> Losses {
    let trials = by_method.values().flat_map(|losses| losses.keys().copied());
    let trials: std::collections::BTreeSet<usize> = trials.collect();
    let methods = by_method.len() as f64;
    let mean = |trial: usize| -> Option<f64> {
        let each = by_method
            .values()
            .map(|losses| losses.get(&trial).copied().flatten());
        Some(each.sum::<Option<f64>>()? / methods)
    };
    trials
        .into_iter()
        .map(|trial| (trial, mean(trial)))
        .collect()
}
