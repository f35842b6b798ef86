//! A study under the robustness protocol: mean accuracy over the conditions (Rob mu) of every point, each of the
//! twelve conditions, and their figure. Calibration under perturbation is shown beside accuracy throughout.

mod figure;
#[cfg(test)]
mod tests;

use super::document::Block;
use super::format;
use super::study::{Estimate, Point, Study};
use super::table::{Cell, Column, Table, numbers, words};
use super::tables::{estimate, name_cells, name_columns};
use figure::figure;
use l0gm_train::{Condition, ConditionKind, Robustness, RunRecord, Score};
use std::collections::BTreeSet;

/// The tables and the figure, or a sentence if no run of the study was judged.
pub(super) fn blocks(study: &Study<'_>) -> Vec<Block> {
    let mut blocks = vec![Block::Heading("Under perturbation".to_owned())];
    if !study.points.iter().any(is_judged) {
        blocks.push(Block::Paragraph(
            "These runs were not judged under perturbed test data: they were made before that was done, or \
             with `train.robustness` set to false."
                .to_owned(),
        ));
        return blocks;
    }
    blocks.push(Block::Table(by_point(study)));
    let shown = shown(study);
    if !shown.is_empty() {
        blocks.push(Block::Table(by_condition(study, Models::Shown, &shown)));
        blocks.push(Block::Figures(vec![figure(study, &shown)]));
    }
    let is_shown = |p: &&Point<'_>| shown.iter().any(|other| std::ptr::eq(*other, *p));
    let rest: Vec<_> = study.points.iter().filter(|p| is_judged(p)).collect();
    let rest: Vec<_> = rest.into_iter().filter(|p| !is_shown(p)).collect();
    if !rest.is_empty() {
        blocks.push(Block::Folded(by_condition(study, Models::Others, &rest)));
    }
    blocks
}

/// Rob mu over seeds, where a seed's Rob mu is its mean accuracy over the conditions. Absent if a run was not judged.
pub(super) fn rob_mu(point: &Point<'_>) -> Option<Estimate> {
    Some(point)
        .filter(|p| is_judged(p))
        .and_then(|p| p.maybe(|run| run.robustness.as_ref().map(Robustness::rob_mu)))
}

/// Whether every run of the point was judged under every condition.
fn is_judged(point: &Point<'_>) -> bool {
    let all = |run: &&RunRecord| {
        let mut conditions = Condition::PROTOCOL.into_iter();
        conditions.all(|condition| score(run, Some(condition)).is_some())
    };
    point.runs.iter().all(all)
}

/// Dense and the recommended point if they were judged; otherwise the first point that was.
fn shown<'s, 'a>(study: &'s Study<'a>) -> Vec<&'s Point<'a>> {
    let both = [study.dense(), study.pick()].into_iter().flatten();
    let mut shown: Vec<_> = both.filter(|p| is_judged(p)).collect();
    if shown.is_empty() {
        shown.extend(study.points.iter().find(|p| is_judged(p)));
    }
    shown
}

