//! Prints the results of `cargo xtask calibration`, as text for people and as JSON for programs.

use l0gm_gate::calibration::{Bin, CalibrationReport, Measure, Measured};
use l0gm_report::format;
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Everything found out about one file.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Findings {
    pub(super) file: String,
    /// The scored split, if the file has several.
    pub(super) split: Option<String>,
    /// Number of scored rows.
    pub(super) rows: usize,
    pub(super) classes: Vec<String>,
    /// Name of the label's column.
    pub(super) label: String,
    /// The kind of scores: "probabilities" or "logits".
    pub(super) read: &'static str,
    /// Names of the score columns.
    pub(super) columns: Vec<String>,
    /// Number of bins of every binned measure.
    pub(super) bins: usize,
    /// Number of draws of the bootstrap and of the noise floor.
    pub(super) resamples: usize,
    /// Seed of these draws.
    pub(super) seed: u64,
    /// Measures of the predictions as given.
    #[serde(serialize_with = "by_key")]
    pub(super) measures: BTreeMap<Measure, Measured>,
    /// Measures after temperature scaling; absent if the file has no validation rows and `--scale` is not given.
    pub(super) scaled: Option<Scaled>,
    /// The bins of the reliability diagram.
    pub(super) reliability: Vec<Bin>,
    /// Paths of the figures that were written.
    pub(super) figures: Vec<String>,
    /// Remarks for the user on how the file was read.
    pub(super) notes: Vec<String>,
}

/// The predictions after temperature scaling.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Scaled {
    /// The temperature by which logits are divided.
    pub(super) temperature: f64,
    /// Number of rows on which it was fitted.
    pub(super) fitted_on: usize,
    /// Which rows these were.
    pub(super) on: FittedOn,
    /// Measures of the scaled predictions.
    pub(super) calibration: CalibrationReport,
}

/// The rows on which a temperature was fitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum FittedOn {
    /// The split `valid`.
    Valid,
    /// The scored rows, because there are no others.
    Scored,
}

impl Findings {
    /// The results as text.
    pub(super) fn text(&self) -> String {
        let mut out = String::new();
        let split = self.split.as_ref();
        let of = split.map_or_else(String::new, |name| format!(" of split `{name}`"));
        // Writing to a string cannot fail.
        let _ = writeln!(
            out,
            "{}: {} rows{of}, {} classes ({})",
            self.file,
            format::count(self.rows as u64),
            self.classes.len(),
            shortened(&self.classes)
        );
        let mut columns = self.columns.clone();
        columns.dedup();
        let _ = writeln!(
            out,
            "labels from `{}`, {} from {}\n",
            self.label,
            self.read,
            shortened(&columns)
        );
        self.table(&mut out);
        let _ = writeln!(out, "\n{}", self.verdict());
        for line in self.closing() {
            let _ = writeln!(out, "{line}");
        }
        out
    }

    fn table(&self, out: &mut String) {
        let mut header = vec![
            "measure",
            "value ",
            "95% interval",
            "noise floor",
            "its 95%",
        ];
        if self.scaled.is_some() {
            header.push("scaled");
        }
        let mut rows: Vec<Vec<String>> = vec![header.into_iter().map(str::to_owned).collect()];
        for (&measure, measured) in &self.measures {
            // For the NLL, the mean over redrawn labels is not a floor but the value that the predictions expect of
            // themselves.
            let floor = |x: f64| match measure.is_error() {
                true => format::fraction(x),
                false => String::new(),
            };
            let mut row = vec![
                measure.name().to_owned(),
                format!(
                    "{}{}",
                    format::fraction(measured.value),
                    if is_beyond(measure, measured) {
                        "*"
                    } else {
                        " "
                    }
                ),
                format!(
                    "{} to {}",
                    format::fraction(measured.low),
                    format::fraction(measured.high)
                ),
                floor(measured.noise),
                floor(measured.noise_p95),
            ];
            if let Some(scaled) = &self.scaled {
                // Scaling does not change the order of a row's classes, so the accuracy stays the same.
                let value = scaled.calibration.value(measure);
                let value = value.unwrap_or(measured.value);
                row.push(format::fraction(value));
            }
            rows.push(row);
        }
        let width = |column: usize| {
            let cells = rows.iter().map(|row| row[column].chars().count());
            cells.max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..rows[0].len()).map(width).collect();
        for row in &rows {
            let mut line = format!("{:<1$}", row[0], widths[0]);
            for (cell, width) in row.iter().zip(&widths).skip(1) {
                let _ = write!(line, "  {cell:>width$}");
            }
            let _ = writeln!(out, "{}", line.trim_end());
        }
    }

    /// Explains the marks in the table.
    fn verdict(&self) -> &'static str {
        if self
            .measures
            .iter()
            .any(|(&measure, measured)| is_beyond(measure, measured))
        {
            "* miscalibrated: beyond what 95 of 100 draws of perfectly calibrated labels read."
        } else {
            "No error is beyond what 95 of 100 draws of perfectly calibrated labels read."
        }
    }

    fn closing(&self) -> Vec<String> {
        let mut lines = vec![
            "Rank models by NLL and Brier: an ECE is low as well where a model says little."
                .to_owned(),
        ];
        match &self.scaled {
            Some(scaled) => lines.push(format!(
                "Scaled: logits divided by T = {}, fitted on {} rows {}.",
                format::decimals(scaled.temperature, 3),
                format::count(scaled.fitted_on as u64),
                match scaled.on {
                    FittedOn::Valid => "of split `valid`",
                    FittedOn::Scored => "that are scored themselves, which flatters what is scaled",
                }
            )),
            None => lines.push(
                "Temperature scaling: not shown; it needs a column `split` with rows of `valid` to fit on, or --scale."
                    .to_owned(),
            ),
        }
        lines.push(format!(
            "{} bins; {} draws of seed {} for intervals and floors.",
            self.bins, self.resamples, self.seed
        ));
        lines.extend(self.notes.iter().map(|note| format!("note: {note}")));
        lines.push(format!("figures: {}", self.figures.join(", ")));
        lines
    }
}

/// Whether a calibration error exceeds its noise.
fn is_beyond(measure: Measure, measured: &Measured) -> bool {
    measure.is_error() && measured.value > measured.noise_p95
}

/// Serialises a map as an object with its keys in alphabetical order.
fn by_key<S: Serializer>(
    measures: &BTreeMap<Measure, Measured>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let by_key = measures
        .iter()
        .map(|(measure, value)| (measure.key(), value));
    by_key.collect::<BTreeMap<_, _>>().serialize(serializer)
}

/// Lists the first names, and how many more there are.
fn shortened(names: &[String]) -> String {
    const SHOWN: usize = 6;
    let mut text = names
        .iter()
        .take(SHOWN)
        .cloned()
        .collect::<Vec<_>>()
        .join(", ");
    if names.len() > SHOWN {
        let _ = write!(text, ", ... {} in all", names.len());
    }
    text
}
