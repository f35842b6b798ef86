//! A compact model is written to its run's folder and gives the same predictions after loading, for raw rows.
#![allow(clippy::unwrap_used)]

use super::compaction::{VARIANTS, model};
use super::{small_csv, small_input, small_settings, write};
use crate::tests::runs::{run, spec};
use crate::{CompactModel, CompactTable, TabularModality, build_model};
use candle_core::{Device, Tensor};
use l0gm_data::rows::Source;
use l0gm_data::{Catalogue, DataOptions, FetchPolicy};
use l0gm_train::{CompactFolder, CompactHeader, Sizes, Split, read_predictions};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub(super) fn header(classes: &[&str]) -> CompactHeader {
    CompactHeader {
        format: CompactFolder::FORMAT,
        modality: "tabular".into(),
        run_id: "a-run".into(),
        classes: classes.iter().map(|c| c.to_string()).collect(),
        temperature: 1.5,
        label: None,
        decision: None,
        gated: Sizes::default(),
        compact: Sizes::default(),
        files: BTreeMap::new(),
        model: serde_json::Value::Null,
    }
}

fn largest_difference(a: &Tensor, b: &Tensor) -> f32 {
    let difference = (a - b).unwrap().abs().unwrap().max_all().unwrap();
    difference.to_scalar().unwrap()
}

#[test]
fn loaded_logits_of_raw_rows_equal_gated_logits_in_every_variant() {
    let patterns: [&[f32]; 3] = [
        &[-3.0, 0.4, 2.0, -0.2, 1.0, -5.0, 0.1],
        &[-9.0, -9.0, -9.0, -9.0, 0.5, 1.5, -9.0, 3.0],
        &[-9.0],
    ];
    for variant in VARIANTS {
        let mut settings = small_settings();
        variant(&mut settings);
        for pattern in patterns {
            let (model, encoding, input) = model(&settings, pattern);
            let compact = CompactModel::new(&model, &encoding).unwrap();
            let dir = tempfile::tempdir().unwrap();
            let file = compact.parts(&encoding, &settings.data).unwrap();
            CompactFolder::write(dir.path(), header(&["no", "yes"]), file).unwrap();
            let loaded = CompactTable::load(dir.path(), &Device::Cpu).unwrap();
            // Without raw values, closed columns are not in the files.
            let kept = compact
                .kept()
                .iter()
                .filter(|kept| settings.model.bypass || !kept.is_empty());
            assert!(loaded.model().kept().iter().eq(kept));
            // The rows without their labels, with the columns in another order.
            let rows = small_csv(120);
            let turned: Vec<String> = rows
                .lines()
                .map(|line| {
                    let cells: Vec<&str> = line.split(',').collect();
                    [cells[3], cells[2], cells[1], cells[0]].join(",")
                })
                .collect();
            let path = write(dir.path(), "rows.csv", turned.join("\n"));
            let logits = loaded
                .logits(loaded.read_rows(&Source::path(&path)).unwrap().0)
                .unwrap();
            let gated = model.logits(&input).unwrap();
            let difference = largest_difference(&gated, &logits);
            assert!(
                difference < 1e-5,
                "{difference} for {settings:?} {pattern:?}"
            );
        }
    }
}

/// A gated run on a small table: its temporary home, its folder, and the table.
fn finished() -> (tempfile::TempDir, PathBuf, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = write(dir.path(), "own.csv", small_csv(400));
    let out = dir.path().join("run");
    let record = run(&spec(&path, "l0gm", Some(1e-2), 60.0), &out);
    assert!(record.compact.unwrap().max_logit_difference < 1e-5);
    (dir, path, out)
}

