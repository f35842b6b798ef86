//! The table of a benchmark: printed row by row, then written as Markdown and Parquet.

use crate::bench::case::Case;
use crate::bench::limits::Limits;
use crate::bench::memory::Memory;
use crate::bench::peers::Peers;
use crate::bench::timing::{median, ratios};
use anyhow::Context;
use l0gm_report::aggregate::{Frame, Kind, Value};
use std::path::Path;

/// Times of one case in milliseconds, with one vector for each round.
pub(crate) struct Row {
    name: &'static str,
    goal: Option<f64>,
    flops: f64,
    bytes: f64,
    /// Bytes of the result, if `memory` is to be measured.
    pub(crate) result_bytes: Option<f64>,
    /// Memory that one run of ours needs besides its inputs.
    pub(crate) memory: Option<Memory>,
    /// Page faults of one run of ours in the last round.
    pub(crate) faults: Option<f64>,
    pub(crate) ours: Vec<Vec<f64>>,
    pub(crate) stock: Vec<Vec<f64>>,
    pub(crate) peer: Vec<Vec<f64>>,
}

impl Row {
    pub(crate) fn new(name: &'static str, case: &Case) -> Self {
        Self {
            name,
            goal: case.goal,
            flops: case.flops,
            bytes: case.bytes,
            result_bytes: case.result_bytes,
            memory: None,
            faults: None,
            ours: Vec::new(),
            stock: Vec::new(),
            peer: Vec::new(),
        }
    }

    fn cells(&self, limits: &Limits) -> [String; 9] {
        let ours = overall(&self.ours);
        let shown = |x: Option<(f64, f64, f64)>| {
            x.map_or("-".to_owned(), |(low, middle, high)| match low == high {
                true => format!("{middle:.2}"),
                false => format!("{middle:.2} ({low:.2} to {high:.2})"),
            })
        };
        let floor = limits.floor_ms(self.flops, self.bytes);
        [
            self.name.to_owned(),
            milliseconds(ours),
            if self.peer.is_empty() {
                "-".to_owned()
            } else {
                milliseconds(overall(&self.peer))
            },
            shown(ratios(&self.ours, &self.peer)),
            self.goal
                .map_or("-".to_owned(), |goal| format!("{goal:.2}")),
            shown(ratios(&self.ours, &self.stock)),
            format!("{:.1}", ours / floor),
            self.faults
                .map_or("-".to_owned(), |faults| format!("{faults:.0}")),
            self.memory
                .map_or("-".to_owned(), |memory| memory.to_string()),
        ]
    }
}

fn overall(rounds: &[Vec<f64>]) -> f64 {
    median(&rounds.iter().map(|round| median(round)).collect::<Vec<_>>())
}

fn milliseconds(ms: f64) -> String {
    match ms {
        ms if ms < 10.0 => format!("{ms:.3}"),
        ms if ms < 100.0 => format!("{ms:.1}"),
        ms => format!("{ms:.0}"),
    }
}

const HEADERS: [&str; 9] = [
    "work",
    "ours ms",
    "PyTorch ms",
    "ours / PyTorch",
    "goal",
    "ours / stock candle",
    "ours / limit",
    "faults",
    "MiB",
];
const WIDTHS: [usize; 9] = [22, 9, 10, 22, 5, 22, 12, 6, 10];

fn pad<S: AsRef<str>>(cells: &[S]) -> String {
    cells
        .iter()
        .zip(WIDTHS)
        .map(|(cell, width)| format!("{:<width$} ", cell.as_ref()))
        .collect()
}

pub(crate) fn header() -> String {
    pad(&HEADERS)
}

pub(crate) fn line(row: &Row, limits: &Limits) -> String {
    pad(&row.cells(limits))
}

/// Writes `bench.md` and `bench.parquet`, and returns their names for a message.
pub(crate) fn write(
    out: &Path,
    rows: &[Row],
    limits: &Limits,
    peers: Option<&Peers>,
    threads: usize,
) -> anyhow::Result<String> {
    std::fs::create_dir_all(out).with_context(|| format!("{} cannot be made", out.display()))?;
    let mut text = format!("{threads} threads, f32; {limits}.");
    if let Some(peers) = peers {
        text += &format!(" Peers: {}.", peers.versions());
    }
    text += "\n\n";
    text += &format!(
        "| {} |\n|{}\n",
        HEADERS.join(" | "),
        "---|".repeat(HEADERS.len())
    );
    for row in rows {
        text += &format!("| {} |\n", row.cells(limits).join(" | "));
    }
    let markdown = out.join("bench.md");
    l0gm_train::write_atomically(&markdown, text.as_bytes())?;
    let parquet = out.join("bench.parquet");
    l0gm_train::write_atomically(&parquet, &frame(rows, limits).to_parquet()?)?;
    Ok(format!("{}, {}", markdown.display(), parquet.display()))
}

/// One row for each case, with all digits, for other tools.
fn frame(rows: &[Row], limits: &Limits) -> Frame {
    let mut frame = Frame::default();
    let mut column = |name: &str, kind, value: &dyn Fn(&Row) -> Value| {
        frame.push(name, kind, rows.iter().map(value).collect());
    };
    column("work", Kind::Text, &|row| Value::text(row.name));
    let or_gap = |rounds: &[Vec<f64>]| match rounds {
        [] => Value::Null,
        rounds => Value::float(overall(rounds)),
    };
    column("ours_ms", Kind::Float, &|row| or_gap(&row.ours));
    column("peer_ms", Kind::Float, &|row| or_gap(&row.peer));
    column("stock_ms", Kind::Float, &|row| or_gap(&row.stock));
    type Pick = fn((f64, f64, f64)) -> f64;
    let picks: [(&str, Pick); 3] = [("low", |r| r.0), ("median", |r| r.1), ("high", |r| r.2)];
    for (word, pick) in picks {
        column(&format!("ratio_peer_{word}"), Kind::Float, &|row| {
            Value::maybe(ratios(&row.ours, &row.peer).map(pick))
        });
        column(&format!("ratio_stock_{word}"), Kind::Float, &|row| {
            Value::maybe(ratios(&row.ours, &row.stock).map(pick))
        });
    }
    column("page_faults", Kind::Float, &|row| Value::maybe(row.faults));
    column("extra_bytes", Kind::Float, &|row| {
        Value::maybe(row.memory.map(|memory| memory.extra))
    });
    column("result_bytes", Kind::Float, &|row| {
        Value::maybe(row.memory.map(|memory| memory.result))
    });
    column("goal", Kind::Float, &|row| Value::maybe(row.goal));
    column("flops", Kind::Float, &|row| Value::float(row.flops));
    column("bytes", Kind::Float, &|row| Value::float(row.bytes));
    column("limit_ms", Kind::Float, &|row| {
        Value::float(limits.floor_ms(row.flops, row.bytes))
    });
    frame
}
