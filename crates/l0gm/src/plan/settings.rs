//! Settings that differ from a modality's defaults: `--settings FILE.toml` with one table for each modality, then
//! `--set MODALITY.path.to.setting=VALUE`. Only the modalities' names are checked here; each modality checks its own
//! keys.

use crate::names;
use crate::usage::usage;
use l0gm_train::Modality;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::Path;

/// Changed settings by modality.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Overrides {
    tables: BTreeMap<String, Value>,
    /// Modalities that a `--set` names, to detect one that the plan leaves out.
    set: Vec<String>,
    empty: Empty,
}

/// An empty table that [`Overrides::of`] can borrow.
#[derive(Clone, Debug, PartialEq)]
struct Empty(Value);

impl Default for Empty {
    fn default() -> Self {
        Self(Value::Object(Map::new()))
    }
}

impl Overrides {
    /// Reads the file, then applies every `--set`. `known` holds the names of the modalities.
    pub fn new(file: Option<&Path>, set: &[String], known: &[String]) -> anyhow::Result<Self> {
        let mut overrides = Self::default();
        if let Some(path) = file {
            overrides.read("--settings", path, known)?;
        }
        for assignment in set {
            overrides.assign(assignment, known)?;
        }
        Ok(overrides)
    }

    /// Reads a file that another flag than `--settings` names.
    pub fn of_file(flag: &str, path: &Path, known: &[String]) -> anyhow::Result<Self> {
        let mut overrides = Self::default();
        overrides.read(flag, path, known)?;
        Ok(overrides)
    }

    /// The modalities for which there is a table.
    pub fn named(&self) -> impl Iterator<Item = &str> {
        self.tables.keys().map(String::as_str)
    }

    /// The changed settings of one modality; an empty table if there are none.
    pub fn of(&self, modality: &str) -> &Value {
        self.tables.get(modality).unwrap_or(&self.empty.0)
    }

    /// The changed settings of one modality, with the settings of a point laid over them.
    pub fn with(&self, modality: &str, point: &Value) -> Value {
        merged(self.of(modality), point)
    }

    /// Fails if a `--set` names a modality outside the plan, because the setting would have no effect.
    pub fn check_used(
        &self,
        modalities: &[Box<dyn Modality>],
        datasets: &[(usize, String)],
    ) -> anyhow::Result<()> {
        for name in &self.set {
            if !datasets.iter().any(|(i, _)| modalities[*i].name() == name) {
                return Err(usage(format!(
                    "--set {name}...: the flags leave {name} out of the plan"
                )));
            }
        }
        Ok(())
    }

    fn read(&mut self, flag: &str, path: &Path, known: &[String]) -> anyhow::Result<()> {
        let shown = path.display();
        let text = std::fs::read_to_string(path)
            .map_err(|error| usage(format!("{flag} {shown}: cannot be read: {error}")))?;
        let table: toml::Table = toml::from_str(&text).map_err(|error| {
            usage(format!(
                "{flag} {shown}: not valid TOML: {}",
                error.message()
            ))
        })?;
        for (name, value) in table {
            names::check(&format!("{flag} {shown}: table"), &name, known)?;
            if !value.is_table() {
                return Err(usage(format!("{flag} {shown}: `{name}` must be a table")));
            }
            let value =
                in_json(value, &name).map_err(|error| usage(format!("{flag} {shown}: {error}")))?;
            self.tables.insert(name, value);
        }
        Ok(())
    }

