//! One row of the paper beside a point of ours, and the columns that all such tables share.

use super::Place;
use crate::document::Block;
use crate::format;
use crate::robustness;
use crate::study::Point;
use crate::table::{Audience, Cell, Column, Table, numbers, words};
use crate::tables::{active_cell, estimate};

/// The figures of one row of the paper; those it does not state are absent.
#[derive(Clone, Copy, Default)]
pub(super) struct Figures {
    pub(super) active: Option<f64>,
    pub(super) metric: f64,
    pub(super) worst: Option<f64>,
    pub(super) ece: f64,
    pub(super) rob_mu: Option<f64>,
    pub(super) latency: Option<f64>,
}

/// Our side of a row.
pub(super) enum Ours<'s, 'a> {
    /// Our point, and a remark if it was chosen among several.
    Point(&'s Point<'a>),
    /// We have no point; the text says what is missing.
    Missing(String),
}

/// A row of the paper with our counterpart.
pub(super) struct Line<'s, 'a> {
    pub(super) name: String,
    pub(super) paper: Figures,
    pub(super) ours: Ours<'s, 'a>,
}

/// Makes a table of these rows with the shared columns; number columns that stay empty are dropped.
pub(super) fn table(
    id: &str,
    title: &str,
    note: &str,
    rows: Vec<(&Place<'_, '_>, Line<'_, '_>)>,
) -> Table {
    let note = match rows.iter().any(|(place, _)| has_twin(place)) {
        true => format!(
            "{note} TWIN: our figures are for a synthetic stand-in, the paper's for the real data."
        ),
        false => note.to_owned(),
    };
    let mut table = Table::new(id, title, note.trim(), columns());
    for (place, line) in rows {
        table.push(cells(place, &line));
    }
    table.without_empty_columns()
}

/// What the rows without a point of ours lack, such as "adult: λ 1e-4: not run: ...". Folded below the table, because
/// commands are longer than any column.
pub(super) fn missing(table: &Table) -> Option<Block> {
    let missing = table
        .columns
        .iter()
        .position(|column| column.key == "missing" && column.audience == Audience::Files)?;
    let rows = table.rows.iter();
    let lacking = rows.filter(|row| !matches!(row[missing], Cell::Empty));
    let items: Vec<String> = lacking
        .map(|row| format!("{}: {}", row[0].shown(), row[missing].shown()))
        .collect();
    let rows = if items.len() == 1 { "row" } else { "rows" };
    (!items.is_empty()).then(|| Block::FoldedList {
        title: format!(
            "{}: {} {rows} without a run of ours, and what is missing",
            table.title,
            items.len()
        ),
        items,
    })
}

fn has_twin(place: &Place<'_, '_>) -> bool {
    place.study.is_some_and(|study| study.twin)
}

fn columns() -> Vec<Column> {
    vec![
        words("row", "paper's row").on_the_page_only(),
        words("data", "data").in_files_only(),
        words("paper_row", "paper's row").in_files_only(),
        words("our_row", "ours"),
        numbers("seeds", "seeds"),
        numbers("active_paper", "active, paper"),
        numbers("active", "active, ours"),
        numbers("accuracy_paper", "accuracy, paper"),
        numbers("accuracy", "accuracy, ours"),
        numbers("accuracy_difference", "Δ accuracy"),
        numbers("worst_paper", "worst, paper"),
        numbers("accuracy_worst", "worst, ours"),
        numbers("worst_difference", "Δ worst"),
        numbers("nll_worst", "worst NLL, ours"),
        numbers("ece_paper", "ECE, paper"),
        numbers("ece", "ECE, ours"),
        numbers("ece_noise", "noise"),
        numbers("ece_noise_p95", "noise 95%"),
        numbers("ece_difference", "Δ ECE"),
        numbers("rob_mu_paper", "Rob µ, paper"),
        numbers("rob_mu", "Rob µ, ours"),
        numbers("rob_mu_difference", "Δ Rob µ"),
        numbers("latency_paper", "latency, paper"),
        numbers("latency", "latency, ours"),
        numbers("compact_latency", "compact, ours"),
        words("missing", "missing here").in_files_only(),
    ]
}

