//! The tables of one study: accuracy against sparsity, calibration, size and speed.

use super::arms;
use super::design::Axis;
use super::format;
use super::study::{Estimate, Point, Study};
use super::table::{Cell, Column, Table, numbers, words};
use l0gm_train::{Kept, RunRecord, Unit};

/// Formats a mean over seeds, with its standard deviation if there is one.
pub(crate) fn estimate(e: Estimate, shown: impl Fn(f64) -> String) -> Cell {
    if !e.mean.is_finite() {
        return Cell::Empty;
    }
    let text = match e.std {
        Some(std) => format!("{} ± {}", shown(e.mean), shown(std)),
        None => shown(e.mean),
    };
    Cell::Estimate {
        mean: e.mean,
        std: e.std,
        shown: text,
    }
}

/// Share of open dimensions, or of single weights where these were removed; empty for a method without an interface, such
/// as a tree ensemble.
pub(crate) fn active_cell(point: &Point<'_>) -> Cell {
    let left = |r: &RunRecord| r.compression.filter(|kept| kept.unit == Unit::Weights);
    if let Some(share) = point.maybe(|r| left(r).map(Kept::share)) {
        return estimate(share, |share| {
            format!("{} of weights", format::percent(share))
        });
    }
    match has_interface(point) {
        true => estimate(point.over(|r| r.gate.active_fraction), format::percent),
        false => Cell::Empty,
    }
}

fn has_interface(point: &Point<'_>) -> bool {
    point.first().gate.total_dims > 0
}

fn maybe_estimate(e: Option<Estimate>, shown: impl Fn(f64) -> String) -> Cell {
    e.map_or(Cell::Empty, |e| estimate(e, shown))
}

/// The columns that name a point: the first for people, the others for the files.
pub(crate) fn name_columns() -> Vec<Column> {
    vec![
        words("model", "model").on_the_page_only(),
        words("method", "method").in_files_only(),
        numbers("lambda", "λ").in_files_only(),
    ]
}

/// The cells of [`name_columns`].
pub(crate) fn name_cells(point: &Point<'_>) -> Vec<Cell> {
    let mut name = point.method.label.to_string();
    if !point.variant.is_empty() {
        name.push_str(&format!(" ({})", point.variant));
    }
    vec![
        Cell::text(point.label()),
        Cell::text(name),
        Cell::maybe(point.lambda, format::lambda),
    ]
}

fn table(study: &Study<'_>, id: &str, title: &str, note: String, columns: Vec<Column>) -> Table {
    let mut all = name_columns();
    all.extend(columns);
    Table::new(
        format!("{id}-{}", study.slug()),
        format!("{}: {title}", study.name()),
        note,
        all,
    )
}

/// Accuracy and related measures, by lambda.
pub(crate) fn quality(study: &Study<'_>) -> Table {
    let note = if study.has_spread() {
        "Test split. Mean ± standard deviation over seeds; worst is the lowest seed's accuracy. \
         Against dense: difference of mean accuracies from dense with the same settings, empty where \
         that has not been run."
    } else {
        "Test split, one seed, so there is no spread to show and worst is that seed's accuracy. \
         Against dense: difference of accuracies from dense with the same settings, empty where that has \
         not been run."
    };
    let mut table = table(
        study,
        "quality",
        "accuracy against sparsity",
        note.to_owned(),
        vec![
            numbers("seeds", "seeds"),
            numbers("active_fraction", "active"),
            numbers("accuracy", "accuracy"),
            numbers("accuracy_worst", "worst"),
            numbers("accuracy_against_dense", "against dense"),
            numbers("auc", "AUC"),
            numbers("macro_f1", "macro-F1"),
        ],
    );
    for point in study.main() {
        let accuracy = point.over(|r| r.test.accuracy);
        let against = Some(point)
            .filter(|p| p.is_subject())
            .and_then(|p| study.dense_beside(p))
            .map(|dense| accuracy.mean - dense.over(|r| r.test.accuracy).mean);
        let mut row = name_cells(point);
        row.extend([
            Cell::number(point.runs.len() as f64, |n| format!("{n}")),
            active_cell(point),
            estimate(accuracy, format::fraction),
            Cell::number(accuracy.min, format::fraction),
            Cell::maybe(against, format::difference),
            maybe_estimate(point.maybe(|r| r.test.auc), format::fraction),
            estimate(point.over(|r| r.test.macro_f1), format::fraction),
        ]);
        table.push(row);
    }
    table.without_empty_columns()
}

