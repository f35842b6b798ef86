#![allow(clippy::unwrap_used)]
use super::*;
use crate::fixtures;
use l0gm_train::{PredictionTable, RunRecord};

/// Validation predictions of 400 rows in which every tenth row is hard. `extra` is added to the loss of some rows only,
/// so that the paired difference has a spread.
fn rows(extra: f64) -> Scored {
    let labels: Vec<u32> = (0..400).map(|row| row % 2).collect();
    let mut logits = Vec::new();
    for (row, &label) in labels.iter().enumerate() {
        let sure: f64 = if row % 10 == 0 { -1.0 } else { 2.0 };
        let sure = sure - if row % 4 == 0 { extra } else { 0.0 };
        let of = |class: u32| if class == label { sure as f32 } else { 0.0 };
        logits.extend([of(0), of(1)]);
    }
    Scored::of(&PredictionTable {
        split: Split::Valid,
        rows: (0..400).collect(),
        labels,
        logits,
        classes: 2,
    })
}

/// Chooses among the fixtures' gated points. `extra` gives a run's loss above the best by its active fraction (1 for
/// dense); the records' validation losses follow it.
fn chosen_active(extra: impl Fn(f64) -> f64) -> f64 {
    let mut records = fixtures::real_records();
    records.retain(|record| record.spec.dataset == "adult");
    for record in &mut records {
        record.valid_nll = Some(0.3 + extra(record.gate.active_fraction));
        for epoch in &mut record.history {
            epoch.valid_loss = 0.3 + extra(record.gate.active_fraction);
        }
    }
    let read = |run: &RunRecord| Ok(rows(extra(run.gate.active_fraction)));
    let mut studies = grouping::studies(&records);
    let id = choose(&studies[0], &read).unwrap();
    let choices = Choices([id].into());
    studies = choices.studies(&records);
    studies[0].pick().unwrap().active()
}

fn actives() -> Vec<f64> {
    let records = fixtures::real_records();
    let studies = grouping::studies(&records);
    let adult = studies.iter().find(|s| s.dataset == "adult").unwrap();
    let mut actives: Vec<f64> = adult.gated().map(|point| point.active()).collect();
    actives.sort_by(f64::total_cmp);
    actives
}

#[test]
fn equal_losses_leave_the_sparsest_model() {
    assert_eq!(chosen_active(|_| 0.0), actives()[0]);
}

#[test]
fn a_loss_beyond_one_standard_error_excludes_a_model_however_small_it_is() {
    let actives = actives();
    let (sparsest, next) = (actives[0], actives[1]);
    let between = (sparsest + next) / 2.0;
    let chosen = chosen_active(|active| if active < between { 0.5 } else { 0.0 });
    assert_eq!(chosen, next);
}

#[test]
fn a_gated_model_is_recommended_even_where_only_dense_is_good() {
    let chosen = chosen_active(|active| match active {
        dense if dense > 0.999 => 0.0,
        active => 1.0 + active,
    });
    // All gated models are worse; the one with the lowest loss is the sparsest here.
    assert_eq!(chosen, actives()[0]);
}

#[test]
fn a_study_whose_predictions_cannot_be_read_has_no_choice() {
    let records = fixtures::real_records();
    let studies = grouping::studies(&records);
    let read = |_: &RunRecord| Err("no file".to_owned());
    let choice = choose(&studies[0], &read);
    // Without a comparison only a sparsest model that is itself the best can be chosen.
    let best = studies[0].best().unwrap().first().run_id.clone();
    assert!(choice.is_none() || choice == Some(best));
}
