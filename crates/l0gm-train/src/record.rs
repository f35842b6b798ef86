//! What a finished run remembers: one JSON file, enough to make every table.
use crate::{Error, MethodInfo, NotOffered, Result, Robustness, RunSpec, Split};
use l0gm_gate::GateReading;
use l0gm_gate::calibration::{Bin, CalibrationReport};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
/// One validation during training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// Epochs done.
    pub epoch: usize,
    /// Mean task loss over the training batches since the last record.
    pub train_loss: f64,
    /// Validation loss (NLL) under the deterministic gate.
    pub valid_loss: f64,
    /// Validation accuracy under the deterministic gate.
    pub valid_accuracy: f64,
    /// Active fraction of the deterministic gate.
    pub active_fraction: f64,
    /// Expected L0 in dimensions.
    pub expected_l0: f64,
    /// Temperature then.
    pub temperature: f64,
    /// Lambda then.
    pub lambda: f64,
    /// Seconds of training so far.
    pub seconds: f64,
}
/// Accuracy and its company on one split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// Share of right top labels.
    pub accuracy: f64,
    /// ROC-AUC: binary, or macro one-vs-rest; absent if a split holds one class.
    pub auc: Option<f64>,
    /// Unweighted mean of the classes' F1.
    pub macro_f1: f64,
    /// [true class][predicted class] counts.
    pub confusion: Vec<Vec<u64>>,
}
/// Parameters, multiply-adds an example and bytes of a model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sizes {
    /// Number of parameters.
    pub parameters: u64,
    /// Multiply-adds of one example's forward pass times two; absent (0) where not counted.
    pub flops: u64,
    /// Bytes of the parameters.
    pub bytes: u64,
}
/// The compact model beside the gated one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CompactSummary {
    /// Largest absolute difference of a logit, over the test rows (or the stated number of them).
    pub max_logit_difference: f64,
    /// Rows compared.
    pub rows: usize,
    /// The gated model.
    pub gated: Sizes,
    /// The compact model.
    pub compact: Sizes,
    /// Latency of the compact model, same batch.
    pub latency_us_per_example: Option<f64>,
}
/// What the run saw.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DataSummary {
    /// Whether the built-in synthetic twin stood in.
    pub twin: bool,
    /// Where the files were, or "twin".
    pub source: String,
    /// sha256 by file.
    pub checksums: BTreeMap<String, String>,
    /// Rows of train, valid and test as used.
    pub rows: BTreeMap<String, usize>,
    /// Number of classes and their names.
    pub classes: Vec<String>,
    /// What was reduced against the full data ("3,000 of 25,000 training reviews").
    pub reductions: Vec<String>,
    /// What any table must say of this run ("linear branch reads raw inputs (eq. 20)").
    pub notes: Vec<String>,
    /// How the file was read: columns and what each was taken for, classes with counts, missing cells. Absent in
    /// records of before this was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reading: Option<Value>,
}
/// The final record of a run, `record.json` in its directory.
///
/// Records of before methods described themselves are read too: there were two methods then, and the gate tells them
/// apart.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct RunRecord {
    /// Layout of this file; see [`RunRecord::FORMAT`].
    pub format: u32,
    /// The run's id.
    pub run_id: String,
    /// What was asked for.
    pub spec: RunSpec,
    /// The method, as this version described it when the run was made.
    pub method: MethodInfo,
    /// What it saw.
    pub data: DataSummary,
    /// Test metrics.
    pub test: Metrics,
    /// Validation metrics.
    pub valid: Metrics,
    /// Calibration on test, as trained.
    pub calibration: CalibrationReport,
    /// Calibration on test after temperature scaling fitted on validation.
    pub calibration_scaled: CalibrationReport,
    /// The fitted temperature.
    pub scaling_temperature: f64,
    /// Reliability bins before scaling.
    pub reliability: Vec<Bin>,
    /// Reliability bins after scaling.
    pub reliability_scaled: Vec<Bin>,
    /// The twelve conditions; absent from runs of before they were judged, and where that was not asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub robustness: Option<Robustness>,
    /// What the gates leave open on the test split.
    pub gate: GateReading,
    /// Compaction, for gated runs where it applies.
    pub compact: Option<CompactSummary>,
    /// What the method does not offer to its judge, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_offered: Vec<NotOffered>,
    /// Learning curve; empty for methods that are not trained in epochs.
    pub history: Vec<EpochRecord>,
    /// Epoch selected by validation loss.
    pub best_epoch: usize,
    /// Epochs trained.
    pub epochs: usize,
    /// Seconds of training.
    pub train_seconds: f64,
    /// Forward pass in evaluation mode, median microseconds an example; absent where it was not timed.
    pub latency_us_per_example: Option<f64>,
    /// 95th percentile, microseconds an example.
    pub latency_p95_us_per_example: Option<f64>,
    /// Batch of the latency measurement; 0 where none was made.
    pub latency_batch: usize,
    /// "cpu" or "cuda:0".
    pub device: String,
    /// Threads.
    pub threads: usize,
    /// Parameters, FLOPs, bytes of the trained model.
    pub sizes: Sizes,
    /// Versions of l0gm, candle and rustc, and the machine.
    pub versions: BTreeMap<String, String>,
    /// Splits whose predictions are in `predictions.parquet`.
    pub predictions: Vec<Split>,
}
impl Serialize for RunRecord {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        Self::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for RunRecord {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let mut value = Value::deserialize(deserializer)?;
        if let Some(table) = value.as_object_mut().filter(|t| !t.contains_key("method")) {
            let info = if table.get("gate").is_some_and(|gate| gate["kind"] == "none") {
                MethodInfo::dense("the backbone as it is")
            } else {
                MethodInfo::l0gm("L0 gates on the representation")
            };
            let info = serde_json::to_value(info).map_err(D::Error::custom)?;
            table.insert("method".to_owned(), info);
        }
        Self::deserialize(value).map_err(D::Error::custom)
    }
}