/// Points with one choice of the gate's design changed, beside the default at the same lambda; `None` if there are
/// none.
pub(crate) fn designs(study: &Study<'_>) -> Option<Table> {
    let designs = study.designs();
    if designs.is_empty() {
        return None;
    }
    let mut table = table(
        study,
        "designs",
        "the gate's design with one thing changed",
        "Test split. Differences are from the default design at the same λ and with otherwise the same settings. \
         Finer gates count other things: their active fraction is of all table entries, or of the channels of every \
         layer, and at one λ there are more of them to pay for. A point of another active fraction is another point \
         of the frontier: compare with the sweep above."
            .to_owned(),
        vec![
            numbers("seeds", "seeds"),
            numbers("active_fraction", "active"),
            numbers("total_dims", "of gates"),
            numbers("accuracy", "accuracy"),
            numbers("accuracy_worst", "worst"),
            numbers("accuracy_difference", "difference"),
            numbers("nll", "NLL"),
            numbers("nll_difference", "difference"),
            numbers("ece", "ECE"),
            numbers("ece_noise", "noise"),
            numbers("ece_difference", "difference"),
            numbers("ece_scaled", "ECE scaled"),
        ],
    );
    let pairs: Vec<_> = Axis::ALL
        .into_iter()
        .flat_map(|axis| arms::pairs(study, axis))
        .collect();
    for point in designs {
        let plain = pairs.iter().find(|(_, other)| std::ptr::eq(*other, point));
        let difference = |f: fn(&RunRecord) -> f64| {
            let from = plain.map(|(plain, _)| plain.over(f).mean);
            Cell::maybe(
                from.map(|from| point.over(f).mean - from),
                format::difference,
            )
        };
        let accuracy = point.over(|r| r.test.accuracy);
        let mut row = name_cells(point);
        row.extend([
            Cell::number(point.runs.len() as f64, |n| format!("{n}")),
            estimate(point.over(|r| r.gate.active_fraction), format::percent),
            Cell::number(point.first().gate.total_dims as f64, few),
            estimate(accuracy, format::fraction),
            Cell::number(accuracy.min, format::fraction),
            difference(|r| r.test.accuracy),
            estimate(point.over(|r| r.calibration.nll), format::fraction),
            difference(|r| r.calibration.nll),
            estimate(point.over(|r| r.calibration.ece), format::fraction),
            Cell::number(
                point.over(|r| r.calibration.ece_noise).mean,
                format::fraction,
            ),
            difference(|r| r.calibration.ece),
            estimate(point.over(|r| r.calibration_scaled.ece), format::fraction),
        ]);
        table.push(row);
    }
    Some(table.without_empty_columns())
}

/// The calibration measures, by lambda.
pub(crate) fn calibration(study: &Study<'_>) -> Table {
    let bins = bins_of(study);
    let note = format!(
        "ECE is top-label with {bins} equal-width bins; the interval is a bootstrap 95% interval, \
         mirrored to take the bias of resampling out, and reaches down to 0 where the ECE lies within the noise. \
         Noise is what perfectly calibrated predictions of the same confidences would read: the mean and \
         the 95th percentile over labels redrawn from the predictions. A difference of two ECEs below \
         the noise says nothing; methods are ranked by NLL and Brier. Scaled: after temperature scaling \
         (T) fitted on the validation split."
    );
    let mut table = table(
        study,
        "calibration",
        "calibration",
        note,
        vec![
            numbers("nll", "NLL"),
            numbers("brier", "Brier"),
            numbers("ece", format!("ECE ({bins} bins)")),
            numbers("ece_low", "95% from"),
            numbers("ece_high", "to"),
            numbers("ece_noise", "noise"),
            numbers("ece_noise_p95", "noise 95%"),
            numbers("ece_scaled", "ECE scaled"),
            numbers("nll_scaled", "NLL scaled"),
            numbers("scaling_temperature", "T"),
            numbers("ece_equal_mass", "equal-mass ECE"),
            numbers("ece_smooth", "smooth ECE"),
        ],
    );
    for point in study.main() {
        let mut row = name_cells(point);
        let measure = |f: fn(&RunRecord) -> f64| estimate(point.over(f), format::fraction);
        let plain = |f: fn(&RunRecord) -> f64| Cell::number(point.over(f).mean, format::fraction);
        row.extend([
            measure(|r| r.calibration.nll),
            measure(|r| r.calibration.brier),
            measure(|r| r.calibration.ece),
            plain(|r| r.calibration.ece_low),
            plain(|r| r.calibration.ece_high),
            plain(|r| r.calibration.ece_noise),
            plain(|r| r.calibration.ece_noise_p95),
            measure(|r| r.calibration_scaled.ece),
            measure(|r| r.calibration_scaled.nll),
            Cell::number(point.over(|r| r.scaling_temperature).mean, |t| {
                format::decimals(t, 3)
            }),
            plain(|r| r.calibration.ece_equal_mass),
            plain(|r| r.calibration.ece_smooth),
        ]);
        table.push(row);
    }
    table.without_empty_columns()
}

