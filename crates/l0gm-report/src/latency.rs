//! The latencies of one study, as `l0gm latency` measured them: times by model and batch size, and the
//! reduction in parameters, operations, bytes and time from dense to compact and from gated to compact.

use super::document::Block;
use super::figures::{Bar, Figure, LatencyBars, Panel, Plot};
use super::format;
use super::study::{Point, Study};
use super::table::{Cell, Table, numbers, words};
use crate::latency_record::{BatchTimes, LatencyRecord, ModelTimes, Ratio};
use l0gm_train::{Sizes, THIRD_DIGIT};

/// Reads the ratio of the compact model's time to another model's at one batch size.
type RatioOf = fn(&BatchTimes) -> Option<Ratio>;

/// The models of a latency record, and what columns and bars call them.
const MODELS: [(&str, &str); 4] = [
    ("dense", "dense"),
    ("gated", "gated"),
    ("compact", "compact"),
    (LatencyRecord::OTHER, "the method itself"),
];

/// A point with its timings.
struct Timed<'s, 'a> {
    point: &'s Point<'a>,
    record: &'s LatencyRecord,
}

/// The blocks of a study's section on latency; empty if nothing was timed.
pub(super) fn blocks(study: &Study<'_>, records: &[LatencyRecord]) -> Vec<Block> {
    let timed: Vec<Timed<'_, '_>> = study
        .points
        .iter()
        .filter_map(|point| {
            let of_point = |r: &&LatencyRecord| point.runs.iter().any(|run| run.run_id == r.run_id);
            // Earlier versions wrote a record even if no batch could be timed.
            let mut timed = records.iter().filter(|r| !r.batches.is_empty());
            let record = timed.find(of_point)?;
            Some(Timed { point, record })
        })
        .collect();
    let Some(shown) = shown(study, &timed) else {
        return Vec::new();
    };
    let mut blocks = vec![Block::Heading(
        "Latency: dense, gated and compact by turns".to_owned(),
    )];
    blocks.extend(warning(&timed).map(Block::Warning));
    blocks.extend(sentence(shown).map(Block::Paragraph));
    blocks.push(Block::Table(times(study, &timed)));
    blocks.push(Block::Table(sizes(study, &timed)));
    blocks.push(Block::Figures(vec![figure(study, shown)]));
    blocks
}

/// The timing that the figure and the sentence show: that of the recommended point, or else the first.
fn shown<'s, 'a>(study: &Study<'_>, timed: &'s [Timed<'s, 'a>]) -> Option<&'s Timed<'s, 'a>> {
    let pick = study.pick().map(|pick| pick.first().run_id.as_str());
    timed
        .iter()
        .find(|t| Some(t.point.first().run_id.as_str()) == pick)
        .or(timed.first())
}

fn warning(timed: &[Timed<'_, '_>]) -> Option<String> {
    let batches: Vec<&BatchTimes> = timed.iter().flat_map(|t| &t.record.batches).collect();
    let noisy = batches.iter().filter(|batch| batch.is_noisy()).count();
    (noisy > 0).then(|| {
        format!(
            "The machine was too noisy for the third digit at {noisy} of {} batches: there, for at least one model, the \
             middle half of the rounds' medians is wider than {:.0}% of their median. Those times are shown with two \
             digits.",
            batches.len(),
            100.0 * THIRD_DIGIT
        )
    })
}

/// States how much smaller and faster the compact model is.
fn sentence(timed: &Timed<'_, '_>) -> Option<String> {
    let record = timed.record;
    let compact = record.sizes.get("compact")?;
    let mut against = Vec::new();
    let others: [(&str, RatioOf); 2] = [
        ("dense", |batch| batch.compact_to_dense),
        ("gated", |batch| batch.compact_to_gated),
    ];
    for (other, ratio_of) in others {
        let Some(size) = record.sizes.get(other) else {
            continue;
        };
        let times: Vec<String> = record
            .batches
            .iter()
            .filter_map(|batch| {
                let ratio = ratio_of(batch)?;
                let batch = format::count(batch.batch as u64);
                Some(format!("{} at batch {batch}", change(ratio.ratio)))
            })
            .collect();
        let mut text = format!(
            "against {other}, parameters {}, bytes {}",
            change(quotient(compact.parameters, size.parameters)),
            change(quotient(compact.bytes, size.bytes))
        );
        if !times.is_empty() {
            text.push_str(&format!(", time {}", format::list(&times)));
        }
        against.push(text);
    }
    let logits = record
        .compact_logit_difference
        .map(|d| format!(" Its logits differ from the gated model's by at most {d:.1e}."));
    Some(format!(
        "The compact model of {}: {}.{}",
        timed.point.label(),
        against.join("; "),
        logits.unwrap_or_default()
    ))
}