/// One measure of a set of rows: its key, its header, and how a score gives it.
type Measure = (&'static str, String, fn(&Score) -> Option<f64>);

fn measures(bins: usize) -> Vec<Measure> {
    vec![
        ("auc", "AUC".to_owned(), |s| s.auc),
        ("macro_f1", "macro-F1".to_owned(), |s| Some(s.macro_f1)),
        ("nll", "NLL".to_owned(), |s| Some(s.nll)),
        ("brier", "Brier".to_owned(), |s| Some(s.brier)),
        ("ece", format!("ECE ({bins} bins)"), |s| Some(s.ece)),
        ("ece_noise", "noise".to_owned(), |s| Some(s.ece_noise)),
        ("ece_scaled", "ECE scaled".to_owned(), |s| {
            Some(s.ece_scaled)
        }),
        ("nll_scaled", "NLL scaled".to_owned(), |s| {
            Some(s.nll_scaled)
        }),
        ("brier_scaled", "Brier scaled".to_owned(), |s| {
            Some(s.brier_scaled)
        }),
    ]
}

/// One column for each measure, with a prefix to its key.
fn columns(prefix: &str, bins: usize) -> impl Iterator<Item = Column> {
    measures(bins)
        .into_iter()
        .map(move |(key, header, _)| numbers(format!("{prefix}{key}"), header))
}

/// Estimates a quantity of the runs' robustness over seeds.
fn over(point: &Point<'_>, f: impl Fn(&Robustness) -> Option<f64>) -> Cell {
    let of = |run: &RunRecord| run.robustness.as_ref().and_then(&f);
    point
        .maybe(of)
        .map_or(Cell::Empty, |e| estimate(e, format::fraction))
}

fn by_point(study: &Study<'_>) -> Table {
    let bins = bins(study);
    let mut columns_all = name_columns();
    columns_all.extend([
        numbers("seeds", "seeds"),
        numbers("accuracy_unperturbed", "accuracy, unperturbed"),
        numbers("rob_mu", "Rob µ"),
        numbers("rob_difference", "difference"),
        numbers("rob_lowest", "lowest condition"),
    ]);
    columns_all.extend(columns("rob_", bins));
    let mut table = Table::new(
        format!("robustness-{}", study.slug()),
        format!("{}: Rob µ and its company", study.name()),
        format!(
            "Rob µ: the mean accuracy over the twelve conditions and over seeds. Lowest: the mean over seeds of \
             the condition that costs most. The columns after it are means over the twelve conditions too, \
             scaled with the temperature that was fitted on unperturbed validation data. {} A row without \
             figures: its runs were not judged.",
            setting(study)
        ),
        columns_all,
    );
    for point in &study.points {
        let mut row = name_cells(point);
        row.extend([
            Cell::number(point.runs.len() as f64, |n| format!("{n}")),
            over(point, |r| Some(r.clean.accuracy)),
            rob_mu(point).map_or(Cell::Empty, |e| estimate(e, format::fraction)),
            Cell::maybe(
                point
                    .maybe(|r| {
                        let robustness = r.robustness.as_ref()?;
                        Some(robustness.rob_mu() - robustness.clean.accuracy)
                    })
                    .map(|e| e.mean),
                format::difference,
            ),
            Cell::maybe(lowest(point), format::fraction),
        ]);
        let means = measures(bins).into_iter();
        row.extend(means.map(|(_, _, of)| over(point, |r| mean(r, of))));
        table.push(row);
    }
    table.without_empty_columns()
}

/// The mean over conditions; absent if one of them lacks the measure.
fn mean(robustness: &Robustness, of: impl Fn(&Score) -> Option<f64>) -> Option<f64> {
    let values = robustness.conditions.iter().map(|c| of(&c.score));
    let values: Option<Vec<f64>> = values.collect();
    let values = values.filter(|values| !values.is_empty())?;
    Some(values.iter().sum::<f64>() / values.len() as f64)
}

/// The lowest mean accuracy, over seeds, among the conditions.
fn lowest(point: &Point<'_>) -> Option<f64> {
    let means = Condition::PROTOCOL.into_iter().map(|condition| {
        point
            .maybe(|r| score(r, Some(condition)).map(|s| s.accuracy))
            .map(|e| e.mean)
    });
    let means: Option<Vec<f64>> = means.collect();
    means?.into_iter().reduce(f64::min)
}

/// A run's score under a condition, or on the unperturbed rows if `condition` is `None`.
fn score(run: &RunRecord, condition: Option<Condition>) -> Option<&Score> {
    let robustness = run.robustness.as_ref()?;
    match condition {
        None => Some(&robustness.clean),
        Some(condition) => robustness
            .conditions
            .iter()
            .find(|c| c.condition == condition)
            .map(|c| &c.score),
    }
}

/// Which points a table of conditions lists.
#[derive(Clone, Copy)]
enum Models {
    /// The points that the figure shows.
    Shown,
    /// All other points.
    Others,
}

/// One row for each condition and point; the unperturbed rows come first.
fn by_condition(study: &Study<'_>, models: Models, points: &[&Point<'_>]) -> Table {
    let (id, whose) = match models {
        Models::Shown => ("conditions", ""),
        Models::Others => ("conditions-others", ", the other models"),
    };
    let bins = bins(study);
    let mut columns_all = vec![
        words("row", "condition and model").on_the_page_only(),
        words("condition", "condition").in_files_only(),
        words("severity", "severity").in_files_only(),
        words("perturbed", "perturbed").in_files_only(),
    ];
    // The row's name has the model already.
    columns_all.extend(name_columns().into_iter().skip(1));
    columns_all.extend([
        numbers("accuracy", "accuracy"),
        numbers("accuracy_against_unperturbed", "against unperturbed"),
    ]);
    columns_all.extend(columns("", bins));
    let mut table = Table::new(
        format!("{id}-{}", study.slug()),
        format!("{}: condition by condition{whose}", study.name()),
        format!(
            "{} Noise is what perfectly calibrated predictions of the same confidences would read on average. \
             Scaled: with the temperature fitted on unperturbed validation data.",
            setting(study)
        ),
        columns_all,
    );
    let conditions = [None].into_iter();
    for condition in conditions.chain(Condition::PROTOCOL.into_iter().map(Some)) {
        for point in points {
            let named = |what: String| Cell::text(format!("{what}: {}", point.label()));
            let mut row = match condition {
                None => vec![
                    named("unperturbed".to_owned()),
                    Cell::text("unperturbed"),
                    Cell::Empty,
                    Cell::Empty,
                ],
                Some(condition) => vec![
                    named(format!(
                        "{} {}",
                        condition.kind.name(),
                        condition.severity_name()
                    )),
                    Cell::text(condition.kind.name()),
                    Cell::text(condition.severity_name()),
                    Cell::text(places(point.runs.iter().copied(), condition.kind)),
                ],
            };
            row.extend(name_cells(point).into_iter().skip(1));
            let of = |f: &dyn Fn(&Score) -> Option<f64>| {
                let all = point.maybe(|r| score(r, condition).and_then(f));
                all.map_or(Cell::Empty, |e| estimate(e, format::fraction))
            };
            row.push(of(&|s| Some(s.accuracy)));
            let against =
                point.maybe(|r| Some(score(r, condition)?.accuracy - score(r, None)?.accuracy));
            row.push(Cell::maybe(
                against.filter(|_| condition.is_some()).map(|e| e.mean),
                format::difference,
            ));
            row.extend(measures(bins).into_iter().map(|(_, _, f)| of(&f)));
            table.push(row);
        }
    }
    table.without_empty_columns()
}

