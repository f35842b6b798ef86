//! Table 7: the search space, and which of its values our runs used.

use crate::format;
use crate::settings::flat;
use crate::study::Study;
use crate::table::{Cell, Table, words};
use std::collections::BTreeSet;

/// The paper's name of a setting, its key in the transcription, and our keys. One of ours is either a full key or the
/// last part of a key whose path differs between modalities.
const SETTINGS: [(&str, &str, &[&str]); 9] = [
    (
        "learning rate",
        "learning_rate",
        &["train.optimiser.learning-rate"],
    ),
    (
        "weight decay",
        "weight_decay",
        &["train.optimiser.weight-decay"],
    ),
    ("dropout", "dropout", &["dropout"]),
    ("batch size", "batch_size", &["train.batch-size"]),
    ("λ", "lambda", &[]),
    ("warm-up", "warmup_fraction", &["train.schedule.warmup"]),
    (
        "end temperature",
        "end_temperature",
        &["train.schedule.end-temperature"],
    ),
    ("granularity", "granularity", &["gate.granularity"]),
    (
        "coupling weight",
        "coupling_weight",
        &["train.objective.coupling.weight"],
    ),
];

/// One row for each setting and one column for each study.
pub(super) fn table(studies: &[Study<'_>], space: &toml::Table) -> Table {
    let mut columns = vec![
        words("setting", "setting"),
        words("paper", "paper searched"),
    ];
    columns.extend(studies.iter().map(|study| {
        words(
            format!("used_{}", study.slug()),
            format!("used here, {}", study.tag()),
        )
    }));
    let mut table = Table::new(
        "paper-table-7",
        "Table 7: the search space",
        "The runs use each modality's defaults, or what a settings file or the command line says; the command `search` \
         looks through this space by validation loss and writes such a file. Where runs differ all values are listed. A coupling weight counts only in runs whose coupling is not \
         `none`.",
        columns,
    );
    for (name, key, ours) in SETTINGS {
        let mut row = vec![Cell::text(name), Cell::text(range(space.get(key)))];
        row.extend(studies.iter().map(|study| match used(study, ours) {
            values if values.is_empty() => Cell::Empty,
            values => Cell::text(format::list(&values)),
        }));
        table.push(row);
    }
    table
}

fn range(value: Option<&toml::Value>) -> String {
    match value {
        Some(toml::Value::Array(values)) => {
            let values: Vec<String> = values.iter().map(shown).collect();
            values.join(", ")
        }
        Some(toml::Value::Table(table)) => {
            let parts: Vec<String> = ["min", "max", "scale"]
                .iter()
                .filter_map(|key| table.get(*key).map(|v| format!("{key} {}", shown(v))))
                .collect();
            parts.join(", ")
        }
        Some(other) => shown(other),
        None => String::new(),
    }
}

fn shown(value: &toml::Value) -> String {
    match value {
        toml::Value::Float(x) => small(*x),
        toml::Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Formats a setting: 1e-4 rather than 0.0001, but 0.15 rather than 1.5e-1.
fn small(x: f64) -> String {
    if x != 0.0 && x.abs() < 0.01 {
        format::lambda(x)
    } else {
        format!("{x}")
    }
}

fn used(study: &Study<'_>, keys: &[&str]) -> Vec<String> {
    // List numbers in ascending order, then words.
    let mut values: BTreeSet<String> = BTreeSet::new();
    for run in study.runs() {
        if keys.is_empty() {
            values.extend(run.spec.lambda.map(format::lambda));
            continue;
        }
        for (key, value) in flat(&run.spec.settings) {
            let last = key.rsplit('.').next().unwrap_or(&key);
            if keys.contains(&key.as_str()) || keys.contains(&last) {
                values.insert(value.parse().map_or(value, small));
            }
        }
    }
    let mut values: Vec<String> = values.into_iter().collect();
    values.sort_by(|a, b| {
        let number = |text: &str| text.parse().unwrap_or(f64::INFINITY);
        number(a).total_cmp(&number(b))
    });
    values
}
