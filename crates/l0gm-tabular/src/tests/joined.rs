//! Predictions are joined back to the user's file by the number of the row.
#![allow(clippy::unwrap_used)]

use super::runs::{modality, run};
use super::{small_csv, write};
use crate::CompactTable;
use candle_core::Device;
use l0gm_data::rows::{self, RawTable, ReadOptions, Source};
use l0gm_ops::Generator;
use l0gm_train::{Modality, RunSpec, SpecRequest};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::path::Path;

/// The rows of [`small_csv`] in any order, some of them twice, some without a label.
fn shuffled(count: usize) -> Vec<String> {
    let mut rows: Vec<String> = small_csv(count)
        .lines()
        .skip(1)
        .map(str::to_owned)
        .collect();
    rows.extend_from_within(..count / 5);
    for row in rows.iter_mut().step_by(13) {
        let features = row.rsplit_once(',').unwrap().0;
        *row = format!("{features},");
    }
    Generator::new(5).shuffle(&mut rows);
    rows
}

/// The rows as a file: with blank lines between them, and with a town whose name is two lines long.
fn file(rows: &[String]) -> String {
    let rows = rows.iter().enumerate().map(|(at, row)| {
        let row = row.replace("east", "\"ea\nst\"");
        let blank = if at % 7 == 3 { "\n" } else { "" };
        format!("{blank}{row}\n")
    });
    format!("job,age,town,gain,label\n{}", rows.collect::<String>())
}

fn spec(path: &Path, more: &Value) -> RunSpec {
    let mut overrides = json!({
        "data": {"label": "label", "drop-unlabelled": true},
        "encoding": {"bins": 8},
        "model": {"dim": 4, "deep": [16], "cin": {"maps": [4]}},
        "train": {"epochs": 2, "batch-size": 64, "robustness": false},
    });
    for (key, value) in more.as_object().unwrap() {
        overrides["data"][key] = value.clone();
    }
    let request = SpecRequest {
        lambda: Some(1e-3),
        overrides: &overrides,
        ..SpecRequest::new(path.to_str().unwrap(), "l0gm")
    };
    modality().spec(&request).unwrap()
}

/// The file of predictions, read as any other file of rows.
fn predictions(out: &Path) -> RawTable {
    let path = out.join("predictions.parquet");
    rows::read(&Source::path(path), &ReadOptions::default()).unwrap()
}

#[test]
fn predictions_are_joined_by_row_to_a_shuffled_table_with_copies_and_unlabelled_rows() {
    let dir = tempfile::tempdir().unwrap();
    let rows = shuffled(300);
    let path = write(dir.path(), "own.csv", file(&rows));
    let out = dir.path().join("run");
    let record = run(&spec(&path, &json!({})), &out);
    let model = CompactTable::load(out.join("compact"), &Device::Cpu).unwrap();
    // The model reads the whole file again, rows without a label too.
    let again = model.predict_file(&path).unwrap();
    assert_eq!(again.rows(), rows.len());

    let found = predictions(&out);
    let cell = |row: usize, name: &str| found.column(name).unwrap().cell(row).unwrap().to_owned();
    let number = |row: usize, name: &str| cell(row, name).parse::<f64>().unwrap();
    let mut met = HashSet::new();
    for row in 0..found.rows() {
        let at: usize = cell(row, "source_row").parse().unwrap();
        assert!(met.insert(at), "row {at} twice");
        assert_eq!(cell(row, "source_file"), "own.csv");
        let label = rows[at - 1].rsplit_once(',').unwrap().1;
        assert_eq!(cell(row, "label_class"), label, "row {at}");
        let gap = number(row, "logit_1") - number(row, "logit_0");
        let p = 1.0 / (1.0 + (-gap / record.scaling_temperature).exp());
        assert!((again.row(at - 1)[1] - p).abs() < 1e-5, "row {at}");
        let plain = 1.0 / (1.0 + (-gap).exp());
        assert!((number(row, "p_1") - plain).abs() < 1e-6, "row {at}");
        let predicted = ["no", "yes"][usize::from(gap > 0.0)];
        assert_eq!(cell(row, "predicted_class"), predicted);
    }
    let judged = record.data.rows["valid"] + record.data.rows["test"];
    assert_eq!(met.len(), judged);
}

#[test]
fn rows_of_two_files_are_told_apart_by_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let (train, test) = (shuffled(250), shuffled(100));
    let path = write(dir.path(), "train.csv", file(&train));
    let other = write(dir.path(), "later.csv", file(&test));
    let out = dir.path().join("run");
    run(&spec(&path, &json!({"test-file": other})), &out);
    let found = predictions(&out);
    for row in 0..found.rows() {
        let cell = |name: &str| found.column(name).unwrap().cell(row).unwrap();
        let (name, rows) = match cell("split") {
            "valid" => ("train.csv", &train),
            _ => ("later.csv", &test),
        };
        assert_eq!(cell("source_file"), name);
        let at: usize = cell("source_row").parse().unwrap();
        assert!(rows[at - 1].ends_with(&format!(",{}", cell("label_class"))));
    }
}
