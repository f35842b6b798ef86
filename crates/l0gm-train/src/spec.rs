//! A run's specification: everything that its result depends on, except the data's bytes.

use crate::checkpoint::hex;
use crate::{Error, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::Path;

/// The size of an experiment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// One seed and reduced sizes, which takes minutes.
    #[default]
    Quick,
    /// The full recipe with three seeds. Refuses twins; whatever is still reduced is named in the report.
    Paper,
    /// The recipe for data that nobody tuned anything to: settings chosen on validation over several datasets, gates
    /// that settle, and nothing beside the gate. A user's own files have it under every profile.
    General,
}

/// The specification of one run: everything that its result depends on, except the data's bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunSpec {
    /// "tabular", "text" or "graph".
    pub modality: String,
    /// Catalogue name, or the path of the user's own file.
    pub dataset: String,
    /// Name of the method, as `--method` takes it.
    pub method: String,
    /// Weight of the penalty. Absent where the method takes none or a target is given.
    pub lambda: Option<f64>,
    /// Seed of everything random.
    pub seed: u64,
    /// Whether the data are the built-in twin.
    pub twin: bool,
    /// The modality's complete settings, with every default written out. The method's own settings stand under
    /// [`RunSpec::METHOD_SETTINGS`].
    pub settings: serde_json::Value,
}
impl RunSpec {
    /// The key in [`settings`](Self::settings) under which the method's own settings stand.
    pub const METHOD_SETTINGS: &'static str = "method";

    /// The modality's settings, without the method's own.
    ///
    /// # Errors
    /// They do not parse as a modality's settings of type `T`.
    pub fn modality_settings<T: DeserializeOwned>(&self) -> Result<T> {
        let mut settings = self.settings.clone();
        if let Value::Object(table) = &mut settings {
            table.remove(Self::METHOD_SETTINGS);
        }
        serde_json::from_value(settings).map_err(|error| {
            Error::Setting(format!(
                "the settings of run {} are not those of modality {}: {error}",
                self.id(),
                self.modality
            ))
        })
    }

    /// The method's own settings.
    ///
    /// # Errors
    /// The method has no settings of type `T`.
    pub fn method_settings<T: DeserializeOwned>(&self) -> Result<T> {
        let settings = self.settings[Self::METHOD_SETTINGS].clone();
        serde_json::from_value(settings).map_err(|error| {
            Error::Setting(format!(
                "the settings of run {} are not those of method {}: {error}",
                self.id(),
                self.method
            ))
        })
    }

    /// Refuses a run if its twin stands in now but did not when the run was planned, or the other way round.
    ///
    /// # Errors
    /// Says what the run was planned on and what is present now.
    pub fn check_twin(&self, twin_now: bool) -> Result<()> {
        if twin_now == self.twin {
            return Ok(());
        }
        let (then, now) = match self.twin {
            true => ("the twin of", "the real one"),
            false => ("the real", "its twin"),
        };
        Err(Error::Setting(format!(
            "the run was planned on {then} '{}', but now there is {now}; plan it again",
            self.dataset
        )))
    }

    /// A readable and unique id: modality-dataset-method-lambda-seed, and the first 10 hex digits of the SHA-256 of
    /// the spec as canonical JSON. It is safe as a folder's name.
    pub fn id(&self) -> String {
        // The user's own dataset is a path. The id shows only the file's name; the hash covers the rest.
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

    /// The first 10 hex digits of the SHA-256 of the spec as canonical JSON, with which [`id`](Self::id) ends.
    pub fn hash(&self) -> String {
        let mut hash = hex(&Sha256::digest(self.canonical()));
        hash.truncate(10);
        hash
    }

    /// The spec as one line of JSON with the keys of every table in alphabetical order.
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

/// Writes keys in sorted order itself, because serde_json's order depends on a feature that any other crate may
/// enable.
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
