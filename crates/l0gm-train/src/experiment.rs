//! How the runner meets a modality: a spec goes in, a record comes out.
use crate::checkpoint::hex;
use crate::{Error, Progress, Result, RunRecord, StopFlag, TimedRun};
use candle_core::Device;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
/// Which size of experiment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// One seed, reduced sizes, minutes.
    #[default]
    Quick,
    /// The full recipe, three seeds; refuses twins; what is still reduced is named in the report.
    Paper,
}
/// One run, complete: everything its result depends on (besides the data's bytes).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunSpec {
    /// "tabular", "text" or "graph".
    pub modality: String,
    /// Catalogue name, or the path of a file of one's own.
    pub dataset: String,
    /// "dense" or "l0gm".
    pub method: String,
    /// Weight of the penalty; absent for dense.
    pub lambda: Option<f64>,
    /// Seed of everything random.
    pub seed: u64,
    /// Whether the data is the built-in twin.
    pub twin: bool,
    /// The modality's settings, complete (no default left out).
    pub settings: serde_json::Value,
}
impl RunSpec {
    /// Readable and unique: modality-dataset-method-lambda-seed and the first 10 hex digits of the
    /// sha256 of the spec as canonical JSON. Safe as a folder's name.
    pub fn id(&self) -> String {
        // A dataset of one's own is a path: its file's name says enough, the hash tells the rest.
        let dataset = Path::new(&self.dataset)
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy();
        let mut parts = vec![
            self.modality.clone(),
            dataset.into_owned(),
            self.method.clone(),
        ];
        parts.extend(self.lambda.map(|lambda| lambda.to_string()));
        parts.push(format!("s{}", self.seed));
        parts.push(self.hash());
        let safe = |c: char| {
            if c.is_ascii_alphanumeric() || "._-".contains(c) {
                c
            } else {
                '-'
            }
        };
        parts.join("-").chars().map(safe).collect()
    }

    /// The first 10 hex digits of the sha256 of the spec as canonical JSON: the end of [`id`](Self::id).
    pub fn hash(&self) -> String {
        let mut hash = hex(&Sha256::digest(self.canonical()));
        hash.truncate(10);
        hash
    }

    /// One line of JSON with every table's keys in alphabetical order.
    fn canonical(&self) -> String {
        let lambda = self.lambda.map_or(Value::Null, Value::from);
        let fields = [
            ("dataset", Value::from(self.dataset.as_str())),
            ("lambda", lambda),
            ("method", Value::from(self.method.as_str())),
            ("modality", Value::from(self.modality.as_str())),
            ("seed", Value::from(self.seed)),
            ("settings", self.settings.clone()),
            ("twin", Value::from(self.twin)),
        ];
        let table = fields
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .collect();
        let mut text = String::new();
        write_canonical(&Value::Object(table), &mut text);
        text
    }
}

/// serde_json's own order of keys depends on a feature that any other crate may switch on.
fn write_canonical(value: &Value, out: &mut String) {
    match value {
        Value::Object(table) => {
            let sorted: BTreeMap<_, _> = table.iter().collect();
            out.push('{');
            for (i, (key, value)) in sorted.into_iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                out.push_str(&Value::from(key.as_str()).to_string());
                out.push(':');
                write_canonical(value, out);
            }
            out.push('}');
        }
        Value::Array(values) => {
            out.push('[');
            for (i, value) in values.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write_canonical(value, out);
            }
            out.push(']');
        }
        scalar => out.push_str(&scalar.to_string()),
    }
}

