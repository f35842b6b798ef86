//! Made-up records for tests: none of these numbers was measured.
#![allow(clippy::unwrap_used)]

use crate::latency_record::{BatchTimes, LatencyRecord, ModelTimes, Ratio, TurnsRecord};
use crate::peers_record::{MissingPeer, PeerBatch, PeerInput, PeerModel, PeersRecord};
use l0gm_gate::calibration::{Bin, CalibrationReport};
use l0gm_gate::{GateKind, GateReading, Granularity, InferenceGate};
use l0gm_train::{
    CompactSummary, Condition, ConditionResult, DataSummary, EpochRecord, MethodInfo, Metrics,
    Robustness, RunRecord, RunSpec, Score, Sizes, Split,
};
use serde_json::json;
use std::collections::BTreeMap;

const GRID: [f64; 5] = [1e-4, 3e-4, 1e-3, 3e-3, 1e-2];

/// Describes one made-up dataset.
struct Shape {
    modality: &'static str,
    dataset: &'static str,
    twin: bool,
    classes: usize,
    dims: usize,
    fields: &'static [&'static str],
    accuracy: f64,
    seeds: u64,
}

const SHAPES: [Shape; 3] = [
    Shape {
        modality: "tabular",
        dataset: "adult",
        twin: false,
        classes: 2,
        dims: 224,
        fields: &["age", "workclass", "education", "hours-per-week"],
        accuracy: 0.874,
        seeds: 3,
    },
    Shape {
        modality: "text",
        dataset: "imdb",
        twin: true,
        classes: 2,
        dims: 384,
        fields: &[],
        accuracy: 0.85,
        seeds: 1,
    },
    Shape {
        modality: "graph",
        dataset: "amazon-computers",
        twin: true,
        classes: 10,
        dims: 128,
        fields: &[],
        accuracy: 0.92,
        seeds: 1,
    },
];

/// Dense and the whole lambda grid in all three modalities. Adult is real with three seeds; the others are twins.
pub fn records() -> Vec<RunRecord> {
    let mut records = Vec::new();
    for shape in &SHAPES {
        for seed in 0..shape.seeds {
            records.push(record(shape, None, seed));
            for lambda in GRID {
                records.push(record(shape, Some(lambda), seed));
            }
        }
    }
    records
}

/// Like [`records`], with every twin marked as real data.
pub fn real_records() -> Vec<RunRecord> {
    let mut records = records();
    for record in &mut records {
        record.spec.twin = false;
        record.data.twin = false;
        record.data.source = "files in data".to_owned();
    }
    records
}

fn active_at(lambda: f64) -> f64 {
    // Falls from .88 to .05 over the lambda grid.
    0.9 / (1.0 + (lambda / 8e-4).powf(1.1))
}