/// Remaining size of the model and its latency, by lambda.
pub(crate) fn size_and_speed(study: &Study<'_>) -> Table {
    let places = places_of(study);
    let place = places.join("; ");
    let note = format!(
        "Open: dimensions that the deterministic gate leaves non-zero. Compact: z folded into the \
         layer after the gate and closed dimensions dropped; its logits differ from the gated model's \
         by at most the stated value. Latency: median forward pass in evaluation mode for each example, \
         batch full, without loading or tokenising ({place}). Each is timed at the end of its own run: where \
         the machine does other work meanwhile, they do not compare."
    );
    let mut table = table(
        study,
        "size-and-speed",
        "size and speed",
        note,
        vec![
            numbers("open_dims", "open"),
            numbers("total_dims", "of"),
            numbers("expected_l0", "expected L0"),
            numbers("parameters", "parameters"),
            numbers("compact_parameters", "compact"),
            numbers("compact_bytes", "compact size"),
            numbers("compact_max_logit_difference", "logits differ by"),
            numbers("latency_us_per_example", format!("latency ({place})")),
            numbers("latency_p95_us_per_example", "95th percentile"),
            numbers("compact_latency_us_per_example", "compact latency"),
            numbers("train_seconds", "training"),
            numbers("epochs", "epochs"),
        ],
    );
    for point in study.main() {
        let mut row = name_cells(point);
        let mean = |f: fn(&RunRecord) -> f64| point.over(f).mean;
        let maybe = |f: fn(&RunRecord) -> Option<f64>| point.maybe(f).map(|e| e.mean);
        let compact = |f: fn(&l0gm_train::CompactSummary) -> f64| {
            point.maybe(|r| r.compact.as_ref().map(f)).map(|e| e.mean)
        };
        let whole = |x: f64| format::count(x.round() as u64);
        let of_interface = |f: fn(&RunRecord) -> f64, shown: fn(f64) -> String| {
            Cell::maybe(has_interface(point).then(|| mean(f)), shown)
        };
        row.extend([
            of_interface(|r| r.gate.open_dims as f64, few),
            of_interface(|r| r.gate.total_dims as f64, whole),
            of_interface(|r| r.gate.expected_l0, |x| format::decimals(x, 1)),
            Cell::maybe(
                Some(mean(|r| r.sizes.parameters as f64)).filter(|count| *count > 0.0),
                whole,
            ),
            Cell::maybe(compact(|c| c.compact.parameters as f64), whole),
            Cell::maybe(compact(|c| c.compact.bytes as f64), |x| {
                format::bytes(x.round() as u64)
            }),
            Cell::maybe(compact(|c| c.max_logit_difference), |x| format!("{x:.1e}")),
            Cell::maybe(maybe(|r| r.latency_us_per_example), format::microseconds),
            Cell::maybe(
                maybe(|r| r.latency_p95_us_per_example),
                format::microseconds,
            ),
            Cell::maybe(
                point
                    .maybe(|r| r.compact.as_ref().and_then(|c| c.latency_us_per_example))
                    .map(|e| e.mean),
                format::microseconds,
            ),
            Cell::number(mean(|r| r.train_seconds), format::seconds),
            Cell::number(mean(|r| r.epochs as f64), few),
        ]);
        table.push(row);
    }
    table.without_empty_columns()
}

/// A count, with one decimal if it is a fractional mean.
pub(super) fn few(x: f64) -> String {
    if x.fract() == 0.0 {
        format::count(x as u64)
    } else {
        format::decimals(x, 1)
    }
}

/// The numbers of calibration bins in use; usually one.
pub(crate) fn bins_of(study: &Study<'_>) -> String {
    let mut counts: Vec<usize> = study.runs().map(|r| r.calibration.bins).collect();
    counts.sort_unstable();
    counts.dedup();
    let counts: Vec<String> = counts.iter().map(usize::to_string).collect();
    format::list(&counts)
}

/// Device, threads and batch size of the latencies; usually one of each.
fn places_of(study: &Study<'_>) -> Vec<String> {
    let mut places: Vec<String> = study
        .runs()
        .map(|r| {
            let threads = if r.threads == 1 { "thread" } else { "threads" };
            format!(
                "{}, {} {threads}, batch {}",
                r.device,
                r.threads,
                format::count(r.latency_batch as u64)
            )
        })
        .collect();
    places.sort();
    places.dedup();
    places
}