/// The parts of the input that one kind of condition perturbs in these runs.
fn places<'r>(runs: impl Iterator<Item = &'r RunRecord>, kind: ConditionKind) -> String {
    let robustness = runs.filter_map(|run| run.robustness.as_ref());
    let of_kind = robustness
        .flat_map(|r| &r.conditions)
        .filter(|c| c.condition.kind == kind);
    let places: BTreeSet<&str> = of_kind.map(|c| c.at.as_str()).collect();
    places.into_iter().collect::<Vec<_>>().join(" or ")
}

/// States how many rows were judged and what was perturbed.
fn setting(study: &Study<'_>) -> String {
    let judged = study.runs().filter_map(|run| run.robustness.as_ref());
    let rows: BTreeSet<usize> = judged.map(|r| r.rows).collect();
    let rows: Vec<String> = rows.iter().map(|n| format::count(*n as u64)).collect();
    format!(
        "Perturbed: {}, on {} test rows; a row meets the same perturbation whatever the model.",
        perturbed(study).join(", "),
        rows.join(" or ")
    )
}

/// Lists what was perturbed and by which kinds, such as "fields (missingness, occlusion)".
fn perturbed(study: &Study<'_>) -> Vec<String> {
    let mut found: Vec<(String, Vec<&str>)> = Vec::new();
    for kind in ConditionKind::ALL {
        let place = places(study.runs(), kind);
        match found.iter_mut().find(|(other, _)| *other == place) {
            Some((_, kinds)) => kinds.push(kind.name()),
            None => found.push((place, vec![kind.name()])),
        }
    }
    let found = found.into_iter();
    found
        .map(|(place, kinds)| format!("{place} ({})", kinds.join(", ")))
        .collect()
}

fn bins(study: &Study<'_>) -> usize {
    let mut judged = study.runs().filter_map(|run| run.robustness.as_ref());
    judged.next().map_or(15, |r| r.bins)
}