fn record(shape: &Shape, lambda: Option<f64>, seed: u64) -> RunRecord {
    let active = lambda.map_or(1.0, active_at);
    let open = (active * shape.dims as f64).round() as usize;
    let wobble = (seed as f64 * 0.7 + lambda.unwrap_or(0.5) * 311.0).sin() * 0.0008;
    let accuracy = shape.accuracy - 0.012 * (1.0 - active).powi(6) + wobble;
    let ece = 0.012 + 0.02 * (active - 0.3).powi(2) + wobble.abs();
    let spec = RunSpec {
        modality: shape.modality.to_owned(),
        dataset: shape.dataset.to_owned(),
        method: if lambda.is_some() { "l0gm" } else { "dense" }.to_owned(),
        lambda,
        seed,
        twin: shape.twin,
        settings: json!({"train": {"epochs": 18, "batch-size": 512}, "gate": {"inference": "threshold"}}),
    };
    RunRecord {
        format: RunRecord::FORMAT,
        run_id: spec.id(),
        method: match lambda {
            Some(_) => MethodInfo::l0gm("a made-up record"),
            None => MethodInfo::dense("a made-up record"),
        },
        selection: None,
        warnings: Vec::new(),
        not_offered: Vec::new(),
        data: data(shape),
        test: metrics(shape, accuracy, 9769),
        valid: metrics(shape, accuracy + 0.001, 3907),
        valid_nll: None,
        calibration: calibration(ece, accuracy),
        calibration_scaled: calibration(ece * 0.6, accuracy),
        scaling_temperature: 1.08,
        reliability: bins(shape, 0.04),
        reliability_scaled: bins(shape, 0.01),
        robustness: Some(robustness(shape, accuracy, ece)),
        gate: gate(shape, lambda, active, open),
        compact: lambda.map(|_| CompactSummary {
            max_logit_difference: 2.4e-6,
            rows: 9769,
            gated: Sizes {
                parameters: 120_450,
                flops: 0,
                bytes: 481_800,
            },
            compact: Sizes {
                parameters: 20_000 + 400 * open as u64,
                flops: 0,
                bytes: 4 * (20_000 + 400 * open as u64),
            },
            latency_us_per_example: Some(1.4),
        }),
        compression: None,
        history: history(active),
        best_epoch: 16,
        epochs: 18,
        train_seconds: 41.5 + seed as f64,
        latency_us_per_example: Some(3.217),
        latency_p95_us_per_example: Some(4.9),
        latency_batch: 512,
        device: "cpu".to_owned(),
        threads: 2,
        sizes: Sizes {
            parameters: 120_450,
            flops: 0,
            bytes: 481_800,
        },
        versions: [("l0gm", "0.1.0"), ("candle", "0.11.1"), ("rustc", "1.95.0")]
            .map(|(name, version)| (name.to_owned(), version.to_owned()))
            .into(),
        predictions: vec![Split::Valid, Split::Test],
        spec,
    }
}

/// Made-up scores that fall with the severity, most of all where half of the fields are missing.
fn robustness(shape: &Shape, accuracy: f64, ece: f64) -> Robustness {
    let score = |loss: f64| Score {
        accuracy: accuracy - loss,
        auc: Some(accuracy + 0.05 - loss),
        macro_f1: accuracy - 0.06 - loss,
        nll: (1.0 - accuracy) * 2.17 + loss,
        brier: (1.0 - accuracy) * 0.69 + loss / 2.0,
        ece: ece + loss / 3.0,
        ece_noise: 0.0067,
        nll_scaled: (1.0 - accuracy) * 2.1 + loss,
        brier_scaled: (1.0 - accuracy) * 0.68 + loss / 2.0,
        ece_scaled: ece * 0.6 + loss / 4.0,
    };
    let conditions = Condition::PROTOCOL.into_iter().enumerate();
    let conditions = conditions.map(|(place, condition)| ConditionResult {
        condition,
        at: match (shape.modality, condition.kind.hides()) {
            ("tabular", true) => "fields",
            ("tabular", false) => "numeric fields",
            ("text", true) => "tokens",
            ("graph", _) => "features of test nodes",
            _ => "interface",
        }
        .to_owned(),
        score: score(0.01 * (1.0 + (place % 3) as f64) / (1.0 + (place / 3) as f64)),
    });
    Robustness {
        rows: 9769,
        bins: 15,
        clean: score(0.0),
        conditions: conditions.collect(),
        seconds: 1.2,
    }
}

fn data(shape: &Shape) -> DataSummary {
    let source = if shape.twin { "twin" } else { "files in data" };
    DataSummary {
        twin: shape.twin,
        source: source.to_owned(),
        checksums: BTreeMap::from([("data.csv".to_owned(), "ab12".repeat(16))]),
        rows: [("train", 35_166), ("valid", 3_907), ("test", 9_769)]
            .map(|(name, n)| (name.to_owned(), n))
            .into(),
        classes: (0..shape.classes)
            .map(|c| match (shape.classes, c) {
                (2, 0) => "<=50K".to_owned(),
                (2, _) => ">50K".to_owned(),
                _ => format!("class-{c}"),
            })
            .collect(),
        reductions: vec!["18 of 40 epochs".to_owned()],
        notes: vec!["linear branch reads raw inputs (eq. 20)".to_owned()],
        reading: None,
    }
}