#[test]
fn a_finished_run_leaves_a_model_that_predicts_its_file_again_with_calibrated_probabilities() {
    let (_dir, path, out) = finished();
    let loaded = CompactTable::load(out.join("compact"), &Device::Cpu).unwrap();
    let record = l0gm_train::finished_record(&out).unwrap().unwrap();
    assert_eq!(loaded.header().temperature, record.scaling_temperature);
    assert_eq!(loaded.header().classes, record.data.classes);
    let found = loaded.predict_file(&path).unwrap();
    assert_eq!(found.rows(), 400);
    // The run's scaled test predictions must be among them, with the same number of rows for each probability.
    let tables = read_predictions(&out.join("predictions.parquet")).unwrap();
    let all: Vec<f64> = (0..400).map(|row| found.row(row)[1]).collect();
    for table in tables {
        for logits in table.logits.chunks_exact(2) {
            let scaled = f64::from(logits[1] - logits[0]) / record.scaling_temperature;
            let p = 1.0 / (1.0 + (-scaled).exp());
            assert!(all.iter().any(|q| (p - q).abs() < 1e-5), "{p}");
        }
    }
    assert!((found.row(0).iter().sum::<f64>() - 1.0).abs() < 1e-12);
}

#[test]
fn a_dense_run_leaves_no_compact_model() {
    let dir = tempfile::tempdir().unwrap();
    let path = write(dir.path(), "own.csv", small_csv(300));
    let out = dir.path().join("run");
    run(&spec(&path, "dense", None, 60.0), &out);
    assert!(!out.join("compact").exists());
    let text = CompactTable::load(out.join("compact"), &Device::Cpu).unwrap_err();
    assert!(text.to_string().contains("dense runs"), "{text}");
}

#[test]
fn a_finished_run_of_a_version_without_compact_models_is_still_read() {
    let (_dir, path, out) = finished();
    let record = l0gm_train::finished_record(&out).unwrap().unwrap();
    std::fs::remove_dir_all(out.join("compact")).unwrap();
    assert_eq!(run(&spec(&path, "l0gm", Some(1e-2), 60.0), &out), record);
    // Without its record, the run finishes again from its checkpoint and writes the model again.
    std::fs::remove_file(out.join("record.json")).unwrap();
    run(&spec(&path, "l0gm", Some(1e-2), 60.0), &out);
    CompactTable::load(out.join("compact"), &Device::Cpu).unwrap();
}

#[test]
fn files_that_are_damaged_or_of_another_version_are_refused_by_name() {
    let (_dir, _, out) = finished();
    let compact = out.join("compact");
    let refused = |dir: &Path| {
        let error = CompactTable::load(dir, &Device::Cpu).unwrap_err();
        error.to_string()
    };
    assert!(refused(&out).contains("folder `compact`"));
    let json = compact.join("model.json");
    let whole = std::fs::read_to_string(&json).unwrap();
    std::fs::write(&json, whole.replacen("\"format\": 2", "\"format\": 9", 1)).unwrap();
    assert!(refused(&compact).contains("format 9"));
    // One column fewer than the tensors were made for.
    let mut value: serde_json::Value = serde_json::from_str(&whole).unwrap();
    let numbers = &mut value["model"]["encoding"]["numbers"];
    numbers.as_array_mut().unwrap().pop();
    std::fs::write(&json, value.to_string()).unwrap();
    assert!(refused(&compact).contains("do not fit"));
    // Sizes that no weights can have, which would run out of memory if they were trusted.
    for (key, size) in [
        ("dim", serde_json::json!(2_147_483_648_u64)),
        ("frequencies", serde_json::json!(u64::MAX)),
        ("cin", serde_json::json!({"maps": [u64::MAX, u64::MAX]})),
    ] {
        let mut value: serde_json::Value = serde_json::from_str(&whole).unwrap();
        value["model"]["shape"][key] = size;
        std::fs::write(&json, value.to_string()).unwrap();
        let text = refused(&compact);
        assert!(
            text.contains("model.json") && text.contains("its weights"),
            "{text}"
        );
    }
    std::fs::write(&json, &whole).unwrap();
    let weights = compact.join("model.safetensors");
    let bytes = std::fs::read(&weights).unwrap();
    std::fs::write(&weights, &bytes[..bytes.len() / 2]).unwrap();
    let text = refused(&compact);
    assert!(
        text.contains("model.safetensors") && text.contains("cut off"),
        "{text}"
    );
}

