//! The record of a finished run: one JSON file with everything that the tables need.
use crate::{
    Error, Kept, MethodInfo, NotOffered, Result, Robustness, RunSpec, Selection, Split, Warning,
};
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
    /// Number of epochs completed.
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
    /// Temperature of the gates at this point.
    pub temperature: f64,
    /// Lambda at this point.
    pub lambda: f64,
    /// Seconds of training so far.
    pub seconds: f64,
}
/// Accuracy and related metrics on one split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// Share of rows whose top label is right.
    pub accuracy: f64,
    /// ROC-AUC: binary, or macro one-vs-rest. Absent if the split holds one class only.
    pub auc: Option<f64>,
    /// Area under the precision-recall curve (average precision): of class 1 for two classes, else macro one-vs-rest.
    /// Absent if the split holds one class only, and from older records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pr_auc: Option<f64>,
    /// Unweighted mean of the F1 scores of the classes.
    pub macro_f1: f64,
    /// Counts by [true class][predicted class].
    pub confusion: Vec<Vec<u64>>,
}
/// Size and cost of a model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sizes {
    /// Number of parameters.
    pub parameters: u64,
    /// Twice the multiply-adds of one example's forward pass; 0 where they were not counted.
    pub flops: u64,
    /// Size of the parameters in bytes.
    pub bytes: u64,
}
/// The compact model, compared with the gated one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CompactSummary {
    /// Largest absolute difference between the two models' logits on the compared rows.
    pub max_logit_difference: f64,
    /// Number of test rows on which the logits were compared.
    pub rows: usize,
    /// Size of the gated model.
    pub gated: Sizes,
    /// Size of the compact model.
    pub compact: Sizes,
    /// Median latency of the compact model on the same batch as the gated one's, in microseconds per example.
    pub latency_us_per_example: Option<f64>,
}
/// The data that a run saw.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DataSummary {
    /// Whether the built-in synthetic twin stood in for the data.
    pub twin: bool,
    /// Where the files were, or "twin".
    pub source: String,
    /// SHA-256 of every file, by file name.
    pub checksums: BTreeMap<String, String>,
    /// Number of rows used, for each of train, valid and test.
    pub rows: BTreeMap<String, usize>,
    /// Class names, in the order of the logits.
    pub classes: Vec<String>,
    /// Everything that was reduced compared with the full data ("3,000 of 25,000 training reviews").
    pub reductions: Vec<String>,
    /// What any table must say about this run ("linear branch reads raw inputs (eq. 20)").
    pub notes: Vec<String>,
    /// How the file was read: columns and what each was taken for, classes with counts, missing cells. Absent in
    /// records written before this was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reading: Option<Value>,
}
/// The final record of a run, `record.json` in its directory.
///
/// Older records, which do not describe their method, can be read too. There were only two methods then, and whether
/// the run had a gate tells which one it was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct RunRecord {
    /// Version of the record's layout; see [`RunRecord::FORMAT`].
    pub format: u32,
    /// The run's id, derived from its spec.
    pub run_id: String,
    /// The spec of the run.
    pub spec: RunSpec,
    /// The method, as described by the version that made the run.
    pub method: MethodInfo,
    /// The data that the run saw.
    pub data: DataSummary,
    /// Metrics on the test split.
    pub test: Metrics,
    /// Metrics on the validation split.
    pub valid: Metrics,
    /// NLL on validation as trained, in nats; absent from records of before it was kept, whose learning curve has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_nll: Option<f64>,
    /// Calibration on the test split, before temperature scaling.
    pub calibration: CalibrationReport,
    /// Calibration on the test split, after temperature scaling fitted on validation.
    pub calibration_scaled: CalibrationReport,
    /// The temperature of temperature scaling, fitted on the validation split.
    pub scaling_temperature: f64,
    /// Reliability bins before scaling.
    pub reliability: Vec<Bin>,
    /// Reliability bins after scaling.
    pub reliability_scaled: Vec<Bin>,
    /// Scores under the twelve robustness conditions. Absent where they were not requested, and from older records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub robustness: Option<Robustness>,
    /// What the gates leave open on the test split.
    pub gate: GateReading,
    /// What a compression left of the model; absent where nothing was removed, and from older records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compression: Option<Kept>,
    /// The compact model, for gated runs that have one.
    pub compact: Option<CompactSummary>,
    /// The chosen validation loss beside the best one seen. Absent for methods that are not trained in epochs, and
    /// from older records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selection: Option<Selection>,
    /// Signs that the model failed, each with what to try.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Warning>,
    /// What the method does not offer to its judge, and the reasons.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_offered: Vec<NotOffered>,
    /// One entry per validation; empty for methods that are not trained in epochs.
    pub history: Vec<EpochRecord>,
    /// The epoch that was selected by validation loss.
    pub best_epoch: usize,
    /// Number of epochs trained.
    pub epochs: usize,
    /// Seconds of training, over all sittings.
    pub train_seconds: f64,
    /// Median latency of the forward pass in evaluation mode, in microseconds per example. Absent where it was not
    /// timed.
    pub latency_us_per_example: Option<f64>,
    /// 95th percentile of the latency, in microseconds per example.
    pub latency_p95_us_per_example: Option<f64>,
    /// Number of rows in the timed batch; 0 where nothing was timed.
    pub latency_batch: usize,
    /// The device: "cpu" or "cuda:0".
    pub device: String,
    /// Threads of the pool that carried out the run.
    pub threads: usize,
    /// Size of the trained model.
    pub sizes: Sizes,
    /// Versions of l0gm, candle and rustc, and a description of the machine.
    pub versions: BTreeMap<String, String>,
    /// The splits whose predictions are in `predictions.parquet`.
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
    /// The layout that this version writes and reads.
    pub const FORMAT: u32 = 1;

    /// Refuses this record, found in `folder`, if the data's checksums are no longer those that the run saw, and
    /// names the first file that differs. The run's id cannot show this, because it depends on the settings and not
    /// on the data's bytes.
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

    /// A record from the time before records described their method.
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
