//! A compact model is written to its run's folder and gives the same predictions after loading, for plain texts.
#![allow(clippy::unwrap_used)]

mod common;

use candle_core::{Device, Tensor};
use l0gm_data::rows::Source;
use l0gm_data::{Catalogue, DataOptions, FetchPolicy};
use l0gm_gate::{Gate, GateConfig, Schedule};
use l0gm_ops::Generator;
use l0gm_text::{
    Columns, CompactModel, CompactText, FineTune, LoadedEncoder, Pooling, TextData, TextHead,
    TextInput, TextModality, TextSettings, split,
};
use l0gm_train::{
    CompactFolder, CompactHeader, Encoder, GatedModel, Modality, RowOptions, RowPredictor,
    RunContext, RunRecord, Sizes, SpecRequest, Split, StopFlag,
};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Largest difference of a logit between a gated model on the encoder in `dir` and its compact model after writing
/// and loading. `open` is the smallest number of dimensions that are kept.
fn difference_after_loading(dir: &Path, settings: &TextSettings, open: usize) -> f32 {
    let device = Device::Cpu;
    let loaded = LoadedEncoder::from_folder(dir, settings, &device).unwrap();
    let interface = loaded.encoder.interface();
    let width = interface.width();
    let gate = Gate::new(
        interface,
        &GateConfig::default(),
        &Schedule::default(),
        &device,
    )
    .unwrap();
    let values: Vec<f32> = (0..width)
        .map(|i| if i < open { 0.5 + (i % 5) as f32 } else { -9.0 })
        .collect();
    let log_alpha = gate.log_alpha().unwrap();
    log_alpha
        .set(&Tensor::new(values, &device).unwrap())
        .unwrap();
    let head = TextHead::new(width, 2, 0.1, &mut Generator::new(3), &device).unwrap();
    let model = GatedModel {
        encoder: loaded.encoder,
        gate,
        head,
    };
    let compact = CompactModel::new(&model).unwrap();
    assert_eq!(compact.kept().len(), open);
    let parts = compact
        .parts(
            settings,
            &loaded.tokenizer,
            loaded.weights_sha256.as_deref(),
        )
        .unwrap();
    let home = tempfile::tempdir().unwrap();
    let header = CompactHeader {
        format: CompactFolder::FORMAT,
        modality: "text".into(),
        run_id: "a-run".into(),
        classes: vec!["no".into(), "yes".into()],
        temperature: 1.0,
        label: None,
        decision: None,
        gated: Sizes::default(),
        compact: Sizes::default(),
        files: BTreeMap::new(),
        model: serde_json::Value::Null,
    };
    CompactFolder::write(home.path(), header, parts).unwrap();
    let frozen = settings.fine_tune == FineTune::Frozen;
    let back = CompactText::load(home.path(), frozen.then_some(dir), &device).unwrap();
    let (texts, _) = common::texts(7);
    let found = back.logits(&texts).unwrap();
    let tokens = loaded
        .tokenizer
        .encode(&texts, settings.max_tokens)
        .unwrap();
    let mut largest = 0f32;
    for row in 0..tokens.rows() {
        let input = TextInput::tokens(&[tokens.get(row)], 0, &device).unwrap();
        let gated = model.logits(&input).unwrap();
        let found = found.narrow(0, row, 1).unwrap();
        let difference = (gated - found).unwrap().abs().unwrap();
        largest = largest.max(difference.max_all().unwrap().to_scalar().unwrap());
    }
    largest
}

#[test]
fn loaded_logits_equal_gated_logits_with_a_trained_and_a_frozen_encoder() {
    let dir = tempfile::tempdir().unwrap();
    common::write_tiny_model(dir.path(), "");
    for fine_tune in [FineTune::Frozen, FineTune::Last(1), FineTune::Full] {
        for pooling in [Pooling::Mean, Pooling::Cls, Pooling::Pooler] {
            for open in [7, 0, 16] {
                let settings = TextSettings {
                    fine_tune,
                    pooling,
                    max_tokens: 20,
                    ..TextSettings::default()
                };
                let difference = difference_after_loading(dir.path(), &settings, open);
                assert!(
                    difference < 1e-5,
                    "{fine_tune:?}, {pooling:?}, {open}: {difference}"
                );
            }
        }
    }
}

