//! Complete runs through the text modality, on a small file of texts.
#![allow(clippy::unwrap_used)]

mod common;

use candle_core::Device;
use l0gm_data::{Catalogue, DataOptions, FetchPolicy};
use l0gm_text::TextModality;
use l0gm_train::{
    Modality, Progress, ProgressEvent, RunContext, RunDir, RunRecord, RunSpec, SpecRequest,
    StopFlag,
};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

struct Bench {
    dir: tempfile::TempDir,
    texts: TextModality,
    file: PathBuf,
}

/// A new modality that has run nothing.
fn modality(dir: &Path) -> TextModality {
    let catalogue = Catalogue::new(DataOptions {
        data_dir: Some(dir.join("data")),
        model_dir: Some(dir.join("models")),
        fetch: FetchPolicy::LocalOnly,
        ..DataOptions::default()
    });
    TextModality::new(catalogue.unwrap())
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let model = dir.path().join("tiny");
        std::fs::create_dir_all(&model).unwrap();
        common::write_tiny_model(&model, "");
        let file = dir.path().join("reviews.csv");
        let (texts, labels) = common::texts(160);
        let rows: Vec<String> = texts
            .iter()
            .zip(labels)
            .map(|(t, l)| format!("{t},{}", ["no", "yes"][l as usize]))
            .collect();
        std::fs::write(&file, format!("text,label\n{}\n", rows.join("\n"))).unwrap();
        for folder in ["data", "models"] {
            std::fs::create_dir_all(dir.path().join(folder)).unwrap();
        }
        let texts = modality(dir.path());
        Self { texts, dir, file }
    }

    fn settings(&self, fine_tune: &str) -> Value {
        json!({
            "encoder": self.dir.path().join("tiny").to_str().unwrap(),
            "fine-tune": fine_tune, "max-tokens": 20, "train-rows": 90, "valid-rows": null, "test-rows": null,
            "train": {"epochs": 3, "batch-size": 8, "eval-batch-size": 16, "optimiser": {"learning-rate": 1e-2}},
        })
    }

    fn run(&self, method: &str, lambda: Option<f64>, settings: &Value, out: &str) -> RunRecord {
        self.try_run(method, lambda, settings, out).unwrap()
    }

    fn failure(&self, method: &str, lambda: Option<f64>, settings: &Value, out: &str) -> String {
        let outcome = self.try_run(method, lambda, settings, out);
        outcome.unwrap_err().to_string()
    }

    fn spec(&self, method: &str, lambda: Option<f64>, settings: &Value) -> RunSpec {
        let dataset = self.file.to_str().unwrap();
        let texts = &self.texts;
        texts
            .spec(&SpecRequest {
                lambda,
                overrides: settings,
                ..SpecRequest::new(dataset, method)
            })
            .unwrap()
    }

    fn try_run(
        &self,
        method: &str,
        lambda: Option<f64>,
        settings: &Value,
        out: &str,
    ) -> l0gm_train::Result<RunRecord> {
        let spec = self.spec(method, lambda, settings);
        self.texts.estimate(&spec).unwrap();
        self.run_telling(&spec, out, &mut ())
    }

    fn run_telling(
        &self,
        spec: &RunSpec,
        out: &str,
        progress: &mut dyn Progress,
    ) -> l0gm_train::Result<RunRecord> {
        let mut context = RunContext {
            dir: self.dir.path().join(out).join(spec.id()),
            device: Device::Cpu,
            device_name: "cpu".into(),
            threads: 2,
            progress,
            stop: StopFlag::default(),
            baselines: Vec::new(),
        };
        self.texts.run(spec, &mut context)
    }
}

fn same_predictions(a: &Path, b: &Path) -> bool {
    let read = |dir: &Path| l0gm_train::read_predictions(&dir.join("predictions.parquet")).unwrap();
    read(a) == read(b)
}

#[test]
fn every_way_of_fine_tuning_runs_and_compacts() {
    let bench = Bench::new();
    for fine_tune in ["frozen", "last-1", "full"] {
        let settings = bench.settings(fine_tune);
        let dense = bench.run("dense", None, &settings, "out");
        assert_eq!(dense.gate.active_fraction, 1.0);
        assert!(dense.compact.is_none());
        let gated = bench.run("l0gm", Some(1e-3), &settings, "out");
        assert!(
            gated.compact.unwrap().max_logit_difference < 1e-5,
            "{fine_tune}"
        );
        assert_eq!(gated.data.rows["train"], 90);
        assert_eq!(gated.data.classes, ["no", "yes"]);
        assert!(
            gated.data.reductions[0].contains("90 of"),
            "{:?}",
            gated.data.reductions
        );
    }
}