impl RunRecord {
    /// The layout this version writes and reads.
    pub const FORMAT: u32 = 1;

    /// Refuses this record, found in `folder`, where the data's checksums are no longer what its run
    /// saw; names the first file that differs. A run's id holds its settings, not the data's bytes.
    pub fn check_data(&self, folder: &Path, now: &BTreeMap<String, String>) -> Result<()> {
        let then = &self.data.checksums;
        let file = then
            .keys()
            .chain(now.keys())
            .find(|file| then.get(*file) != now.get(*file));
        let Some(file) = file else {
            return Ok(());
        };
        Err(Error::file(
            &folder.join("record.json"),
            format!(
                "the data changed since this run was made: {file}; choose another --out or delete {}",
                folder.display()
            ),
        ))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// A record as it was written before methods described themselves.
    fn old(gate: &str) -> String {
        let calibration = r#"{"bins": 15, "ece": 0.01, "ece_low": 0, "ece_high": 0.02, "ece_noise": 0.01,
            "ece_noise_p95": 0.02, "ece_positive": null, "ece_equal_mass": 0.01, "ece_l2_debiased": 0,
            "ece_smooth": 0.01, "ece_class_wise": 0.01, "mce": 0.1, "brier": 0.2, "nll": 0.3}"#;
        format!(
            r#"{{"format": 1, "run_id": "x", "spec": {{"modality": "tabular", "dataset": "adult", "method": "m",
            "lambda": null, "seed": 0, "twin": true, "settings": {{}}}},
            "data": {{"twin": true, "source": "twin", "checksums": {{}}, "rows": {{}}, "classes": [], "reductions": [],
            "notes": []}}, "test": {{"accuracy": 1, "auc": null, "macro_f1": 1, "confusion": []}},
            "valid": {{"accuracy": 1, "auc": null, "macro_f1": 1, "confusion": []}},
            "calibration": {calibration}, "calibration_scaled": {calibration}, "scaling_temperature": 1,
            "reliability": [], "reliability_scaled": [],
            "gate": {{"kind": "{gate}", "granularity": "{gate}", "inference": "{gate}", "active_fraction": 1,
            "expected_l0": 4, "open_dims": 4, "total_dims": 4, "z": [], "open_probability": [], "fields": []}},
            "compact": null, "history": [], "best_epoch": 1, "epochs": 1, "train_seconds": 1,
            "latency_us_per_example": 2.5, "latency_p95_us_per_example": 3, "latency_batch": 64, "device": "cpu",
            "threads": 2, "sizes": {{"parameters": 1, "flops": 1, "bytes": 4}}, "versions": {{}},
            "predictions": ["valid", "test"]}}"#
        )
    }

    #[test]
    fn a_record_of_before_methods_described_themselves_tells_its_method_by_its_gate() {
        let dense: RunRecord = serde_json::from_str(&old("none")).unwrap();
        assert!(dense.method.is_backbone());
        assert_eq!(dense.latency_us_per_example, Some(2.5));
        let again = serde_json::to_value(&dense).unwrap();
        assert_eq!(serde_json::from_value::<RunRecord>(again).unwrap(), dense);
    }
}