fn quotient(a: u64, b: u64) -> f64 {
    a as f64 / b as f64
}

/// Turns a quotient into a change: 0.67 gives "−33.0%".
fn change(ratio: f64) -> String {
    let percent = (ratio - 1.0) * 100.0;
    let sign = if percent < 0.0 { "−" } else { "+" };
    format!("{sign}{}%", format::decimals(percent.abs(), 1))
}

fn names(timed: &Timed<'_, '_>) -> Vec<Cell> {
    vec![Cell::text(timed.point.label())]
}

fn times(study: &Study<'_>, timed: &[Timed<'_, '_>]) -> Table {
    let mut columns = vec![
        words("row", "model and batch").on_the_page_only(),
        words("model", "model").in_files_only(),
        numbers("batch", "batch").in_files_only(),
    ];
    for (model, header) in MODELS {
        columns.push(numbers(format!("{model}_median_us"), header));
        columns.push(numbers(format!("{model}_p95_us"), "95%"));
    }
    columns.extend([
        numbers("compact_to_dense", "compact against dense"),
        numbers("compact_to_gated", "against gated"),
        numbers("spread", "spread"),
        numbers("before_median_us", "before all of them"),
        numbers("gathering_us", "making the batch"),
    ]);
    let mut table = Table::new(
        format!("latency-{}", study.slug()),
        format!("{}: latency of a batch ({})", study.name(), places(timed)),
        note(timed),
        columns,
    );
    for point in timed {
        for batch in &point.record.batches {
            table.push(row(point, batch));
        }
    }
    table.without_empty_columns()
}

fn row(timed: &Timed<'_, '_>, batch: &BatchTimes) -> Vec<Cell> {
    let of = format::count(batch.batch as u64);
    let mut row = vec![Cell::text(format!("{}, batch {of}", timed.point.label()))];
    row.extend(names(timed));
    row.push(Cell::number(batch.batch as f64, |x| {
        format::count(x as u64)
    }));
    for (model, _) in MODELS {
        let times = batch.models.get(model);
        row.push(time(times, |t| t.median_us));
        row.push(time(times, |t| t.p95_us));
    }
    let ratio = |ratio: Option<Ratio>| Cell::maybe(ratio.map(|r| r.ratio), change);
    let spread = batch.models.values().map(|m| m.spread);
    row.extend([
        ratio(batch.compact_to_dense),
        ratio(batch.compact_to_gated),
        Cell::number(spread.fold(0.0, f64::max), format::percent),
        time(batch.before.as_ref(), |t| t.median_us),
        Cell::number(batch.gathering_us, format::microseconds),
    ]);
    row
}

fn time(times: Option<&ModelTimes>, of: impl Fn(&ModelTimes) -> f64) -> Cell {
    match times {
        Some(times) => Cell::number(of(times), |us| format::timing(us, times.is_noisy())),
        None => Cell::Empty,
    }
}

fn note(timed: &[Timed<'_, '_>]) -> String {
    let mut notes = vec![
        "Forward pass in evaluation mode on one fixed batch of test rows, without loading, encoding or tokenising. The \
         models of a row are timed by turns, so that whatever else the machine did met all of them; each turn begins \
         with passes that are not counted. Median and 95th percentile of all counted passes. Compact against dense and \
         gated: its time over theirs within a round, median over rounds, less 1. Spread: the middle half of the rounds' \
         medians as a share of their median, the largest of the row's models."
            .to_owned(),
    ];
    let mut add = |text: String| {
        if !notes.contains(&text) {
            notes.push(text);
        }
    };
    for timed in timed {
        let turns = &timed.record.turns;
        add(format!(
            "Turns: {} rounds of {} passes after {} for warming up, a turn at most {} s.",
            turns.rounds, turns.repeats, turns.warmup, turns.turn_seconds
        ));
        if let Some(before) = &timed.record.before {
            add(format!("Before all of them: {before}, on the same rows."));
        }
        for note in &timed.record.notes {
            add(format!("{note}."));
        }
    }
    if let Some(first) = timed.first() {
        for (what, seconds) in &first.record.preparation {
            add(format!(
                "Apart from all this: {what}, {}.",
                format::seconds(*seconds)
            ));
        }
    }
    notes.join(" ")
}

