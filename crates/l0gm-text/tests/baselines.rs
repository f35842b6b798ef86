//! Runs of the baseline for texts through the door that the runner uses, on a small file.
#![allow(clippy::unwrap_used)]

mod common;

use candle_core::Device;
use l0gm_data::rows::{self, ReadOptions, Source};
use l0gm_data::{Catalogue, DataOptions, FetchPolicy};
use l0gm_text::TextModality;
use l0gm_train::{
    Error, Modality, Profile, Role, RunContext, RunRecord, RunSpec, SpecRequest, Split, StopFlag,
    read_predictions,
};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::path::{Path, PathBuf};

struct Bench {
    folder: tempfile::TempDir,
    texts: TextModality,
    file: PathBuf,
}

impl Bench {
    /// A file of 200 short reviews, and no encoder anywhere.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("reviews.csv");
        let (texts, labels) = common::texts(200);
        let rows = texts.iter().zip(labels);
        let rows: Vec<String> = rows
            .map(|(text, label)| format!("{text},{}", ["no", "yes"][label as usize]))
            .collect();
        std::fs::write(&file, format!("text,label\n{}\n", rows.join("\n"))).unwrap();
        let catalogue = Catalogue::new(DataOptions {
            data_dir: Some(folder.path().to_owned()),
            model_dir: Some(folder.path().to_owned()),
            fetch: FetchPolicy::LocalOnly,
            ..DataOptions::default()
        });
        Self {
            texts: TextModality::new(catalogue.unwrap()),
            folder,
            file,
        }
    }

    fn spec(&self, overrides: &Value) -> RunSpec {
        let request = SpecRequest {
            overrides,
            ..SpecRequest::new(self.file.to_str().unwrap(), "tfidf")
        };
        self.texts.spec(&request).unwrap()
    }

    fn dir(&self, out: &str, spec: &RunSpec) -> PathBuf {
        self.folder.path().join(out).join(spec.id())
    }

    fn run(&self, spec: &RunSpec, out: &str, stop: StopFlag) -> l0gm_train::Result<RunRecord> {
        let mut context = RunContext {
            dir: self.dir(out, spec),
            device: Device::Cpu,
            device_name: "cpu".into(),
            threads: 2,
            progress: &mut (),
            stop,
            baselines: Vec::new(),
        };
        self.texts.run(spec, &mut context)
    }
}

fn bytes(dir: &Path, name: &str) -> Vec<u8> {
    std::fs::read(dir.join(name)).unwrap()
}

#[test]
fn tfidf_is_planned_run_perturbed_and_recorded() {
    let bench = Bench::new();
    let spec = bench.spec(&json!({"method": {"tfidf": {"features": {"words": 1}}}}));
    assert_eq!(spec.lambda, None);
    let own = &spec.settings[RunSpec::METHOD_SETTINGS];
    assert_eq!(own["features"]["words"], 1);
    assert!(bench.texts.estimate(&spec).unwrap().as_secs() < 60);
    let record = bench.run(&spec, "out", StopFlag::default()).unwrap();
    assert_eq!(record.method.role, Role::Baseline);
    // One adjective tells the class.
    assert!(record.test.accuracy > 0.95, "{}", record.test.accuracy);
    assert!(record.gate.kind.is_none() && record.gate.total_dims == 0);
    assert_eq!(record.data.classes, ["no", "yes"]);
    assert!(record.data.reading.is_some());
    assert_eq!(record.not_offered.len(), 1);
    assert_eq!(record.not_offered[0].what, "compact form");
    assert!(record.sizes.parameters > 0 && record.latency_us_per_example.is_some());
    let robustness = record.robustness.unwrap();
    assert_eq!(robustness.conditions.len(), 12);
    for result in &robustness.conditions {
        let at = match result.condition.kind.hides() {
            true => "words",
            false => "TF-IDF weights",
        };
        assert_eq!(result.at, at);
    }
    // Half of all words are hidden, and with them half of the adjectives.
    let clean = robustness.clean.accuracy;
    let worst = robustness.conditions.iter().map(|c| c.score.accuracy);
    assert!(worst.fold(1.0, f64::min) < clean, "{robustness:?}");
}

