//! Reads settings from TOML or JSON. Unknown keys are refused, with the nearest known name.
//!
//! The defaults, written out as a table, define which keys are known. The user's table is merged over them key by
//! key, so that a setting that is left out keeps its documented default.

use crate::{Error, Result, nearest_name};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

/// Merges `overrides` over `defaults` (both are tables, at every depth) and parses the result. Errors name the
/// setting by its full path ("optimiser.learning-rate"): an unknown one with the nearest known name, one of a wrong
/// type with the expected type.
pub fn merge_settings<T: Serialize + DeserializeOwned>(
    defaults: &T,
    overrides: &Value,
) -> Result<T> {
    merge_settings_with(defaults, overrides, &[])
}

/// Like [`merge_settings`], where some settings ("data.keep") are omitted from the written defaults. The names in
/// `unwritten` are accepted as well.
///
/// # Errors
/// Those of [`merge_settings`].
pub fn merge_settings_with<T: Serialize + DeserializeOwned>(
    defaults: &T,
    overrides: &Value,
    unwritten: &[&str],
) -> Result<T> {
    let base = serde_json::to_value(defaults)
        .map_err(|e| Error::Setting(format!("the defaults cannot be written as a table: {e}")))?;
    let leaves = match overrides {
        Value::Null => Vec::new(),
        Value::Object(table) => leaves(&base, table, &[], unwritten)?,
        other => {
            return Err(Error::Setting(format!(
                "settings must be a table, not {other}"
            )));
        }
    };
    let mut merged = base.clone();
    for (path, value) in &leaves {
        lay(&mut merged, path, value);
    }
    serde_json::from_value(merged).map_err(|error| blame::<T>(&base, &leaves, &error))
}

/// A setting's path and the value that the user gave.
type Leaf<'a> = (Vec<&'a str>, &'a Value);

/// Everything that the user set, as a flat list. Refuses keys that the defaults do not have.
fn leaves<'a>(
    base: &Value,
    table: &'a Map<String, Value>,
    above: &[&'a str],
    unwritten: &[&str],
) -> Result<Vec<Leaf<'a>>> {
    let mut all = Vec::new();
    for (key, value) in table {
        let mut path = above.to_vec();
        path.push(key);
        let known = match base {
            Value::Object(_) if unwritten.contains(&path.join(".").as_str()) => None,
            // A default table that is empty or absent accepts any names.
            Value::Object(known) if !known.is_empty() => {
                Some(known.get(key).ok_or_else(|| unknown(&path, known))?)
            }
            _ => None,
        };
        match (known, value) {
            (Some(known @ Value::Object(_)), Value::Object(inner)) => {
                all.extend(leaves(known, inner, &path, unwritten)?);
            }
            _ => all.push((path, value)),
        }
    }
    Ok(all)
}

fn unknown(path: &[&str], known: &Map<String, Value>) -> Error {
    let (key, above) = path
        .split_last()
        .map_or(("", &[][..]), |(key, above)| (*key, above));
    let full = |name: &str| {
        let mut parts = above.to_vec();
        parts.push(name);
        parts.join(".")
    };
    let hint = match nearest_name(key, known.keys().map(String::as_str)) {
        Some(name) => format!("did you mean `{}`?", full(name)),
        None => format!(
            "known here: {}",
            known
                .keys()
                .map(|name| format!("`{name}`"))
                .collect::<Vec<_>>()
                .join(", ")
        ),
    };
    Error::Setting(format!("unknown setting `{}`; {hint}", full(key)))
}

/// Sets one value, creating the tables that lead to it where they are missing.
fn lay(target: &mut Value, path: &[&str], value: &Value) {
    let Some((key, rest)) = path.split_first() else {
        *target = value.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    if let Value::Object(table) = target {
        lay(table.entry(*key).or_insert(Value::Null), rest, value);
    }
}

/// Finds the setting at fault in settings that do not parse, by merging them over the defaults one by one.
fn blame<T: DeserializeOwned>(base: &Value, leaves: &[Leaf<'_>], all: &serde_json::Error) -> Error {
    for (path, value) in leaves {
        let mut alone = base.clone();
        lay(&mut alone, path, value);
        if let Err(error) = serde_json::from_value::<T>(alone) {
            return Error::Setting(format!("setting `{}` = {value}: {error}", path.join(".")));
        }
    }
    Error::Setting(format!("these settings do not fit together: {all}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::TrainConfig;
    use serde_json::json;

    fn message(overrides: Value) -> String {
        merge_settings(&TrainConfig::default(), &overrides)
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn a_nested_setting_is_laid_over_its_default_alone() {
        let overrides =
            json!({"epochs": 3, "optimiser": {"learning-rate": 1, "encoder-learning-rate": 5e-5}});
        let merged = merge_settings(&TrainConfig::default(), &overrides).unwrap();
        let mut expected = TrainConfig {
            epochs: 3,
            ..TrainConfig::default()
        };
        expected.optimiser.learning_rate = 1.0;
        expected.optimiser.encoder_learning_rate = Some(5e-5);
        assert_eq!(merged, expected);
    }

    #[test]
    fn no_overrides_leave_the_defaults() {
        for nothing in [json!({}), Value::Null, json!({"optimiser": {}})] {
            let merged = merge_settings(&TrainConfig::default(), &nothing).unwrap();
            assert_eq!(merged, TrainConfig::default());
        }
    }

    #[test]
    fn an_unknown_setting_is_named_with_the_nearest_known_name() {
        let text = message(json!({"batch_size": 3}));
        assert!(
            text.contains("`batch_size`") && text.contains("`batch-size`"),
            "{text}"
        );
        let text = message(json!({"optimiser": {"lerning-rate": 1e-3}}));
        assert!(text.contains("`optimiser.lerning-rate`"), "{text}");
        assert!(text.contains("`optimiser.learning-rate`"), "{text}");
    }

    #[test]
    fn an_unknown_setting_like_no_other_lists_what_is_known() {
        let text = message(json!({"objective": {"xyzzy": 1}}));
        assert!(
            text.contains("`objective.xyzzy`") && text.contains("`lambda`"),
            "{text}"
        );
    }

    #[test]
    fn a_wrong_type_names_the_setting_and_what_was_expected() {
        let text = message(json!({"epochs": 2, "optimiser": {"cosine": "maybe"}}));
        assert!(
            text.contains("`optimiser.cosine`") && text.contains("boolean"),
            "{text}"
        );
        let text = message(json!({"epochs": -1}));
        assert!(text.contains("`epochs`") && text.contains("-1"), "{text}");
        let text = message(json!({"schedule": 3}));
        assert!(text.contains("`schedule`"), "{text}");
    }

    #[test]
    fn settings_that_are_no_table_are_refused() {
        assert!(message(json!([1])).contains("must be a table"));
    }
}
