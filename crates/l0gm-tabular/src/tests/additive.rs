//! A model that starts from logistic regression predicts what logistic regression predicts.
#![allow(clippy::unwrap_used)]

use super::runs::{run, spec};
use super::{small_csv, write};
use crate::additive::start_from_logistic;
use crate::{EncodedTable, Start, TableModel, TabularModality, TabularSettings, build_model};
use candle_core::Device;
use l0gm_data::{Catalogue, DataOptions, FetchPolicy};
use l0gm_train::{RunContext, Split, StopFlag, predict};
use std::path::Path;

/// Three classes: the label of [`small_csv`], and a third for one town.
fn three_classes(rows: usize) -> String {
    let csv = small_csv(rows);
    let lines = csv.lines().enumerate();
    lines
        .map(|(at, line)| match at % 5 == 4 && line.contains("east") {
            true => format!("{},maybe\n", line.rsplit_once(',').unwrap().0),
            false => format!("{line}\n"),
        })
        .collect()
}

fn settings(bypass: bool) -> TabularSettings {
    let mut settings = TabularModality::general_defaults();
    settings.model.start = Start::Additive;
    settings.data.label = Some("label".into());
    settings.encoding.bins = 8;
    settings.model.dim = 8;
    settings.model.deep = vec![8];
    settings.model.cin.maps = vec![4];
    settings.model.bypass = bypass;
    settings
}

fn prepared(csv: &str, settings: &TabularSettings, dir: &Path) -> (EncodedTable, TableModel) {
    let path = write(dir, "own.csv", csv);
    let options = DataOptions {
        fetch: FetchPolicy::LocalOnly,
        ..DataOptions::default()
    };
    let catalogue = Catalogue::new(options).unwrap();
    let dataset = path.to_str().unwrap();
    let table = EncodedTable::prepare(&catalogue, dataset, settings, 0, &Device::Cpu).unwrap();
    let (encoding, classes) = (&table.encoding, table.classes());
    let model = build_model(encoding, classes, true, settings, 0, &Device::Cpu).unwrap();
    (table, model)
}

fn start(model: &TableModel, table: &EncodedTable, settings: &TabularSettings) -> Option<String> {
    let mut context = RunContext {
        dir: std::path::PathBuf::new(),
        device: Device::Cpu,
        device_name: "cpu".into(),
        threads: 1,
        progress: &mut (),
        stop: StopFlag::default(),
        baselines: Vec::new(),
    };
    start_from_logistic(model, table, settings, 0, &mut context).unwrap()
}

/// The validation NLL that the note of the start claims.
fn claimed(note: &str) -> f64 {
    let (_, number) = note.trim_end_matches(')').rsplit_once(' ').unwrap();
    number.parse().unwrap()
}

#[test]
fn before_the_first_step_the_loss_is_logistic_regressions_behind_the_gate_and_beside_it() {
    for csv in [small_csv(600), three_classes(600)] {
        for (bypass, shrink) in [(false, 0.0), (true, 0.0), (false, 30.0), (true, 30.0)] {
            let dir = tempfile::tempdir().unwrap();
            let mut settings = settings(bypass);
            settings.encoding.shrink = shrink;
            // Without noise from the branches that start near zero, and with gates that pass everything.
            settings.gate.initial_open = 0.9999;
            let (table, model) = prepared(&csv, &settings, dir.path());
            let note = start(&model, &table, &settings).unwrap();
            let stop = StopFlag::default();
            let valid = predict(
                &table.task,
                &model,
                Split::Valid,
                256,
                &Device::Cpu,
                &mut (),
                &stop,
            );
            let loss = valid.unwrap().nll();
            let difference = (loss - claimed(&note)).abs();
            assert!(difference < 2e-3, "{bypass}: {loss}, {note}");
        }
    }
}

#[test]
fn a_model_that_cannot_hold_the_effects_starts_at_random() {
    let dir = tempfile::tempdir().unwrap();
    let mut without = settings(false);
    without.model.linear = false;
    let mut narrow = settings(false);
    narrow.model.dim = 1;
    let mut scaled = settings(false);
    scaled.encoding.numbers = crate::NumberEncoding::Scaled;
    for settings in [without, narrow, scaled] {
        let (table, model) = prepared(&small_csv(300), &settings, dir.path());
        assert_eq!(start(&model, &table, &settings), None);
    }
}

#[test]
fn where_a_column_has_many_values_the_model_starts_from_logistic_regression() {
    for (values, additive) in [(20, false), (70, true)] {
        let dir = tempfile::tempdir().unwrap();
        let rows = (0..400).map(|i| format!("v{},{},{}\n", i % values, i % 9, i * 7 % 5 % 2));
        let csv = format!("place,age,label\n{}", rows.collect::<String>());
        let path = write(dir.path(), "own.csv", csv);
        let record = run(&spec(&path, "dense", None, 60.0), &dir.path().join("dense"));
        let notes = record.data.notes.join("\n");
        assert_eq!(
            notes.contains("starts from logistic"),
            additive,
            "{values}: {notes}"
        );
    }
    for (start, few, many) in [
        (Start::Random, false, false),
        (Start::Additive, true, true),
        (Start::ManyValues, false, true),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let (table, _) = prepared(&small_csv(300), &settings(false), dir.path());
        assert_eq!(start.is_additive(&table.encoding), few);
        let rows = (0..200).map(|i| format!("v{},yes\nv{},no\n", i % 70, i % 70));
        let csv = format!("place,label\n{}", rows.collect::<String>());
        let (table, _) = prepared(&csv, &settings(false), dir.path());
        assert_eq!(start.is_additive(&table.encoding), many);
    }
}

#[test]
fn on_validation_a_dense_model_is_never_worse_than_what_it_starts_from() {
    let dir = tempfile::tempdir().unwrap();
    let path = write(dir.path(), "own.csv", small_csv(400));
    let mut dense = spec(&path, "dense", None, 60.0);
    dense.settings["model"]["start"] = "additive".into();
    let mut bad = dense.clone();
    bad.settings["train"]["optimiser"]["learning-rate"] = 20.0.into();
    let logistic = run(
        &spec(&path, "logistic", None, 60.0),
        &dir.path().join("logistic"),
    );
    let least = logistic.valid_nll.unwrap();
    for (name, spec) in [("dense", dense), ("bad", bad)] {
        let record = run(&spec, &dir.path().join(name));
        let loss = record.valid_nll.unwrap();
        assert!(loss < least + 2e-3, "{name}: {loss} {least}");
    }
}

#[test]
fn the_way_of_starting_is_written_only_where_it_is_not_the_default() {
    let written = serde_json::to_value(TabularModality::defaults()).unwrap();
    assert!(written["model"].get("start").is_none());
    let written = serde_json::to_value(settings(false)).unwrap();
    let read: TabularSettings = serde_json::from_value(written).unwrap();
    assert_eq!(read.model.start, Start::Additive);
}