#[test]
fn predictions_are_joined_by_row_to_a_file_with_unlabelled_rows() {
    let bench = Bench::new();
    let (texts, labels) = common::texts(200);
    // Every sixth row has no label, and some texts go over two lines.
    let label = |row: usize| ["no", "yes"][labels[row] as usize];
    let rows = texts.iter().enumerate().map(|(row, text)| {
        let text = text.replace(" said", "\nsaid");
        let label = if row % 6 == 1 { "" } else { label(row) };
        format!("\"{text}\",{label}\n")
    });
    let rows: String = rows.collect();
    std::fs::write(&bench.file, format!("text,label\n{rows}")).unwrap();
    let spec = bench.spec(&json!({"drop-unlabelled": true}));
    let record = bench.run(&spec, "out", StopFlag::default()).unwrap();
    let path = bench.dir("out", &spec).join("predictions.parquet");
    let found = rows::read(&Source::path(path), &ReadOptions::default()).unwrap();
    assert_eq!(
        found.rows(),
        record.data.rows["valid"] + record.data.rows["test"]
    );
    let mut met = HashSet::new();
    for row in 0..found.rows() {
        let cell = |name: &str| found.column(name).unwrap().cell(row).unwrap();
        let at = cell("source_row").parse::<usize>().unwrap() - 1;
        assert!(at % 6 != 1 && met.insert(at), "row {at}");
        assert_eq!(cell("source_file"), "reviews.csv");
        assert_eq!(cell("label_class"), label(at));
        // One adjective tells the class, so a text that is joined to another row would be seen.
        assert_eq!(cell("predicted_class"), label(at));
    }
}

#[test]
fn no_encoder_has_to_be_at_hand_whatever_the_profile_or_the_encoder_named() {
    let bench = Bench::new();
    let named = json!({"encoder": "all-MiniLM-L6-v2"});
    let nothing = json!({});
    for (profile, overrides) in [
        (Profile::Paper, &nothing),
        (Profile::Paper, &named),
        (Profile::Quick, &named),
    ] {
        let request = |method| SpecRequest {
            profile,
            overrides,
            ..SpecRequest::new(bench.file.to_str().unwrap(), method)
        };
        let error = bench.texts.spec(&request("dense")).unwrap_err();
        assert!(error.to_string().contains("weights of encoder"), "{error}");
        bench.texts.spec(&request("tfidf")).unwrap();
    }
    let paper = SpecRequest {
        profile: Profile::Paper,
        ..SpecRequest::new(bench.file.to_str().unwrap(), "tfidf")
    };
    let spec = bench.texts.spec(&paper).unwrap();
    // A file of one's own is used whole, and has the general recipe under every profile.
    assert_eq!(spec.settings["train-rows"], Value::Null);
    assert_eq!(spec.settings["train"]["recipe"], "settled");
    bench.run(&spec, "out", StopFlag::default()).unwrap();
}

#[test]
fn a_finished_run_is_not_run_again_and_a_stopped_one_ends_in_the_same_record() {
    let bench = Bench::new();
    let spec = bench.spec(&json!({}));
    let whole = bench.run(&spec, "whole", StopFlag::default()).unwrap();
    let before = bytes(&bench.dir("whole", &spec), "record.json");
    assert_eq!(
        bench.run(&spec, "whole", StopFlag::default()).unwrap(),
        whole
    );
    assert_eq!(bytes(&bench.dir("whole", &spec), "record.json"), before);
    let stop = StopFlag::default();
    stop.stop();
    let stopped = bench.run(&spec, "cut", stop);
    assert!(matches!(stopped, Err(Error::Stopped)), "{stopped:?}");
    let again = bench.run(&spec, "cut", StopFlag::default()).unwrap();
    assert_eq!((again.test, again.valid), (whole.test, whole.valid));
    assert_eq!(
        again.robustness.unwrap().rob_mu(),
        whole.robustness.unwrap().rob_mu()
    );
    for file in ["logistic.safetensors", "predictions.parquet"] {
        let of = |out: &str| bytes(&bench.dir(out, &spec), file);
        assert!(of("cut") == of("whole"), "{file}");
    }
}

#[test]
fn the_model_of_a_finished_run_is_built_again_to_be_timed() {
    let bench = Bench::new();
    let spec = bench.spec(&json!({}));
    bench.run(&spec, "out", StopFlag::default()).unwrap();
    let dir = bench.dir("out", &spec);
    let timed = bench.texts.timed(&spec, &dir, &Device::Cpu).unwrap();
    let tables = read_predictions(&dir.join("predictions.parquet")).unwrap();
    let test = tables
        .iter()
        .find(|table| table.split == Split::Test)
        .unwrap();
    assert_eq!(timed.check(test).unwrap(), 0.0);
    let batch = timed.batch(8).unwrap().unwrap();
    assert_eq!((batch.trained)().unwrap().dims(), [8, 2]);
    assert!(batch.compact.is_none() && timed.preparation.len() == 3);
    assert!(timed.batch(100_000).unwrap().is_none());
}