/// Where and how a run happens; nothing here changes its result on the same device.
pub struct RunContext<'a> {
    /// The run's own directory.
    pub dir: PathBuf,
    /// Device.
    pub device: Device,
    /// "cpu" or "cuda:0".
    pub device_name: String,
    /// Threads in use.
    pub threads: usize,
    /// Told about every step.
    pub progress: &'a mut dyn Progress,
    /// Asked before every step.
    pub stop: StopFlag,
}
/// Where [`TrainConfig`](crate::TrainConfig) keeps a searched setting, under a modality's `train`.
pub fn usual_setting_of(hyperparameter: Hyperparameter) -> Option<&'static str> {
    match hyperparameter {
        Hyperparameter::LearningRate => Some("train.optimiser.learning-rate"),
        Hyperparameter::WeightDecay => Some("train.optimiser.weight-decay"),
        Hyperparameter::Dropout => None,
        Hyperparameter::BatchSize => Some("train.batch-size"),
        Hyperparameter::Warmup => Some("train.schedule.warmup"),
        Hyperparameter::EndTemperature => Some("train.schedule.end-temperature"),
    }
}
/// What a plan that may touch nothing expects of files that are not here yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// For a dataset that is not here: whether its twin will stand in. Absent: it is here, look at it.
    pub missing_twin: Option<bool>,
    /// Whether pretrained weights that are not here will be downloaded.
    pub weights: bool,
}
/// A setting that the paper searches (Table 7), whatever a modality calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hyperparameter {
    /// Peak learning rate of the head.
    LearningRate,
    /// Decoupled weight decay.
    WeightDecay,
    /// The main dropout of the backbone.
    Dropout,
    /// Rows a step.
    BatchSize,
    /// Share of training with lambda 0; of gated methods alone.
    Warmup,
    /// The gate's temperature at the end; of gated methods alone.
    EndTemperature,
}
/// One modality's door for the runner.
pub trait Modality {
    /// "tabular", "text" or "graph".
    fn name(&self) -> &'static str;
    /// Catalogue names it can run, the default first.
    fn datasets(&self) -> Vec<String>;
    /// Methods it can run.
    fn methods(&self) -> Vec<String>;
    /// The complete spec of a dataset under a profile: the modality's defaults, then `overrides`
    /// (a table of this modality's settings; an unknown key is an error with the nearest known name).
    /// Decides whether the twin must stand in; with `Profile::Paper` a twin is an error.
    fn spec(
        &self,
        dataset: &str,
        method: &str,
        lambda: Option<f64>,
        seed: u64,
        profile: Profile,
        overrides: &serde_json::Value,
    ) -> Result<RunSpec> {
        let here = Expected::default();
        self.spec_expecting(dataset, method, lambda, seed, profile, overrides, here)
    }
    /// The spec that [`spec`](Self::spec) would give if what is missing were as expected: for a plan that
    /// fetches and makes nothing.
    fn spec_expecting(
        &self,
        dataset: &str,
        method: &str,
        lambda: Option<f64>,
        seed: u64,
        profile: Profile,
        overrides: &serde_json::Value,
        expected: Expected,
    ) -> Result<RunSpec>;
    /// The path of a searched setting among this modality's settings, "train.batch-size"; `None` where there
    /// is none or it has no effect. Default: those of [`TrainConfig`](crate::TrainConfig) under `train`.
    fn setting_of(&self, hyperparameter: Hyperparameter) -> Option<&'static str> {
        usual_setting_of(hyperparameter)
    }
    /// A rough estimate on two CPU cores.
    fn estimate(&self, spec: &RunSpec) -> Result<Duration>;
    /// Work that is done once for all runs with the same key, such as a frozen encoder's features: keys and rough
    /// estimates, which [`estimate`](Self::estimate) leaves out. Default: none.
    fn shared_work(&self, spec: &RunSpec) -> Result<Vec<(String, Duration)>> {
        let _ = spec;
        Ok(Vec::new())
    }
    /// Lets go of what is kept in memory between runs: no run follows for now. Default: nothing is kept.
    fn rest(&self) {}
    /// Runs it, or continues it. Writes everything into `context.dir`; the record is written last.
    fn run(&self, spec: &RunSpec, context: &mut RunContext<'_>) -> Result<RunRecord>;
    /// The models of the finished run in `dir`, built again on `device` to be timed.
    fn timed(&self, spec: &RunSpec, dir: &Path, device: &Device) -> Result<TimedRun> {
        let _ = (dir, device);
        Err(Error::Setting(format!(
            "modality {} cannot build the models of {} again to time them",
            self.name(),
            spec.id()
        )))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn spec(settings: Value) -> RunSpec {
        RunSpec {
            modality: "tabular".to_owned(),
            dataset: "adult".to_owned(),
            method: "l0gm".to_owned(),
            lambda: Some(1e-3),
            seed: 2,
            twin: false,
            settings,
        }
    }

    #[test]
    fn an_id_is_readable_and_does_not_depend_on_the_order_of_keys() {
        let a: Value = serde_json::from_str(r#"{"b": {"y": 1, "x": [2]}, "a": 0.5}"#).unwrap();
        let b: Value = serde_json::from_str(r#"{"a": 0.5, "b": {"x": [2], "y": 1}}"#).unwrap();
        let id = spec(a).id();
        assert_eq!(id, spec(b).id());
        assert!(id.starts_with("tabular-adult-l0gm-0.001-s2-"), "{id}");
        assert_eq!(id.len(), "tabular-adult-l0gm-0.001-s2-".len() + 10);
    }

    #[test]
    fn every_part_of_a_spec_changes_its_id() {
        let base = spec(json!({"a": 1}));
        let others = [
            RunSpec {
                lambda: None,
                ..base.clone()
            },
            RunSpec {
                lambda: Some(1e-4),
                ..base.clone()
            },
            RunSpec {
                seed: 1,
                ..base.clone()
            },
            RunSpec {
                twin: true,
                ..base.clone()
            },
            RunSpec {
                method: "dense".to_owned(),
                ..base.clone()
            },
            RunSpec {
                dataset: "imdb".to_owned(),
                ..base.clone()
            },
            RunSpec {
                modality: "text".to_owned(),
                ..base.clone()
            },
            spec(json!({"a": 2})),
        ];
        for other in others {
            assert_ne!(other.id(), base.id(), "{other:?}");
        }
    }

    #[test]
    fn the_path_of_a_table_of_ones_own_makes_a_safe_folder_name() {
        let mut own = spec(json!({}));
        own.dataset = "/data/my table.csv".to_owned();
        let id = own.id();
        assert!(id.starts_with("tabular-my-table-l0gm-"), "{id}");
        let mut elsewhere = own.clone();
        elsewhere.dataset = "/other/my table.csv".to_owned();
        assert_ne!(elsewhere.id(), id);
    }
}