#[test]
fn a_gate_a_group_trains_and_says_so_in_its_record() {
    let bench = Bench::new();
    let mut settings = bench.settings("frozen");
    settings["gate"] = json!({"granularity": "group", "group-width": 4});
    let record = bench.run("l0gm", Some(1e-3), &settings, "out");
    assert_eq!(record.gate.granularity_name(), "group");
    assert_eq!(
        (record.gate.total_dims, record.gate.open_probability.len()),
        (16, 4)
    );
    assert_eq!(record.gate.open_dims % 4, 0);
    assert!(record.compact.unwrap().max_logit_difference < 1e-5);

    settings["gate"]["group-width"] = json!(5);
    let message = bench.failure("l0gm", Some(1e-3), &settings, "out");
    assert!(
        message.contains("group-width is 5") && message.contains("4 and 8"),
        "{message}"
    );
}

#[test]
fn the_same_seed_gives_the_same_predictions() {
    let bench = Bench::new();
    for fine_tune in ["frozen", "full"] {
        let settings = bench.settings(fine_tune);
        let a = bench.run("l0gm", Some(1e-3), &settings, "a");
        let b = bench.run("l0gm", Some(1e-3), &settings, "b");
        let dir = |out: &str| bench.dir.path().join(out).join(&a.run_id);
        assert_eq!(a.run_id, b.run_id);
        assert!(same_predictions(&dir("a"), &dir("b")), "{fine_tune}");
    }
}

#[test]
fn a_transformer_from_scratch_learns_plain_words() {
    let bench = Bench::new();
    let settings = json!({
        "encoder": "scratch", "max-tokens": 16, "train-rows": null, "valid-rows": null, "test-rows": null,
        "scratch": {"layers": 1, "width": 16, "heads": 2, "feed-forward": 32, "vocabulary": 200},
        "train": {"epochs": 10, "batch-size": 8, "eval-batch-size": 16, "optimiser": {"learning-rate": 1e-2}},
    });
    let record = bench.run("dense", None, &settings, "out");
    assert!(record.test.accuracy > 0.9, "{}", record.test.accuracy);
    let dir = bench.dir.path().join("out").join(&record.run_id);
    assert!(dir.join("tokenizer.json").is_file());
    // Asking for the same run again must not run it again.
    assert_eq!(bench.run("dense", None, &settings, "out"), record);
}

#[test]
fn a_run_that_another_process_is_working_on_is_left_alone_tokenizer_included() {
    let bench = Bench::new();
    let settings = json!({
        "encoder": "scratch", "max-tokens": 16, "train-rows": null, "valid-rows": null, "test-rows": null,
        "scratch": {"layers": 1, "width": 16, "heads": 2, "feed-forward": 32, "vocabulary": 200},
        "train": {"epochs": 1, "batch-size": 8, "eval-batch-size": 16},
    });
    let id = bench.spec("dense", None, &settings).id();
    let dir = bench.dir.path().join("out").join(id);
    let other = RunDir::open(&dir).unwrap();
    let message = bench.failure("dense", None, &settings, "out");
    assert!(message.contains("another process"), "{message}");
    assert!(!dir.join("tokenizer.json").exists());
    drop(other);
    bench.run("dense", None, &settings, "out");
    assert!(dir.join("tokenizer.json").is_file());
}

#[test]
fn a_finished_run_of_texts_that_were_edited_is_not_passed_off_as_theirs() {
    let bench = Bench::new();
    let settings = bench.settings("frozen");
    let record = bench.run("dense", None, &settings, "out");
    assert_eq!(bench.run("dense", None, &settings, "out"), record);
    let mut texts = std::fs::read_to_string(&bench.file).unwrap();
    texts.push_str("one more film is good,yes\n");
    std::fs::write(&bench.file, texts).unwrap();
    let message = bench.failure("dense", None, &settings, "out");
    assert!(message.contains("the data changed"), "{message}");
}

#[test]
fn bad_requests_are_refused_before_anything_is_read() {
    let bench = Bench::new();
    let file = bench.file.to_str().unwrap();
    let refusal = |dataset: &str, method: &str, lambda, settings: Value| {
        let spec = bench.texts.spec(&SpecRequest {
            lambda,
            overrides: &settings,
            ..SpecRequest::new(dataset, method)
        });
        spec.unwrap_err().to_string()
    };
    let with = |key: &str, value: Value| {
        let mut settings = bench.settings("frozen");
        settings[key] = value;
        settings
    };
    let message = refusal(file, "dense", None, with("max-token", json!(9)));
    assert!(
        message.contains("max-token") && message.contains("max-tokens"),
        "{message}"
    );
    let message = refusal(file, "l0gm", Some(-1.0), bench.settings("frozen"));
    assert!(message.contains("lambda"), "{message}");
    let message = refusal(file, "l0gm", None, bench.settings("frozen"));
    assert!(message.contains("lambda"), "{message}");
    let message = refusal(file, "lOgm", None, bench.settings("frozen"));
    assert!(message.contains("l0gm"), "{message}");
    let message = refusal("imbd", "dense", None, bench.settings("frozen"));
    assert!(message.contains("nearest is \"imdb\""), "{message}");
    let message = refusal("no/such.csv", "dense", None, bench.settings("frozen"));
    assert!(message.contains("no such file"), "{message}");
    let message = refusal(
        file,
        "dense",
        None,
        with("encoder", json!("all-MiniLM-L6-v2")),
    );
    assert!(message.contains("--model-dir"), "{message}");
}