#[test]
fn loaded_logits_equal_gated_logits_on_the_real_encoder() {
    let Some(dir) = common::real_model() else {
        return;
    };
    let settings = TextSettings {
        fine_tune: FineTune::Frozen,
        ..TextSettings::default()
    };
    let difference = difference_after_loading(&dir, &settings, 40);
    assert!(difference < 1e-5, "{difference}");
}

/// Makes a gated run on a small file of texts; returns its record and folder.
fn run(dir: &Path, fine_tune: &str) -> (RunRecord, PathBuf) {
    let model = dir.join("tiny");
    std::fs::create_dir_all(&model).unwrap();
    common::write_tiny_model(&model, "");
    let (texts, labels) = common::texts(160);
    let rows: Vec<String> = texts
        .iter()
        .zip(labels)
        .map(|(text, label)| format!("{text},{}", ["no", "yes"][label as usize]))
        .collect();
    let file = dir.join("reviews.csv");
    std::fs::write(&file, format!("text,label\n{}\n", rows.join("\n"))).unwrap();
    for folder in ["data", "models"] {
        std::fs::create_dir_all(dir.join(folder)).unwrap();
    }
    let options = DataOptions {
        data_dir: Some(dir.join("data")),
        model_dir: Some(dir.join("models")),
        fetch: FetchPolicy::LocalOnly,
        ..DataOptions::default()
    };
    let modality = TextModality::new(Catalogue::new(options).unwrap());
    let encoder = match fine_tune {
        "scratch" => json!({
            "encoder": "scratch", "fine-tune": "full",
            "scratch": {"layers": 1, "width": 16, "heads": 2, "feed-forward": 32, "vocabulary": 200},
        }),
        other => json!({"encoder": model.to_str().unwrap(), "fine-tune": other}),
    };
    let mut settings = json!({
        "max-tokens": 20, "train-rows": 90, "valid-rows": null, "test-rows": null,
        "train": {"epochs": 2, "batch-size": 8, "eval-batch-size": 16, "optimiser": {"learning-rate": 1e-2}},
    });
    for (key, value) in encoder.as_object().unwrap() {
        settings[key] = value.clone();
    }
    let dataset = file.to_str().unwrap();
    let spec = modality
        .spec(&SpecRequest {
            lambda: Some(1e-3),
            overrides: &settings,
            ..SpecRequest::new(dataset, "l0gm")
        })
        .unwrap();
    let out = dir.join("out").join(spec.id());
    let mut context = RunContext {
        dir: out.clone(),
        device: Device::Cpu,
        device_name: "cpu".into(),
        threads: 1,
        progress: &mut (),
        stop: StopFlag::default(),
        baselines: Vec::new(),
    };
    (modality.run(&spec, &mut context).unwrap(), out)
}

#[test]
fn a_finished_run_leaves_a_model_that_finds_its_test_predictions_again() {
    for fine_tune in ["frozen", "last-1", "scratch"] {
        let dir = tempfile::tempdir().unwrap();
        let (record, out) = run(dir.path(), fine_tune);
        let frozen = fine_tune == "frozen";
        let encoder = dir.path().join("tiny");
        let compact = out.join("compact");
        let loaded =
            CompactText::load(&compact, frozen.then_some(&*encoder), &Device::Cpu).unwrap();
        let json = std::fs::read_to_string(compact.join("model.json")).unwrap();
        assert_eq!(json.contains("\"elsewhere\""), frozen, "{json}");
        // Draw the texts of each split again, as the run's own settings do.
        let settings: TextSettings = serde_json::from_value(record.spec.settings.clone()).unwrap();
        let columns = Columns {
            text: "text",
            label: "label",
        };
        let data = TextData::file(&dir.path().join("reviews.csv"), columns, &[]).unwrap();
        let parts = split(data, &settings).unwrap();
        let tables = l0gm_train::read_predictions(&out.join("predictions.parquet")).unwrap();
        assert_eq!(tables.len(), 2);
        for table in tables {
            let part = match table.split {
                Split::Valid => &parts.valid,
                Split::Test => &parts.test,
                Split::Train => panic!("predictions of training rows"),
            };
            assert_eq!(table.rows, (0..part.rows() as u32).collect::<Vec<_>>());
            assert_eq!(table.labels, part.labels);
            let found = loaded.predict(&part.texts).unwrap();
            assert_eq!(found.classes(), ["no", "yes"]);
            for (row, logits) in table.logits.chunks_exact(2).enumerate() {
                let scaled = f64::from(logits[1] - logits[0]) / record.scaling_temperature;
                let p = 1.0 / (1.0 + (-scaled).exp());
                let q = found.row(row)[1];
                assert!((p - q).abs() < 1e-5, "{fine_tune}, row {row}: {p} and {q}");
            }
        }
        assert!(loaded.predict(&[]).is_err());
    }
}

