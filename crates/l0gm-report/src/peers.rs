//! The section of a study on other projects' programs, as `l0gm latency --peers` timed them: microseconds a row by batch
//! size, from encoded rows and from files of raw cells.

use super::document::Block;
use super::format;
use super::study::Study;
use super::table::{Cell, Table, numbers, words};
use crate::peers_record::{PeerInput, PeerModel, PeersRecord};

/// The blocks of a study's section; empty if no peer was timed beside one of its runs.
pub(super) fn blocks(study: &Study<'_>, records: &[PeersRecord]) -> Vec<Block> {
    let mut blocks = Vec::new();
    for point in &study.points {
        let of_point = |r: &&PeersRecord| point.runs.iter().any(|run| run.run_id == r.run_id);
        for record in records.iter().filter(of_point) {
            let label = point.label();
            if blocks.is_empty() {
                blocks.push(Block::Heading(
                    "Latency beside other projects' programs".to_owned(),
                ));
            }
            for (input, what, key) in [
                (PeerInput::Encoded, "from encoded rows", "encoded"),
                (PeerInput::File, "from raw cells of a CSV file", "file"),
            ] {
                if record.with_input(input).next().is_some() {
                    let id = format!("peers-{}-{key}-{}", study.slug(), record.run_id);
                    let title = format!(
                        "{}: microseconds a row, {what}, one thread ({label})",
                        study.name()
                    );
                    blocks.push(Block::Table(table(record, input, id, title)));
                }
            }
        }
    }
    blocks
}

fn table(record: &PeersRecord, input: PeerInput, id: String, title: String) -> Table {
    let sizes = record.sizes();
    let mut columns = vec![words("model", "model")];
    for size in &sizes {
        let batch = format::count(*size as u64);
        columns.push(numbers(
            format!("us_a_row_{size}"),
            format!("batch {batch}"),
        ));
        columns.push(numbers(format!("p95_us_a_row_{size}"), "95%").in_files_only());
        columns.push(numbers(format!("spread_{size}"), "spread").in_files_only());
    }
    columns.push(numbers("difference", "probabilities differ by"));
    let mut table = Table::new(id, title, note(record, input), columns);
    for model in record.with_input(input) {
        table.push(row(model, &sizes));
    }
    let mut last = vec![Cell::text("ours against the fastest peer")];
    for size in &sizes {
        let ratio = record.against_fastest(input, *size);
        last.push(Cell::maybe(ratio.map(|(ratio, _)| ratio), |ratio| {
            format!("{}x", format::decimals(ratio, 2))
        }));
        last.extend([Cell::Empty, Cell::Empty]);
    }
    last.push(Cell::Empty);
    table.push(last);
    table
}

fn row(model: &PeerModel, sizes: &[usize]) -> Vec<Cell> {
    let mut row = vec![Cell::text(&model.name)];
    for size in sizes {
        let at = model.at(*size);
        let of = *size as f64;
        row.push(Cell::maybe(at.map(|at| at.us_a_row()), shown));
        row.push(Cell::maybe(at.map(|at| at.times.p95_us / of), shown));
        row.push(Cell::maybe(at.map(|at| at.times.spread), format::percent));
    }
    row.push(Cell::number(model.difference, |d| format!("{d:.0e}")));
    row
}

/// Microseconds a row, with three digits.
pub fn shown(us: f64) -> String {
    let digits = match us {
        us if us < 10.0 => 2,
        us if us < 100.0 => 1,
        _ => 0,
    };
    format::decimals(us, if us < 1.0 { 3 } else { digits })
}

fn note(record: &PeersRecord, input: PeerInput) -> String {
    let turns = &record.turns;
    let mut notes = vec![format!(
        "Median microseconds a row, from the input to calibrated probabilities, one thread. The models take turns on the \
         same rows: {} rounds of up to {} times, a turn at most {} s; a time is the mean over as many passes as last a \
         tenth of a millisecond.",
        turns.rounds, turns.repeats, turns.turn_seconds
    )];
    if input == PeerInput::Encoded {
        notes.push(
            "The passes of small batches go through different rows one after the other. Where a peer has a C interface, \
             what Python's call of it takes is measured and subtracted; otherwise it is part of the time."
                .to_owned(),
        );
    }
    let repeated = record.sizes().into_iter().any(|s| s > record.test_rows);
    if repeated {
        notes.push(format!(
            "Batches of more than {} rows, the test split, repeat them.",
            format::count(record.test_rows as u64)
        ));
    }
    for model in record.with_input(input) {
        notes.push(format!(
            "{}: {}; {}.",
            model.name, model.call, model.version
        ));
    }
    notes.extend(record.notes.iter().map(|note| format!("{note}.")));
    for missing in &record.missing {
        notes.push(format!("Not timed: {}: {}.", missing.name, missing.reason));
    }
    notes.join(" ")
}
