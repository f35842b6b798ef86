//! The first line of a study's result: what to take, or that nothing here is worth taking and what to try.

use super::decision::Decided;
use super::findings::name;
use l0gm_report::choice::within_chance;
use l0gm_report::study::{Point, Study};
use l0gm_report::{OutDir, format};

/// A model may lose this share of its validation NLL to a baseline before it counts as worse: less is the luck of the
/// rows. The warnings of single runs draw the same line.
const WORSE: f64 = 0.01;
/// With fewer rows than this in all, no difference between models can be shown.
pub(super) const FEW_ROWS: usize = 50;

/// What to do, in one or two sentences.
pub(super) fn verdict(out: &OutDir, study: &Study<'_>, decided: Option<&Decided>) -> String {
    let Some(pick) = study.pick() else {
        return "No gated model has finished, so nothing is recommended.".to_owned();
    };
    let nll = |point: &Point<'_>| format::fraction(point.over(|r| r.calibration.nll).mean);
    let best = study
        .others()
        .filter(|point| point.valid_loss().is_finite())
        .min_by(|a, b| a.valid_loss().total_cmp(&b.valid_loss()));
    // Probabilities that class weights have moved are no worse model: their loss says nothing against a baseline without.
    let settings = &pick.first().spec.settings;
    let is_weighted = settings["train"]["class-weights"] == "balanced";
    let beaten = |best: &&Point<'_>| pick.valid_loss() > best.valid_loss() * (1.0 + WORSE);
    let better = best.filter(|best| !is_weighted && beaten(best));
    let by_chance = better.filter(|best| within_chance(out, pick, best) == Some(true));
    if let Some(best) = better.filter(|_| by_chance.is_none()) {
        return format!(
            "No gated model beats {}: validation NLL {} against {}. Use that one; or try larger targets (--target \
             75%,50%), more rows, or leaving out columns that name single rows (--ignore).",
            best.label(),
            format::fraction(pick.valid_loss()),
            format::fraction(best.valid_loss()),
        );
    }
    let rows: usize = pick.first().data.rows.values().sum();
    let take = match rows < FEW_ROWS {
        true => format!(
            "With {rows} rows in all, differences between models are mostly luck: nothing is recommended. The validation \
             rows would have chosen"
        ),
        false => "Take".to_owned(),
    };
    let mut text = format!(
        "{take} {}: {} of {} dimensions, accuracy {} and NLL {} on test rows",
        name(pick),
        format::count(pick.over(|r| r.gate.open_dims as f64).mean.round() as u64),
        format::count(pick.first().gate.total_dims as u64),
        format::percent(pick.over(|r| r.test.accuracy).mean),
        nll(pick),
    );
    let beside: Vec<String> = study
        .dense_beside(pick)
        .into_iter()
        .chain(best)
        .map(|point| format!("{} {}", point.label(), nll(point)))
        .collect();
    if !beside.is_empty() {
        text.push_str(&format!(" ({})", beside.join(", ")));
    }
    text.push('.');
    if let Some(best) = by_chance {
        text.push_str(&format!(
            " On validation rows {} reads {} against {}, which is within chance: more rows would tell.",
            best.label(),
            format::fraction(best.valid_loss()),
            format::fraction(pick.valid_loss()),
        ));
    }
    if is_weighted {
        text.push_str(
            " It was trained with every class counting the same, so the probabilities of rarer classes are too high: \
             compare NLL and ECE with a study without --balanced.",
        );
    }
    if let Some(class) = decided.and_then(never_named) {
        text.push_str(&format!(
            " It never names {class}, because another class is always likelier: --threshold max-f1 (or recall=0.8) \
             decides by a threshold instead."
        ));
    }
    text
}

/// Of two classes, the one that no test row is decided as, although some are of it and no threshold was asked for.
fn never_named(decided: &Decided) -> Option<&str> {
    let two = decided.classes.len() == 2 && decided.threshold.is_none();
    let unnamed = |k: &usize| decided.precision[*k].is_none() && decided.recall[*k].is_some();
    let class = (0..decided.classes.len()).find(unnamed).filter(|_| two)?;
    Some(&decided.classes[class])
}