#[test]
fn a_copy_with_its_encoder_needs_nothing_else_and_predicts_texts_in_chunks() {
    let dir = tempfile::tempdir().unwrap();
    let (_, out) = run(dir.path(), "frozen");
    let (compact, encoder) = (out.join("compact"), dir.path().join("tiny"));
    let (texts, _) = common::texts(40);
    let whole = CompactText::load(&compact, Some(&encoder), &Device::Cpu).unwrap();
    let expected = whole.predict(&texts).unwrap();
    let model = dir.path().join("model");
    let files = CompactText::encoder_files(&compact, &encoder).unwrap();
    CompactFolder::export_with(&compact, &model, None, &files).unwrap();
    std::fs::remove_dir_all(&encoder).unwrap();
    assert_eq!(CompactText::encoder_elsewhere(&model).unwrap(), None);
    let copy = CompactText::load(&model, None, &Device::Cpu).unwrap();
    assert_eq!(copy.text_column(), Some("text"));
    assert_eq!(copy.predict(&texts).unwrap(), expected);
    let rows: Vec<String> = texts
        .iter()
        .zip(1..)
        .map(|(text, i)| format!("{i},\"{text}\""))
        .collect();
    let path = dir.path().join("new.csv");
    std::fs::write(&path, format!("key,text\n{}\n", rows.join("\n"))).unwrap();
    let options = RowOptions {
        keep: vec!["key".into()],
        rows: 7,
        separator: None,
    };
    let mut stream = copy.stream(&Source::path(&path), "text", &options).unwrap();
    let (mut row, mut kept) = (0, Vec::new());
    while let Some(chunk) = stream.next_rows().unwrap() {
        assert!(chunk.probabilities.rows() <= 7);
        for at in 0..chunk.probabilities.rows() {
            // Texts are padded with others of their chunk, which moves the last digits.
            let (found, expected) = (chunk.probabilities.row(at)[1], expected.row(row)[1]);
            assert!(
                (found - expected).abs() < 1e-5,
                "{row}: {found}, {expected}"
            );
            row += 1;
        }
        kept.extend(chunk.kept[0].clone());
    }
    assert_eq!(row, 40);
    assert_eq!(kept[39].as_deref(), Some("40"));
    assert_eq!(
        stream
            .unseen()
            .unwrap()
            .iter()
            .map(|u| u.cells)
            .sum::<u64>()
            > 0,
        whole.remark(&texts).unwrap().is_some()
    );
}

#[test]
fn an_encoder_that_is_not_given_or_another_one_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let (_, out) = run(dir.path(), "frozen");
    let compact = out.join("compact");
    let refused = |encoder: Option<&Path>| {
        let error = CompactText::load(&compact, encoder, &Device::Cpu).unwrap_err();
        error.to_string()
    };
    assert!(refused(None).contains("give that encoder's folder"));
    let weights = dir.path().join("tiny").join("model.safetensors");
    let mut bytes = std::fs::read(&weights).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&weights, &bytes).unwrap();
    let text = refused(Some(&dir.path().join("tiny")));
    assert!(
        text.contains("does not hold the encoder this model was made with"),
        "{text}"
    );
}

#[test]
fn files_that_are_damaged_or_of_another_version_are_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let (_, out) = run(dir.path(), "scratch");
    let compact = out.join("compact");
    let refused = || {
        let error = CompactText::load(&compact, None, &Device::Cpu).unwrap_err();
        error.to_string()
    };
    let json = compact.join("model.json");
    let whole = std::fs::read_to_string(&json).unwrap();
    std::fs::write(&json, whole.replacen("\"format\": 2", "\"format\": 3", 1)).unwrap();
    assert!(refused().contains("format 3"), "{}", refused());
    std::fs::write(&json, &whole).unwrap();
    for name in ["model.safetensors", "tokenizer.json"] {
        let path = compact.join(name);
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() - 2]).unwrap();
        let text = refused();
        assert!(text.contains(name) && text.contains("cut off"), "{text}");
        std::fs::write(&path, &bytes).unwrap();
    }
    CompactText::load(&compact, None, &Device::Cpu).unwrap();
}