/// Names the devices and thread counts; usually there is one of each.
fn places(timed: &[Timed<'_, '_>]) -> String {
    let mut places: Vec<String> = timed
        .iter()
        .map(|t| {
            let threads = t.record.threads;
            let word = if threads == 1 { "thread" } else { "threads" };
            format!("{}, {threads} {word}", t.record.device)
        })
        .collect();
    places.sort();
    places.dedup();
    places.join("; ")
}

fn sizes(study: &Study<'_>, timed: &[Timed<'_, '_>]) -> Table {
    let mut columns = vec![words("model", "model")];
    type Quantity<'q> = (&'q str, &'q str, fn(&Sizes) -> u64, fn(u64) -> String);
    let quantities: [Quantity<'_>; 3] = [
        ("parameters", "parameters", |s| s.parameters, format::count),
        ("flops", "FLOPs an example", |s| s.flops, format::count),
        ("bytes", "bytes", |s| s.bytes, format::bytes),
    ];
    for (key, header, ..) in &quantities {
        for (model, name) in MODELS {
            columns.push(numbers(
                format!("{model}_{key}"),
                format!("{name}, {header}"),
            ));
        }
        columns.push(numbers(format!("{key}_to_dense"), "against dense"));
        columns.push(numbers(format!("{key}_to_gated"), "against gated"));
    }
    columns.push(numbers("compact_logit_difference", "logits differ by"));
    let mut table = Table::new(
        format!("latency-sizes-{}", study.slug()),
        format!("{}: what is left in the compact model", study.name()),
        "Parameters and bytes of what prediction needs; FLOPs: multiply-adds of one example's forward pass times two. \
         Logits: the largest difference between the compact and the gated model over the test rows.",
        columns,
    );
    for point in timed {
        let of = |model: &str| point.record.sizes.get(model);
        let mut row = names(point);
        for (_, _, of_size, shown) in &quantities {
            // Zero operations means that they were not counted.
            let value = |model: &str| of(model).map(of_size).filter(|&n| n > 0);
            for (model, _) in MODELS {
                row.push(Cell::maybe(value(model).map(|n| n as f64), |n| {
                    shown(n as u64)
                }));
            }
            for other in ["dense", "gated"] {
                let ratio = value("compact")
                    .zip(value(other))
                    .map(|(a, b)| quotient(a, b));
                row.push(Cell::maybe(ratio, change));
            }
        }
        row.push(Cell::maybe(point.record.compact_logit_difference, |d| {
            format!("{d:.1e}")
        }));
        table.push(row);
    }
    table.without_empty_columns()
}

fn figure(study: &Study<'_>, timed: &Timed<'_, '_>) -> Figure {
    let panels = timed.record.batches.iter().map(|batch| Panel {
        title: format!("batch {}", format::count(batch.batch as u64)),
        bars: MODELS
            .iter()
            .filter_map(|(model, name)| {
                let times = batch.models.get(*model)?;
                let noisy = times.is_noisy();
                Some(Bar {
                    label: (*name).to_owned(),
                    median: times.median_us,
                    p95: times.p95_us,
                    text: format!(
                        "{}, 95% {}",
                        format::timing(times.median_us, noisy),
                        format::timing(times.p95_us, noisy)
                    ),
                })
            })
            .collect(),
    });
    let caption = format!(
        "Forward pass of {} by batch: bars to the median, lines to the 95th percentile; each batch on its own scale ({})",
        match timed.point.is_subject() {
            true => format!(
                "dense, and of {} before and after compaction",
                timed.point.label()
            ),
            false => timed.point.label(),
        },
        places(std::slice::from_ref(timed))
    );
    Figure {
        id: format!("latency-{}", study.slug()),
        alt: caption.clone(),
        caption: format!("{}. {caption}", study.name()),
        plot: Plot::Latency(LatencyBars {
            title: format!("{}: latency, {}", study.tag(), timed.point.label()),
            panels: panels.collect(),
        }),
    }
}
