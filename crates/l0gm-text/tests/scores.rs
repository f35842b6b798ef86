//! Runs whose interface holds class scores beside the embedding.
#![allow(clippy::unwrap_used)]

mod common;

use candle_core::Device;
use l0gm_data::{Catalogue, DataOptions, FetchPolicy};
use l0gm_gate::Target;
use l0gm_text::TextModality;
use l0gm_train::{
    Error, Modality, Progress, ProgressEvent, RunContext, RunRecord, RunSpec, SpecRequest, StopFlag,
};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

struct Bench {
    folder: tempfile::TempDir,
    file: PathBuf,
}

impl Bench {
    /// A file of short reviews, some of which have the wrong label, and a tiny encoder.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let model = folder.path().join("tiny");
        std::fs::create_dir_all(&model).unwrap();
        common::write_tiny_model(&model, "");
        let (texts, labels) = common::texts(240);
        let rows: Vec<String> = texts
            .iter()
            .zip(labels)
            .enumerate()
            .map(|(row, (text, label))| {
                let wrong = u32::from(row % 11 == 0);
                format!("{text},{}", ["no", "yes"][(label ^ wrong) as usize])
            })
            .collect();
        let file = folder.path().join("reviews.csv");
        std::fs::write(&file, format!("text,label\n{}\n", rows.join("\n"))).unwrap();
        Self { folder, file }
    }

    fn spec(&self, method: &str, fine_tune: &str, scores: bool) -> RunSpec {
        let gated = method == "l0gm";
        let settings = json!({
            "encoder": self.folder.path().join("tiny").to_str().unwrap(),
            "fine-tune": fine_tune, "max-tokens": 20, "scores": scores,
            "train": {
                "epochs": 8, "batch-size": 16, "checkpoint-seconds": 0, "robustness": false,
                "target": gated.then_some(Target::new(0.5).unwrap()),
            },
        });
        let request = SpecRequest {
            overrides: &settings,
            ..SpecRequest::new(self.file.to_str().unwrap(), method)
        };
        modality(self.folder.path()).spec(&request).unwrap()
    }

    fn run(
        &self,
        spec: &RunSpec,
        out: &str,
        progress: &mut dyn Progress,
        stop: &StopFlag,
    ) -> l0gm_train::Result<RunRecord> {
        let mut context = RunContext {
            dir: self.dir(spec, out),
            device: Device::Cpu,
            device_name: "cpu".into(),
            threads: 2,
            progress,
            stop: stop.clone(),
            baselines: Vec::new(),
        };
        // Each run has a modality of its own, so nothing is kept from the one before.
        modality(self.folder.path()).run(spec, &mut context)
    }

    fn dir(&self, spec: &RunSpec, out: &str) -> PathBuf {
        self.folder.path().join(out).join(spec.id())
    }
}

fn modality(dir: &Path) -> TextModality {
    let catalogue = Catalogue::new(DataOptions {
        data_dir: Some(dir.to_owned()),
        model_dir: Some(dir.to_owned()),
        fetch: FetchPolicy::LocalOnly,
        ..DataOptions::default()
    });
    TextModality::new(catalogue.unwrap())
}

/// Stops a run at its training's `after`-th step.
struct Cut {
    stop: StopFlag,
    after: usize,
}

impl Progress for Cut {
    fn event(&mut self, event: &ProgressEvent) {
        // The regression reports its losses too, but counts few steps.
        if event.stage == "training" && event.steps > 20 && event.step >= self.after {
            self.stop.stop();
        }
    }
}

#[test]
fn a_run_that_is_cut_off_ends_with_the_same_bits() {
    let bench = Bench::new();
    for (method, fine_tune) in [("dense", "frozen"), ("l0gm", "frozen"), ("l0gm", "last-1")] {
        let spec = bench.spec(method, fine_tune, true);
        let whole = bench
            .run(&spec, "whole", &mut (), &StopFlag::default())
            .unwrap();
        for after in [10, 50] {
            let stop = StopFlag::default();
            let mut cut = Cut {
                stop: stop.clone(),
                after,
            };
            let stopped = bench.run(&spec, "cut", &mut cut, &stop);
            assert!(matches!(stopped, Err(Error::Stopped)), "{stopped:?}");
        }
        let again = bench
            .run(&spec, "cut", &mut (), &StopFlag::default())
            .unwrap();
        assert_eq!((again.test, again.valid), (whole.test, whole.valid));
        let bytes = |out: &str, name: &str| {
            let path = bench.dir(&spec, out).join(name);
            std::fs::read(path).unwrap()
        };
        let same = bytes("cut", "predictions.parquet") == bytes("whole", "predictions.parquet");
        assert!(same, "{method}, {fine_tune}");
    }
}

