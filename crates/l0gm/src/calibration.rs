//! `cargo xtask calibration FILE`: scores predictions of any model. Each row needs a label and probabilities (or
//! logits). Reports all measures with intervals and noise floors, as text or JSON, and draws the reliability diagram
//! as SVG and PNG.

mod cells;
mod classes;
mod labelled;
mod layout;
mod lists;
mod output;
mod scores;
mod source;

use crate::flags::{CalibrationFlags, FormatFlag};
use crate::usage::usage;
use anyhow::Context;
use l0gm_gate::calibration::{
    CalibrationReport, CalibrationSettings, Predictions, fit_temperature, measure_all,
    reliability_bins, scale_logits,
};
use l0gm_report::figures::{Figure, Plot, Reliability};
use l0gm_report::format;
use l0gm_train::write_atomically;
use labelled::Labelled;
use layout::{Layout, Told};
use output::{Findings, FittedOn, Scaled};
use source::{Reading, Source};
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

/// The split that is scored if the file has it. The constant below names the split on which a temperature is fitted.
const TEST: &str = "test";
const VALID: &str = "valid";

/// Runs the command.
pub fn run(flags: &CalibrationFlags) -> anyhow::Result<ExitCode> {
    for (flag, value, most) in [
        ("--bins", flags.bins, 1_000_000),
        ("--resamples", flags.resamples, 1_000_000),
    ] {
        if !(1..=most).contains(&value) {
            return Err(usage(format!("{flag} {value}: expected 1 to {most}")));
        }
    }
    let reading = Reading {
        separator: flags.separator,
        missing: flags.missing.clone(),
        ignore: flags.ignore.clone(),
        drop_unlabelled: flags.drop_unlabelled,
    };
    let source = Source::open(&flags.file, &reading)?;
    let told = Told {
        label: flags.label.clone(),
        columns: flags.columns.clone(),
        logits: flags.logits,
        positive: flags.positive.clone(),
        renormalise: flags.renormalise,
    };
    let layout = Layout::new(&source, &told)?;
    let cells = source.read(&layout.wanted())?;
    let labelled = Labelled::new(&source, &layout, cells, &told)?;
    let (split, rows) = chosen_rows(&source, &labelled, flags.split.as_deref())?;
    let predictions = labelled.predictions(&rows)?;
    let scaled = scaled(&labelled, split.as_deref(), &rows, flags)?;
    let mut findings = Findings {
        file: source.path().display().to_string(),
        split,
        rows: rows.len(),
        classes: labelled.classes.clone(),
        label: source.header[layout.label].name.clone(),
        read: if labelled.logits {
            "logits"
        } else {
            "probabilities"
        },
        columns: labelled.columns.clone(),
        bins: flags.bins,
        resamples: flags.resamples,
        seed: flags.seed,
        measures: measure_all(&predictions, settings(flags))?,
        reliability: reliability_bins(&predictions, settings(flags))?,
        scaled: None,
        figures: Vec::new(),
        notes: labelled.notes.clone(),
    };
    let name = stem(source.path());
    let ece = |predictions: &Predictions| reliability_bins(predictions, settings(flags));
    let mut diagrams = vec![("reliability", "", findings.reliability.clone())];
    // Rows that the temperature is fitted on are read as well.
    let mut read = rows.clone();
    let others = labelled
        .splits
        .as_ref()
        .filter(|_| findings.split.as_deref() != Some(VALID));
    if let (true, Some(splits)) = (scaled.is_some(), others) {
        read.extend(rows_of(splits, VALID));
    }
    if let Some((after, predictions)) = scaled {
        diagrams.push(("reliability-scaled", ", after scaling", ece(&predictions)?));
        findings.scaled = Some(after);
    }
    findings.notes.extend(labelled.zeros_note(&read));
    std::fs::create_dir_all(&flags.out).with_context(|| {
        format!(
            "{}: cannot be created; choose another --out",
            flags.out.display()
        )
    })?;
    for (id, state, bins) in diagrams {
        let figure = Figure {
            id: format!("{name}-{id}"),
            caption: String::new(),
            alt: String::new(),
            plot: Plot::Reliability(Reliability {
                title: format!("{name}{state}: {} rows", format::count(rows.len() as u64)),
                bins,
            }),
        };
        findings.figures.extend(draw(&figure, &flags.out)?);
    }
    let text = match flags.format {
        FormatFlag::Text => findings.text(),
        FormatFlag::Json => format!("{}\n", serde_json::to_string_pretty(&findings)?),
    };
    // A reader that closes the pipe early (`| head`) is not a failure.
    let _ = std::io::stdout().write_all(text.as_bytes());
    Ok(ExitCode::SUCCESS)
}