#[test]
fn rows_that_do_not_fit_are_named_by_file_row_and_column() {
    let (dir, _, out) = finished();
    let loaded = CompactTable::load(out.join("compact"), &Device::Cpu).unwrap();
    let refused = |content: &str| {
        let path = write(dir.path(), "new.csv", content);
        loaded.predict_file(&path).unwrap_err().to_string()
    };
    let text = refused("job,age,twon,gain\ncook,30,north,1\n");
    assert!(
        text.contains("'town'") && text.contains("did you mean 'twon'"),
        "{text}"
    );
    for wrong in ["1e999", "old", "inf"] {
        let text = refused(&format!(
            "job,age,town,gain\ncook,30,north,1\ncook,{wrong},north,1\n"
        ));
        assert!(
            text.contains("line 3, column 'age'") && text.contains(wrong),
            "{text}"
        );
    }
    let missing = dir.path().join("none.csv");
    assert!(loaded.predict_file(&missing).is_err());
    // A category that training did not see, and missing cells everywhere, must be accepted.
    let path = write(dir.path(), "new.csv", "job,age,town,gain\npilot,?,,1\n");
    let found = loaded.predict_file(&path).unwrap();
    assert!(found.row(0).iter().all(|p| *p > 0.0 && *p < 1.0));
}

#[test]
fn an_encoding_comes_back_from_json_as_it_was() {
    let (_, encoding, _) = small_input(&small_settings());
    let json = serde_json::to_string(&encoding).unwrap();
    let back: crate::Encoding = serde_json::from_str(&json).unwrap();
    assert_eq!(back, encoding);
    let falling = json.replacen("\"edges\":[", "\"edges\":[1e9,", 1);
    assert!(serde_json::from_str::<crate::Encoding>(&falling).is_err());
}

#[test]
fn loaded_logits_of_the_real_adult_equal_gated_logits() {
    let Some(adult) = l0gm_test_data::dataset("adult") else {
        return;
    };
    let data = adult.parent().unwrap().to_path_buf();
    let catalogue = Catalogue::new(DataOptions {
        data_dir: Some(data),
        fetch: FetchPolicy::LocalOnly,
        ..DataOptions::default()
    });
    let modality = TabularModality::new(catalogue.unwrap());
    let settings = TabularModality::defaults();
    let adult = modality
        .prepare("adult", &settings, 0, &Device::Cpu)
        .unwrap();
    let model = build_model(&adult.encoding, 2, true, &settings, 0, &Device::Cpu).unwrap();
    // An untrained model, with every third gate closed.
    let log_alpha = model.gate.log_alpha().unwrap();
    let values: Vec<f32> = (0..log_alpha.elem_count())
        .map(|i| if i % 3 == 0 { -6.0 } else { 3.0 })
        .collect();
    let values = Tensor::from_vec(values, log_alpha.shape().clone(), &Device::Cpu).unwrap();
    log_alpha.set(&values).unwrap();
    let compact = CompactModel::new(&model, &adult.encoding).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let file = compact.parts(&adult.encoding, &settings.data).unwrap();
    CompactFolder::write(dir.path(), header(&["<=50K", ">50K"]), file).unwrap();
    let loaded = CompactTable::load(dir.path(), &Device::Cpu).unwrap();

    let all = loaded.logits(adult.loaded.table.clone()).unwrap();
    let rows = adult.loaded.split(&settings, 0).unwrap().test;
    let rows = Tensor::new(rows.as_slice(), &Device::Cpu).unwrap();
    let found = all.index_select(&rows, 0).unwrap();
    let input = adult.task.input(Split::Test);
    let gated = model.logits(input).unwrap();
    let difference = largest_difference(&gated, &found);
    assert!(difference < 1e-5, "{difference}");
}
