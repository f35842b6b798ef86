//! A run's settings as dotted keys and values, and which of them say what: the weight of the penalty, the
//! active fraction asked for, the gate.

use serde_json::Value;
use std::collections::BTreeMap;

/// The one setting that the spec says again beside its settings. Everything else, a split's own seed
/// among it, keeps runs apart.
const LAMBDA: &str = "train.objective.lambda";

/// The active fraction asked for; `null` where lambda was given.
pub(crate) const TARGET: &str = "train.target";

/// Settings as dotted keys and values, without lambda.
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

/// The settings that training without a gate depends on: two runs that agree in these differ in
/// nothing but the gate, and may be set against one another.
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