#[test]
fn token_gates_run_frozen_and_fine_tuned_and_reach_a_target() {
    let bench = Bench::new();
    for fine_tune in ["frozen", "last-1", "full"] {
        let mut settings = bench.settings(fine_tune);
        settings["gate"] = json!({"granularity": "fine"});
        settings["train"]["target"] = json!("25%");
        settings["train"]["epochs"] = json!(10);
        let record = bench.run("l0gm", None, &settings, fine_tune);
        let gate = &record.gate;
        assert_eq!((gate.granularity_name(), gate.total_dims % 20), ("fine", 0));
        assert!(
            (gate.active_fraction - 0.25).abs() < 0.01,
            "{}",
            gate.active_fraction
        );
        assert_eq!(gate.open_probability.len(), gate.total_dims);
        assert!(record.compact.is_none());
        assert!(
            record
                .data
                .notes
                .iter()
                .any(|note| note.contains("fine gates"))
        );
    }
}

#[test]
fn token_gates_are_refused_where_one_token_is_pooled_and_a_lambda_where_a_target_is_set() {
    let bench = Bench::new();
    let file = bench.file.to_str().unwrap();
    let refusal = |lambda, settings: &Value| {
        let spec = bench.texts.spec(&SpecRequest {
            lambda,
            overrides: settings,
            ..SpecRequest::new(file, "l0gm")
        });
        spec.unwrap_err().to_string()
    };
    for pooling in ["cls", "pooler"] {
        let mut settings = bench.settings("full");
        settings["pooling"] = json!(pooling);
        settings["gate"] = json!({"granularity": "fine"});
        let text = refusal(Some(1e-3), &settings);
        assert!(
            text.contains("granularity is fine") && text.contains("mean"),
            "{text}"
        );
    }
    let mut settings = bench.settings("full");
    assert!(refusal(None, &settings).contains("lambda or a target"));
    settings["train"]["target"] = json!(0.1);
    assert!(refusal(Some(1e-3), &settings).contains("finds lambda by itself"));
}

/// Number of files in the cache of frozen encoders' features.
fn cached(bench: &Bench, out: &str) -> usize {
    let folder = bench.dir.path().join(out).join("text-features");
    std::fs::read_dir(folder).unwrap().count()
}

#[test]
fn masked_tokens_are_encoded_once_for_all_models_of_a_seed_that_freeze_the_encoder() {
    let bench = Bench::new();
    let mut settings = bench.settings("frozen");
    settings["robustness-at"] = json!("tokens");
    settings["robustness-rows"] = json!(10);
    let dense = bench.run("dense", None, &settings, "out");
    // Training, validation, test, and six ways of masking.
    assert_eq!(cached(&bench, "out"), 9);
    let gated = bench.run("l0gm", Some(1e-3), &settings, "out");
    assert_eq!(cached(&bench, "out"), 9);
    for record in [&dense, &gated] {
        let robustness = record.robustness.as_ref().unwrap();
        assert_eq!((robustness.rows, robustness.conditions.len()), (10, 12));
        for result in &robustness.conditions {
            let masks = result.condition.kind.hides();
            assert_eq!(result.at, if masks { "tokens" } else { "interface" });
        }
    }
    // Without the robustness protocol, a run masks nothing.
    settings["train"]["robustness"] = json!(false);
    assert!(
        bench
            .run("dense", None, &settings, "without")
            .robustness
            .is_none()
    );
    assert_eq!(cached(&bench, "without"), 3);
}

