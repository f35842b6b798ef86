//! What the baselines of a study reached, so that a run can say whether it beats them.

use crate::plan::PlannedRun;
use l0gm_report::out::OutDir;
use l0gm_train::{BaselineScore, Modality, Role, RunRecord, RunSpec};

/// The finished baselines in `out` on the same dataset and seed as `run`.
///
/// # Errors
/// The folder cannot be listed. A record that cannot be read is left out; the report says what is wrong with it.
pub(super) fn beside(
    run: &PlannedRun,
    modality: &dyn Modality,
    out: &OutDir,
) -> anyhow::Result<Vec<BaselineScore>> {
    if run.method.role == Role::Baseline {
        return Ok(Vec::new());
    }
    let methods = modality.methods();
    let baselines = methods.iter().filter(|info| info.role == Role::Baseline);
    let beginnings: Vec<String> = baselines
        .map(|info| {
            let spec = RunSpec {
                method: info.name.to_string(),
                lambda: None,
                ..run.spec.clone()
            };
            let id = spec.id();
            id.strip_suffix(&spec.hash()).unwrap_or(&id).to_owned()
        })
        .collect();
    let mut scores = Vec::new();
    for id in out.run_ids()? {
        if !beginnings.iter().any(|beginning| id.starts_with(beginning)) {
            continue;
        }
        let Ok(Some(record)) = l0gm_train::finished_record(&out.run(&id)) else {
            continue;
        };
        scores.extend(score_of(&record, &run.spec));
    }
    Ok(scores)
}

/// A baseline's score, if the record is one of a baseline on the same dataset, real or twin, with the same seed.
fn score_of(record: &RunRecord, spec: &RunSpec) -> Option<BaselineScore> {
    let same = record.method.role == Role::Baseline
        && record.spec.dataset == spec.dataset
        && record.spec.twin == spec.twin
        && record.spec.seed == spec.seed;
    let valid_nll = record.valid_nll.filter(|_| same)?;
    Some(BaselineScore {
        label: record.method.label.to_string(),
        valid_nll,
        rows: record.data.rows.clone(),
    })
}