#[test]
fn class_scores_help_an_encoder_that_knows_nothing_and_are_said_in_the_record() {
    let bench = Bench::new();
    let run = |method: &str, scores: bool| {
        let spec = bench.spec(method, "frozen", scores);
        bench.run(&spec, "out", &mut (), &StopFlag::default())
    };
    let (with, without) = (run("dense", true).unwrap(), run("dense", false).unwrap());
    let start = with.selection.unwrap().start.unwrap();
    assert!(with.selection.unwrap().chosen <= start);
    assert!(
        with.calibration.nll < 0.8 * without.calibration.nll,
        "{} and {}",
        with.calibration.nll,
        without.calibration.nll
    );
    let said = |record: &RunRecord| {
        let mut notes = record.data.notes.iter();
        notes.any(|note| note.starts_with("class scores of a logistic regression"))
    };
    assert!(said(&with) && !said(&without));
    let gated = run("l0gm", true).unwrap();
    assert!((gated.gate.active_fraction - 0.5).abs() < 0.04);
    assert!(gated.compact.unwrap().max_logit_difference < 1e-5);
}

#[test]
fn a_finished_run_is_built_again_to_be_timed() {
    let bench = Bench::new();
    let spec = bench.spec("l0gm", "frozen", true);
    bench
        .run(&spec, "out", &mut (), &StopFlag::default())
        .unwrap();
    let texts = modality(bench.folder.path());
    let dir = bench.dir(&spec, "out");
    let timed = texts.timed(&spec, &dir, &Device::Cpu).unwrap();
    let batch = timed.batch(8).unwrap().unwrap();
    let (trained, compact) = (
        (batch.trained)().unwrap(),
        (batch.compact.unwrap())().unwrap(),
    );
    let difference = (trained - compact)
        .unwrap()
        .abs()
        .unwrap()
        .max_all()
        .unwrap();
    assert!(difference.to_scalar::<f32>().unwrap() < 1e-5);
    (batch.before.unwrap())().unwrap();
}

#[test]
fn scores_are_the_general_recipe_and_not_the_papers() {
    let bench = Bench::new();
    let scores = |spec: &RunSpec| spec.settings.get("scores").cloned();
    let request = |dataset: &str| -> RunSpec {
        let overrides = json!({"encoder": bench.folder.path().join("tiny").to_str().unwrap()});
        let request = SpecRequest {
            overrides: &overrides,
            ..SpecRequest::new(dataset, "dense")
        };
        modality(bench.folder.path()).spec(&request).unwrap()
    };
    assert_eq!(
        scores(&request(bench.file.to_str().unwrap())),
        Some(Value::Bool(true))
    );
    let plain = serde_json::to_value(l0gm_text::defaults(l0gm_train::Profile::Quick, true));
    assert!(plain.unwrap().get("scores").is_none());
}

#[test]
fn on_real_messages_both_models_beat_the_bag_of_words() {
    let (Some(messages), Some(encoder)) =
        (l0gm_test_data::dataset("own-files"), common::real_model())
    else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let nll = |method: &str| {
        let overrides = json!({
            "encoder": encoder.to_str().unwrap(), "text-column": "message", "train-rows": 500,
            "train": {
                "robustness": false,
                "target": (method == "l0gm").then_some(Target::new(0.15).unwrap()),
            },
        });
        let file = messages.join("sms-spam.tsv");
        let request = SpecRequest {
            overrides: &overrides,
            ..SpecRequest::new(file.to_str().unwrap(), method)
        };
        let texts = modality(folder.path());
        let spec = texts.spec(&request).unwrap();
        let mut context = RunContext {
            dir: folder.path().join("runs").join(spec.id()),
            device: Device::Cpu,
            device_name: "cpu".into(),
            threads: 2,
            progress: &mut (),
            stop: StopFlag::default(),
            baselines: Vec::new(),
        };
        texts.run(&spec, &mut context).unwrap().calibration.nll
    };
    let (words, dense, gated) = (nll("tfidf"), nll("dense"), nll("l0gm"));
    assert!(
        dense < 0.8 * words && gated < 0.8 * words,
        "{words} {dense} {gated}"
    );
}