#[test]
fn texts_are_judged_under_perturbation_however_the_encoder_is_trained() {
    let bench = Bench::new();
    for (fine_tune, gate) in [
        ("last-1", "interface"),
        ("full", "interface"),
        ("frozen", "fine"),
    ] {
        let mut settings = bench.settings(fine_tune);
        settings["robustness-at"] = json!("tokens");
        settings["gate"] = json!({"granularity": gate});
        let record = bench.run("l0gm", Some(1e-3), &settings, "out");
        let robustness = record.robustness.as_ref().unwrap();
        assert_eq!(robustness.rows, record.data.rows["test"], "{fine_tune}");
        assert!((robustness.clean.nll - record.calibration.nll).abs() < 1e-9);
        let nll: Vec<f64> = robustness.conditions.iter().map(|c| c.score.nll).collect();
        // The words determine the label, so a trained encoder loses accuracy if they are masked.
        let learns = fine_tune != "frozen";
        assert!(
            !learns || nll[2] > robustness.clean.nll + 1e-3,
            "{fine_tune}: {nll:?}"
        );
        assert!(
            (nll[6] - robustness.clean.nll).abs() < 0.05,
            "{fine_tune}: {nll:?}"
        );
        assert!(
            nll.iter()
                .all(|nll| nll.is_finite() && *nll != robustness.clean.nll)
        );
    }
}

#[test]
fn the_quick_profile_leaves_tokens_alone_and_encodes_nothing_more() {
    let bench = Bench::new();
    let settings = bench.settings("frozen");
    let record = bench.run("l0gm", Some(1e-3), &settings, "out");
    assert_eq!(cached(&bench, "out"), 3);
    let conditions = record.robustness.unwrap().conditions;
    assert!(conditions.iter().all(|result| result.at == "interface"));
}

#[test]
fn a_task_kept_from_another_run_predicts_as_one_made_anew_and_other_settings_make_it_anew() {
    let mut bench = Bench::new();
    let frozen = bench.settings("frozen");
    let mut shorter = frozen.clone();
    shorter["max-tokens"] = json!(6);
    for (n, settings) in [&frozen, &shorter, &frozen].into_iter().enumerate() {
        // The gated run finds what the dense run in the same folder prepared.
        bench.run("dense", None, settings, &format!("out-{n}"));
        let kept = bench.run("l0gm", Some(1e-3), settings, &format!("out-{n}"));
        let used = std::mem::replace(&mut bench.texts, modality(bench.dir.path()));
        let anew = bench.run("l0gm", Some(1e-3), settings, &format!("anew-{n}"));
        bench.texts = used;
        let at = |out: &str| bench.dir.path().join(format!("{out}-{n}"));
        assert!(same_predictions(
            &at("out").join(kept.run_id),
            &at("anew").join(anew.run_id)
        ));
        assert_eq!(kept.data.rows, anew.data.rows);
    }
}

/// The number of texts that a run reports to have encoded.
#[derive(Default)]
struct Encoded(usize);

impl Progress for Encoded {
    fn event(&mut self, event: &ProgressEvent) {
        if event.stage == "encoding" {
            self.0 = self.0.max(event.step);
        }
    }
}

#[test]
fn states_of_a_frozen_encoder_serve_the_next_run_with_fine_gates_until_texts_rest() {
    let mut bench = Bench::new();
    let mut settings = bench.settings("frozen");
    settings["gate"] = json!({"granularity": "fine"});
    let encoded = |bench: &Bench, lambda: f64, out: &str| {
        let spec = bench.spec("l0gm", Some(lambda), &settings);
        let mut encoded = Encoded::default();
        bench.run_telling(&spec, out, &mut encoded).unwrap();
        (encoded.0, bench.dir.path().join(out).join(spec.id()))
    };
    let (first, _) = encoded(&bench, 1e-3, "out");
    assert!(first > 90, "{first}: training and validation rows");
    let (second, kept) = encoded(&bench, 1e-2, "out");
    assert_eq!(second, 0);
    bench.texts.rest();
    assert_eq!(encoded(&bench, 3e-3, "out").0, first);
    bench.texts = modality(bench.dir.path());
    let (_, anew) = encoded(&bench, 1e-2, "anew");
    assert!(same_predictions(&kept, &anew));
}

#[test]
fn every_technique_runs_on_frozen_and_on_trained_encoders() {
    use l0gm_train::{TECHNIQUES, Unit};
    let bench = Bench::new();
    for fine_tune in ["frozen", "full"] {
        let mut settings = bench.settings(fine_tune);
        settings["train"]["target"] = json!(0.25);
        settings["method"] = json!({"deep-ensemble": {"members": 2}});
        for technique in TECHNIQUES {
            let info = technique.info();
            let record = bench.run(&info.name, None, &settings, fine_tune);
            assert_eq!(record.method, info);
            match record.compression {
                None => assert!(!info.has_knob()),
                Some(kept) => {
                    assert!((kept.share() - 0.25).abs() < 0.5 / kept.of as f64 + 1e-9);
                    let compact = record.compact.map(|compact| compact.max_logit_difference);
                    assert_eq!(compact.is_none(), kept.unit == Unit::Weights);
                    assert!(compact.unwrap_or(0.0) < 1e-4, "{}", info.name);
                }
            }
        }
    }
}