fn metrics(shape: &Shape, accuracy: f64, rows: u64) -> Metrics {
    let n = shape.classes;
    let per_class = rows / n as u64;
    let right = (accuracy * per_class as f64) as u64;
    let confusion = (0..n)
        .map(|truth| {
            (0..n)
                .map(|guess| {
                    if truth == guess {
                        right
                    } else {
                        (per_class - right) / (n as u64 - 1)
                    }
                })
                .collect()
        })
        .collect();
    Metrics {
        accuracy,
        auc: Some(accuracy + 0.05),
        pr_auc: None,
        macro_f1: accuracy - 0.06,
        confusion,
    }
}

fn calibration(ece: f64, accuracy: f64) -> CalibrationReport {
    CalibrationReport {
        bins: 15,
        ece,
        ece_low: ece * 0.6,
        ece_high: ece * 1.5,
        ece_noise: 0.0067,
        ece_noise_p95: 0.0098,
        ece_positive: None,
        ece_equal_mass: ece * 1.02,
        ece_l2_debiased: ece * 1.1,
        ece_smooth: ece * 0.9,
        ece_class_wise: ece,
        mce: 0.11,
        brier: (1.0 - accuracy) * 0.69,
        nll: (1.0 - accuracy) * 2.17,
    }
}

fn bins(shape: &Shape, gap: f64) -> Vec<Bin> {
    (0..15)
        .map(|i| {
            let (low, high) = (f64::from(i) / 15.0, f64::from(i + 1) / 15.0);
            let empty = high <= 1.0 / shape.classes as f64;
            let confidence = (low + high) / 2.0;
            Bin {
                low,
                high,
                count: if empty {
                    0
                } else {
                    100 + 40 * (i * i) as usize
                },
                confidence: if empty { 0.0 } else { confidence },
                accuracy: if empty {
                    0.0
                } else {
                    (confidence - gap).max(0.0)
                },
            }
        })
        .collect()
}

fn gate(shape: &Shape, lambda: Option<f64>, active: f64, open: usize) -> GateReading {
    let gated = lambda.is_some();
    let of_gate = |j: usize| j < open;
    GateReading {
        kind: gated.then_some(GateKind::PerExample),
        granularity: gated.then_some(Granularity::Interface),
        inference: gated.then_some(InferenceGate::Threshold),
        active_fraction: active,
        expected_l0: if gated {
            open as f64 * 0.97 + 2.0
        } else {
            shape.dims as f64
        },
        open_dims: open,
        total_dims: shape.dims,
        z: if gated {
            (0..shape.dims)
                .map(|j| f32::from(u8::from(of_gate(j))))
                .collect()
        } else {
            vec![]
        },
        open_probability: if gated {
            (0..shape.dims)
                .map(|j| {
                    if of_gate(j) {
                        0.9 + 0.1 * (j as f64).sin().abs()
                    } else {
                        0.08 * (j as f64).cos().abs()
                    }
                })
                .collect()
        } else {
            vec![]
        },
        fields: shape
            .fields
            .iter()
            .enumerate()
            .map(|(i, field)| ((*field).to_owned(), (open / (i + 1)).min(shape.dims / 4)))
            .collect(),
    }
}

fn history(active: f64) -> Vec<EpochRecord> {
    (1..=18)
        .map(|epoch| {
            let progress = f64::from(epoch) / 18.0;
            EpochRecord {
                epoch: epoch as usize,
                train_loss: 0.27 + 0.2 * (-6.0 * progress).exp(),
                valid_loss: 0.272
                    + 0.15 * (-7.0 * progress).exp()
                    + 0.01 * (1.0 - active) * progress
                    + 0.004 * (progress - 0.85).powi(2),
                valid_accuracy: 0.87,
                active_fraction: 1.0 - (1.0 - active) * ((progress - 0.1).max(0.0) / 0.6).min(1.0),
                expected_l0: 100.0,
                temperature: 2.0 / 3.0,
                lambda: 1e-3 * progress,
                seconds: 2.0 * f64::from(epoch),
            }
        })
        .collect()
}

