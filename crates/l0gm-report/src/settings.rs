//! A run's settings as dotted keys and values, and the keys of those that have a special role: the penalty's weight,
//! the target active fraction and the gate.

use serde_json::Value;
use std::collections::BTreeMap;

/// The spec states lambda outside its settings too, so this key is left out. Every other setting, including the seed
/// of a split, tells runs apart.
const LAMBDA: &str = "train.objective.lambda";

/// The target active fraction; `null` if lambda was given instead.
pub(crate) const TARGET: &str = "train.target";

/// Flattens settings into dotted keys and values, without lambda.
pub fn flat(settings: &Value) -> BTreeMap<String, String> {
    fn walk(prefix: &str, value: &Value, into: &mut BTreeMap<String, String>) {
        match value {
            Value::Object(map) => {
                for (key, value) in map {
                    let key = if prefix.is_empty() {
                        key.clone()
                    } else {
                        format!("{prefix}.{key}")
                    };
                    walk(&key, value, into);
                }
            }
            Value::String(text) => {
                into.insert(prefix.to_owned(), text.clone());
            }
            other => {
                into.insert(prefix.to_owned(), other.to_string());
            }
        }
    }
    let mut into = BTreeMap::new();
    walk("", settings, &mut into);
    into.remove(LAMBDA);
    into
}

/// The settings that training without a gate depends on. Two runs that agree in these differ only in the gate and may
/// be compared.
pub(crate) fn without_gate(settings: &Value) -> BTreeMap<String, String> {
    let of_the_gate = |key: &str| {
        let folders = [
            "gate.",
            "train.schedule.",
            "train.optimiser.gate-",
            "train.controller.",
            TARGET,
        ];
        folders.iter().any(|folder| key.starts_with(folder))
    };
    let mut rest = flat(settings);
    rest.retain(|key, _| !of_the_gate(key));
    rest
}