fn cells(place: &Place<'_, '_>, line: &Line<'_, '_>) -> Vec<Cell> {
    let paper = line.paper;
    let is_text = place.modality == "text";
    let point = match &line.ours {
        Ours::Point(point) => Some(*point),
        Ours::Missing(_) => None,
    };
    let missing = match &line.ours {
        Ours::Missing(what) => Cell::text(what.as_str()),
        Ours::Point(_) => Cell::Empty,
    };
    let accuracy = point.map(|p| p.over(|r| r.test.accuracy));
    let ece = point.map(|p| p.over(|r| r.calibration.ece));
    let rob_mu = point.filter(|_| paper.rob_mu.is_some());
    let rob_mu = rob_mu.and_then(robustness::rob_mu);
    // With only one seed there is no worst one.
    let worst = accuracy.filter(|e| e.std.is_some()).map(|e| e.min);
    let worst_nll = point
        .filter(|p| is_text && p.runs.len() > 1)
        .map(|p| -p.over(|r| -r.calibration.nll).min);
    let minus = |ours: Option<f64>, paper: Option<f64>| match place.comparable {
        true => Cell::maybe(ours.zip(paper).map(|(o, p)| o - p), format::difference),
        false => Cell::Empty,
    };
    let mean = |f: fn(&l0gm_train::RunRecord) -> f64| point.map(|p| p.over(f).mean);
    let latency = |wanted: Option<f64>| wanted.filter(|_| paper.latency.is_some());
    vec![
        Cell::text(format!("{}: {}", place.name(), line.name)),
        Cell::text(place.name()),
        Cell::text(line.name.as_str()),
        point.map_or(Cell::Empty, |p| Cell::text(p.label())),
        Cell::maybe(point.map(|p| p.runs.len() as f64), |n| format!("{n}")),
        Cell::maybe(paper.active, format::percent),
        point.map_or(Cell::Empty, active_cell),
        Cell::number(paper.metric, format::fraction),
        accuracy.map_or(Cell::Empty, |e| estimate(e, format::fraction)),
        minus(accuracy.map(|e| e.mean), Some(paper.metric)),
        Cell::maybe(paper.worst, format::fraction),
        Cell::maybe(worst, format::fraction),
        match is_text {
            true => Cell::Empty,
            false => minus(worst, paper.worst),
        },
        Cell::maybe(
            worst_nll.filter(|_| paper.worst.is_some()),
            format::fraction,
        ),
        Cell::number(paper.ece, format::fraction),
        ece.map_or(Cell::Empty, |e| estimate(e, format::fraction)),
        Cell::maybe(mean(|r| r.calibration.ece_noise), format::fraction),
        Cell::maybe(mean(|r| r.calibration.ece_noise_p95), format::fraction),
        minus(ece.map(|e| e.mean), Some(paper.ece)),
        Cell::maybe(paper.rob_mu, format::fraction),
        rob_mu.map_or(Cell::Empty, |e| estimate(e, format::fraction)),
        minus(rob_mu.map(|e| e.mean), paper.rob_mu),
        Cell::maybe(paper.latency, paper_microseconds),
        Cell::maybe(
            latency(point.and_then(|p| p.maybe(|r| r.latency_us_per_example).map(|e| e.mean))),
            format::microseconds,
        ),
        Cell::maybe(
            latency(point.and_then(|p| {
                let of_run = |r: &l0gm_train::RunRecord| {
                    r.compact.as_ref().and_then(|c| c.latency_us_per_example)
                };
                p.maybe(of_run).map(|e| e.mean)
            })),
            format::microseconds,
        ),
        missing,
    ]
}

/// The paper's graph latencies are below a hundredth of a microsecond and need more digits.
fn paper_microseconds(us: f64) -> String {
    if us < 0.1 {
        format!("{:.2} ns", us * 1e3)
    } else {
        format::microseconds(us)
    }
}