    fn assign(&mut self, assignment: &str, known: &[String]) -> anyhow::Result<()> {
        let malformed = || {
            usage(format!(
                "--set {assignment}: expected MODALITY.setting=VALUE, for example --set tabular.train.epochs=3"
            ))
        };
        let (key, value) = assignment.split_once('=').ok_or_else(malformed)?;
        let mut path = key.trim().split('.');
        let modality = path.next().unwrap_or_default();
        let keys: Vec<&str> = path.collect();
        if keys.is_empty() || keys.iter().any(|k| k.is_empty()) {
            return Err(malformed());
        }
        names::check(&format!("--set {assignment}: modality"), modality, known)?;
        let root = self
            .tables
            .entry(modality.to_owned())
            .or_insert_with(|| Value::Object(Map::new()));
        let mut table = root;
        for key in &keys[..keys.len() - 1] {
            table = child(table, key).ok_or_else(|| {
                usage(format!(
                    "--set {assignment}: `{key}` is a value, not a table"
                ))
            })?;
        }
        match table {
            Value::Object(map) => {
                let value = parse_value(value.trim(), key.trim())
                    .map_err(|error| usage(format!("--set {assignment}: {error}")))?;
                map.insert(keys[keys.len() - 1].to_owned(), value);
            }
            _ => return Err(malformed()),
        }
        if !self.set.iter().any(|m| m == modality) {
            self.set.push(modality.to_owned());
        }
        Ok(())
    }
}

/// Lays one table over another, entry by entry where both hold tables. In any other case the upper value replaces the
/// lower one; if it is of the wrong type, the modality refuses it by name.
pub fn merged(below: &Value, above: &Value) -> Value {
    match (below, above) {
        (Value::Object(below), Value::Object(above)) => {
            let mut all = below.clone();
            for (key, value) in above {
                let value = match all.get(key) {
                    Some(old) => merged(old, value),
                    None => value.clone(),
                };
                all.insert(key.clone(), value);
            }
            Value::Object(all)
        }
        (_, above) => above.clone(),
    }
}

fn child<'a>(table: &'a mut Value, key: &str) -> Option<&'a mut Value> {
    match table {
        Value::Object(map) => {
            let entry = map
                .entry(key.to_owned())
                .or_insert_with(|| Value::Object(Map::new()));
            entry.is_object().then_some(entry)
        }
        _ => None,
    }
}

/// Parses a TOML value (3, 1e-3, true, [1, 2], "x") or a number that begins with its point (.3); any other text is a
/// string.
fn parse_value(text: &str, name: &str) -> Result<Value, String> {
    let as_toml = toml::from_str::<toml::Table>(&format!("value = {text}")).ok();
    if let Some(value) = as_toml.and_then(|mut table| table.remove("value")) {
        return in_json(value, name);
    }
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let number = digits.starts_with('.').then(|| text.parse::<f64>().ok());
    match number.flatten() {
        Some(number) => in_json(toml::Value::Float(number), name),
        None => Ok(Value::String(text.to_owned())),
    }
}

