//! The tables that set the paper's rows beside a study's points.

use super::format;
use super::paper::{Ours, Row};
use super::study::{Point, Study};
use super::table::{Cell, Table, numbers, words};

fn find<'s, 'a>(study: &'s Study<'a>, ours: Ours) -> Option<&'s Point<'a>> {
    match ours {
        // Beside the point that stands next to the paper's L0GM, so that both rows mean one recipe.
        Ours::Dense => match study.best() {
            Some(best) => study.dense_beside(best),
            None => study.dense(),
        },
        Ours::Best => study.best(),
        Ours::NearestActive(active) => study.gated().min_by(|a, b| {
            let distance = |p: &Point<'_>| (p.active() - active).abs();
            distance(a).total_cmp(&distance(b))
        }),
        Ours::Lambda(lambda) => study.gated().find(|p| {
            p.lambda
                .is_some_and(|l| (l - lambda).abs() <= 1e-9 * lambda)
        }),
    }
}

/// The paper's rows beside the study's, with the differences.
pub(super) fn compared(study: &Study<'_>, rows: &[Row]) -> Table {
    let is_text = study.modality == "text";
    let mut note = String::from(
        "Differences are ours minus the paper's. Table 3 does not say which λ it used: beside its L0GM \
         rows stands our point of best validation loss. Beside Table 6's gate stands our point of nearest \
         active fraction.",
    );
    if is_text {
        note.push_str(
            " The paper's worst for text reads as a loss, so it has no difference; its encoders are larger than ours.",
        );
    }
    if study.twin {
        note.push_str(
            " TWIN: the paper's figures are for the real data, ours for a synthetic stand-in. The differences say nothing about the paper.",
        );
    }
    let mut table = Table::new(
        format!("paper-{}", study.slug()),
        format!("{}: the paper's figures beside ours", study.name()),
        note,
        vec![
            words("paper_row", "paper"),
            words("our_row", "ours"),
            numbers("active_paper", "active, paper"),
            numbers("active_ours", "ours"),
            numbers("accuracy_paper", "accuracy, paper"),
            numbers("accuracy_ours", "ours"),
            numbers("accuracy_difference", "difference"),
            numbers("worst_paper", "worst, paper"),
            numbers("worst_ours", "ours"),
            numbers("worst_difference", "difference"),
            numbers("ece_paper", "ECE, paper"),
            numbers("ece_ours", "ours"),
            numbers("ece_difference", "difference"),
        ],
    );
    for row in rows {
        let point = find(study, row.ours);
        let accuracy = point.map(|p| p.over(|r| r.test.accuracy));
        let ece = point.map(|p| p.over(|r| r.calibration.ece).mean);
        let mean = accuracy.map(|e| e.mean);
        // The smallest of one seed is no worst.
        let worst = accuracy
            .filter(|e| e.std.is_some() && row.worst.is_some())
            .map(|e| e.min);
        let worst_difference = row
            .worst
            .zip(worst)
            .filter(|_| !is_text)
            .map(|(p, o)| o - p);
        table.push(vec![
            Cell::text(&row.source),
            point.map_or(Cell::Empty, |p| Cell::text(p.label())),
            Cell::maybe(row.active, format::percent),
            Cell::maybe(point.map(Point::active), format::percent),
            Cell::number(row.metric, format::fraction),
            Cell::maybe(mean, format::fraction),
            Cell::maybe(mean.map(|o| o - row.metric), format::difference),
            Cell::maybe(row.worst, format::fraction),
            Cell::maybe(worst, format::fraction),
            Cell::maybe(worst_difference, format::difference),
            Cell::number(row.ece, format::fraction),
            Cell::maybe(ece, format::fraction),
            Cell::maybe(ece.map(|o| o - row.ece), format::difference),
        ]);
    }
    table.without_empty_columns()
}

/// The paper's rows for another dataset of the same modality.
pub(super) fn context(study: &Study<'_>, dataset: &str, rows: &[Row]) -> Table {
    let mut table = Table::new(
        format!("paper-{}", study.slug()),
        format!(
            "{}: no figure in the paper; its {dataset} as context",
            study.name()
        ),
        format!(
            "The paper has no figure for {}. These are its figures for {dataset}, another dataset: they \
             are not to be held against ours, so no difference is shown.",
            study.tag()
        ),
        vec![
            words("paper_row", format!("paper, {dataset}")),
            numbers("active_paper", "active"),
            numbers("accuracy_paper", "accuracy"),
            numbers("worst_paper", "worst"),
            numbers("ece_paper", "ECE"),
        ],
    );
    for row in rows {
        table.push(vec![
            Cell::text(&row.source),
            Cell::maybe(row.active, format::percent),
            Cell::number(row.metric, format::fraction),
            Cell::maybe(row.worst, format::fraction),
            Cell::number(row.ece, format::fraction),
        ]);
    }
    table
}