/// Makes the settings of the measures from the flags.
fn settings(flags: &CalibrationFlags) -> CalibrationSettings {
    CalibrationSettings {
        bins: flags.bins,
        resamples: flags.resamples,
        seed: flags.seed,
    }
}

/// Finds the split to score and its rows; a file without splits is scored whole.
fn chosen_rows(
    source: &Source,
    labelled: &Labelled,
    asked: Option<&str>,
) -> anyhow::Result<(Option<String>, Vec<usize>)> {
    let Some(splits) = &labelled.splits else {
        return match asked {
            None => Ok((None, (0..labelled.len()).collect())),
            Some(name) => Err(usage(format!(
                "--split {name}: {} has no column `split`",
                source.path().display()
            ))),
        };
    };
    let mut known: Vec<String> = splits.clone();
    known.sort();
    known.dedup();
    let split = match (asked, known.as_slice()) {
        (Some(name), _) => {
            crate::names::check("--split", name, &known)?;
            name.to_owned()
        }
        (None, [only]) => only.clone(),
        (None, _) if known.iter().any(|name| name == TEST) => TEST.to_owned(),
        (None, _) => {
            return Err(usage(format!(
                "{}: column `split` holds {}; say with --split which one to score",
                source.path().display(),
                known.join(", ")
            )));
        }
    };
    let rows = rows_of(splits, &split);
    Ok((Some(split), rows))
}

fn rows_of(splits: &[String], name: &str) -> Vec<usize> {
    (0..splits.len())
        .filter(|&row| splits[row] == name)
        .collect()
}

/// Scores the rows after temperature scaling. The temperature is fitted on the split `valid` if there is one, or on
/// the scored rows themselves with `--scale`.
fn scaled(
    labelled: &Labelled,
    split: Option<&str>,
    rows: &[usize],
    flags: &CalibrationFlags,
) -> anyhow::Result<Option<(Scaled, Predictions)>> {
    let splits = labelled.splits.as_ref().filter(|_| split != Some(VALID));
    let valid = splits.map_or(Vec::new(), |splits| rows_of(splits, VALID));
    let (on, valid) = match (valid.is_empty(), flags.scale) {
        (false, _) => (FittedOn::Valid, valid),
        (true, true) => (FittedOn::Scored, rows.to_vec()),
        (true, false) => return Ok(None),
    };
    let (fit, logits) = (labelled.logits_of(&valid), labelled.logits_of(rows));
    let classes = labelled.classes.len();
    let temperature = fit_temperature(&fit, &labelled.labels_of(&valid), classes)?;
    let logits = scale_logits(&logits, temperature)?;
    let predictions = Predictions::from_logits(&logits, &labelled.labels_of(rows), classes)?;
    let scaled = Scaled {
        temperature,
        fitted_on: valid.len(),
        on,
        calibration: CalibrationReport::new(&predictions, settings(flags))?,
    };
    Ok(Some((scaled, predictions)))
}

/// Writes the figure in both formats and returns the paths.
fn draw(figure: &Figure, folder: &Path) -> anyhow::Result<[String; 2]> {
    let svg = folder.join(format!("{}.svg", figure.id));
    let png = folder.join(format!("{}.png", figure.id));
    write_atomically(&svg, figure.svg()?.as_bytes())?;
    figure.write_png(&png)?;
    Ok([svg.display().to_string(), png.display().to_string()])
}

/// The name on which file names of figures are based: the file's, or the run's for a run's predictions.
fn stem(path: &Path) -> String {
    if path.as_os_str() == "-" {
        return "predictions".to_owned();
    }
    let text = |name: Option<&std::ffi::OsStr>| {
        name.map(|name| name.to_string_lossy().into_owned())
            .filter(|name| !name.is_empty())
    };
    let own = text(path.file_stem()).unwrap_or_else(|| "predictions".to_owned());
    let folder = path.parent().and_then(|folder| text(folder.file_name()));
    match folder {
        Some(folder) if own == "predictions" => folder,
        _ => own,
    }
}