/// Converts a TOML value to JSON. JSON would turn NaN and infinities into null, which means "left out", so they are
/// refused with the setting's name.
fn in_json(value: toml::Value, name: &str) -> Result<Value, String> {
    Ok(match value {
        toml::Value::Float(number) if !number.is_finite() => {
            return Err(format!(
                "setting `{name}` is {number}; it must be a finite number"
            ));
        }
        toml::Value::Array(values) => {
            let values = values.into_iter().map(|value| in_json(value, name));
            Value::Array(values.collect::<Result<_, _>>()?)
        }
        toml::Value::Table(table) => {
            let entries = table.into_iter().map(|(key, value)| {
                let value = in_json(value, &format!("{name}.{key}"))?;
                Ok((key, value))
            });
            Value::Object(entries.collect::<Result<_, String>>()?)
        }
        other => {
            serde_json::to_value(other).map_err(|error| format!("setting `{name}`: {error}"))?
        }
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn known() -> Vec<String> {
        ["tabular", "text", "graph"].map(str::to_owned).to_vec()
    }

    fn set(assignments: &[&str]) -> anyhow::Result<Overrides> {
        let assignments: Vec<String> = assignments.iter().map(|s| (*s).to_owned()).collect();
        Overrides::new(None, &assignments, &known())
    }

    #[test]
    fn values_keep_their_type() {
        let overrides = set(&[
            "tabular.train.epochs=3",
            "tabular.train.optimiser.learning-rate=1e-3",
            "tabular.cin=[8, 8]",
            "tabular.gate.inference=threshold",
            "graph.symmetric=true",
        ])
        .unwrap();
        assert_eq!(
            overrides.of("tabular"),
            &json!({"train": {"epochs": 3, "optimiser": {"learning-rate": 1e-3}},
                    "cin": [8, 8], "gate": {"inference": "threshold"}})
        );
        assert_eq!(overrides.of("graph"), &json!({"symmetric": true}));
        assert_eq!(overrides.of("text"), &json!({}));
    }

    #[test]
    fn a_number_may_begin_with_its_point() {
        let overrides = set(&[
            "tabular.model.dropout=.3",
            "tabular.a=-.5e1",
            "tabular.file=./x.csv",
            "tabular.b=.",
        ])
        .unwrap();
        assert_eq!(
            overrides.of("tabular"),
            &json!({"model": {"dropout": 0.3}, "a": -5.0, "file": "./x.csv", "b": "."})
        );
    }

    #[test]
    fn a_number_that_is_not_finite_is_refused_by_the_settings_name() {
        for (bad, name) in [
            ("tabular.model.dropout=nan", "tabular.model.dropout"),
            ("text.encoder-dropout=-inf", "text.encoder-dropout"),
            ("text.encoder-dropout=.5e999", "text.encoder-dropout"),
            ("graph.x=[1.0, inf]", "graph.x"),
            ("graph.x={a = nan}", "graph.x.a"),
        ] {
            let error = set(&[bad]).unwrap_err();
            assert_eq!(crate::usage::exit_code(&error), 2, "{bad}: {error}");
            let text = error.to_string();
            assert!(
                text.contains(&format!("`{name}`")) && text.contains("finite"),
                "{text}"
            );
        }
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "[text]\nencoder-dropout = nan\n").unwrap();
        let error = Overrides::new(Some(file.path()), &[], &known()).unwrap_err();
        assert!(
            error.to_string().contains("`text.encoder-dropout` is NaN"),
            "{error}"
        );
    }

    #[test]
    fn a_set_wins_over_the_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "[text.train]\nepochs = 9\nbatch-size = 4\n").unwrap();
        let overrides = Overrides::new(
            Some(file.path()),
            &["text.train.epochs=2".to_owned()],
            &known(),
        )
        .unwrap();
        assert_eq!(
            overrides.of("text"),
            &json!({"train": {"epochs": 2, "batch-size": 4}})
        );
    }

    #[test]
    fn a_points_settings_are_laid_over_the_users() {
        let overrides = set(&["tabular.train.epochs=3", "tabular.gate.kind=static"]).unwrap();
        let point = json!({"train": {"target": 0.1}, "gate": {"kind": "conditional"}});
        assert_eq!(
            overrides.with("tabular", &point),
            json!({"train": {"epochs": 3, "target": 0.1}, "gate": {"kind": "conditional"}})
        );
        assert_eq!(overrides.with("graph", &json!({})), json!({}));
    }

    #[test]
    fn what_cannot_be_meant_is_a_usage_error() {
        for bad in [
            "tabular",
            "tabular=3",
            "tabular.=3",
            "tabluar.x=1",
            "tabular.a..b=1",
        ] {
            let error = set(&[bad]).unwrap_err();
            assert_eq!(crate::usage::exit_code(&error), 2, "{bad}: {error}");
        }
        assert!(set(&["tabular.a=1", "tabular.a.b=2"]).is_err());
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "[grahp]\nx = 1\n").unwrap();
        let error = Overrides::new(Some(file.path()), &[], &known()).unwrap_err();
        assert!(
            error.to_string().contains("did you mean `graph`"),
            "{error}"
        );
        std::fs::write(file.path(), "[graph\n").unwrap();
        assert!(Overrides::new(Some(file.path()), &[], &known()).is_err());
    }
}