/// Copies of a dataset's runs at one lambda with other settings laid over theirs, which is what an ablation looks
/// like.
pub fn variant(
    records: &[RunRecord],
    dataset: &str,
    lambda: f64,
    settings: &serde_json::Value,
) -> Vec<RunRecord> {
    let runs = records.iter().filter(|r| {
        r.spec.dataset == dataset
            && r.spec.lambda == Some(lambda)
            && r.spec.settings["gate"].get("kind").is_none()
    });
    runs.map(|run| {
        let mut run = run.clone();
        lay_over(&mut run.spec.settings, settings);
        run.run_id = run.spec.id();
        run
    })
    .collect()
}

fn lay_over(into: &mut serde_json::Value, over: &serde_json::Value) {
    match over {
        serde_json::Value::Object(map) => {
            for (key, value) in map {
                lay_over(&mut into[key.as_str()], value);
            }
        }
        value => *into = value.clone(),
    }
}

fn times(median_us: f64, spread: f64) -> ModelTimes {
    ModelTimes {
        median_us,
        p95_us: median_us * 1.25,
        passes: 150,
        round_medians_us: vec![median_us; 3],
        spread,
    }
}

/// A made-up latency record: none of its times was measured.
pub fn timed(run_id: &str, spread: f64) -> LatencyRecord {
    let size = |parameters| Sizes {
        parameters,
        flops: 3 * parameters,
        bytes: 4 * parameters,
    };
    let named = |name: &str, median| (name.to_owned(), times(median, spread));
    LatencyRecord {
        format: LatencyRecord::FORMAT,
        run_id: run_id.to_owned(),
        dense_run_id: Some("dense".to_owned()),
        device: "cpu".to_owned(),
        threads: 1,
        turns: TurnsRecord {
            rounds: 15,
            warmup: 3,
            repeats: 50,
            turn_seconds: 0.2,
        },
        sizes: [("dense", 4000), ("gated", 4000), ("compact", 1000)]
            .map(|(name, n)| (name.to_owned(), size(n)))
            .into(),
        compact_logit_difference: Some(9.5e-7),
        rebuilt_logit_difference: 0.0,
        preparation: vec![("reading 48,842 rows".to_owned(), 0.4)],
        notes: vec![],
        before: None,
        batches: vec![BatchTimes {
            batch: 64,
            gathering_us: 2.0,
            models: [
                named("dense", 300.0),
                named("gated", 312.4),
                named("compact", 201.0),
            ]
            .into(),
            before: None,
            compact_to_dense: Some(Ratio {
                ratio: 0.67,
                spread,
            }),
            compact_to_gated: Some(Ratio {
                ratio: 0.644,
                spread,
            }),
            compact_logit_difference: Some(1e-7),
        }],
        versions: BTreeMap::new(),
    }
}

/// Times of a run's compact model beside one peer, at one batch.
pub fn peers(run_id: &str) -> PeersRecord {
    let model = |name: &str, ours, input, median| PeerModel {
        name: name.to_owned(),
        ours,
        input,
        call: "C interface".to_owned(),
        version: "1.0, 300 trees".to_owned(),
        difference: 1e-7,
        batches: vec![PeerBatch {
            batch: 64,
            times: times(median, 0.002),
        }],
    };
    PeersRecord {
        format: PeersRecord::FORMAT,
        run_id: run_id.to_owned(),
        test_rows: 9769,
        turns: timed(run_id, 0.002).turns,
        models: vec![
            model("L0GM, compact", true, PeerInput::Encoded, 20.0),
            model("L0GM, compact, from a file", true, PeerInput::File, 400.0),
            model("LightGBM", false, PeerInput::Encoded, 40.0),
            model("XGBoost", false, PeerInput::Encoded, 80.0),
            model("LightGBM from a file", false, PeerInput::File, 200.0),
        ],
        missing: vec![MissingPeer {
            name: "catboost".to_owned(),
            reason: "is not installed; `methods install` brings it".to_owned(),
        }],
        notes: Vec::new(),
    }
}
