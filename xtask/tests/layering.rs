//! Tests the invariants of `docs/architecture.md` on which crate may use which. An unlisted dependency fails the
//! test, so that every new one is a deliberate choice.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The workspace crates on which each workspace crate may depend.
const MAY_USE: &[(&str, &[&str])] = &[
    ("l0gm-ops", &[]),
    ("l0gm-gate", &["l0gm-ops"]),
    ("l0gm-data", &[]),
    // Other crates may use it in tests only.
    ("l0gm-test-data", &[]),
    ("l0gm-train", &["l0gm-gate", "l0gm-ops"]),
    (
        "l0gm-tabular",
        &["l0gm-train", "l0gm-gate", "l0gm-ops", "l0gm-data"],
    ),
    (
        "l0gm-text",
        &["l0gm-train", "l0gm-gate", "l0gm-ops", "l0gm-data"],
    ),
    (
        "l0gm-graph",
        &["l0gm-train", "l0gm-gate", "l0gm-ops", "l0gm-data"],
    ),
    ("l0gm-report", &["l0gm-train", "l0gm-gate"]),
    (
        "l0gm",
        &[
            "l0gm-report",
            "l0gm-tabular",
            "l0gm-text",
            "l0gm-graph",
            "l0gm-train",
            "l0gm-gate",
            "l0gm-ops",
            "l0gm-data",
        ],
    ),
    (
        "xtask",
        &[
            "l0gm",
            "l0gm-report",
            "l0gm-tabular",
            "l0gm-text",
            "l0gm-graph",
            "l0gm-train",
            "l0gm-gate",
            "l0gm-ops",
            "l0gm-data",
        ],
    ),
];

/// The lowest two crates are meant for any candle project, so their outside dependencies are listed too.
const OUTSIDE: &[(&str, &[&str])] = &[
    ("l0gm-ops", &["candle-core", "gemm", "pulp", "rayon"]),
    (
        "l0gm-gate",
        &[
            "candle-core",
            "candle-nn",
            "rayon",
            "safetensors",
            "serde",
            "serde_json",
            "strum",
            "tempfile",
            "thiserror",
        ],
    ),
];

#[test]
fn no_crate_depends_on_one_it_may_not() {
    let manifests = manifests();
    let known: BTreeSet<&str> = MAY_USE.iter().map(|(name, _)| *name).collect();
    let found: BTreeSet<&str> = manifests.keys().map(String::as_str).collect();
    assert_eq!(
        found, known,
        "every workspace crate needs a line in MAY_USE"
    );
    for (name, allowed) in MAY_USE {
        for dependency in dependencies(&manifests[*name], "dependencies") {
            if known.contains(dependency.as_str()) {
                assert!(
                    allowed.contains(&dependency.as_str()),
                    "{name} depends on {dependency}; docs/architecture.md allows only {allowed:?}"
                );
            }
        }
    }
}

#[test]
fn the_lowest_crates_pull_in_nothing_unlisted() {
    let manifests = manifests();
    for (name, allowed) in OUTSIDE {
        for dependency in dependencies(&manifests[*name], "dependencies") {
            assert!(
                dependency.starts_with("l0gm-") || allowed.contains(&dependency.as_str()),
                "{name} depends on {dependency}; docs/architecture.md allows only {allowed:?}"
            );
        }
    }
}

#[test]
fn modality_crates_never_see_each_other_even_in_tests() {
    let manifests = manifests();
    let modalities = ["l0gm-tabular", "l0gm-text", "l0gm-graph"];
    for name in modalities {
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            for dependency in dependencies(&manifests[name], section) {
                assert!(
                    !modalities.contains(&dependency.as_str()),
                    "{name} sees {dependency} in [{section}]"
                );
            }
        }
    }
}

#[test]
fn versions_stand_in_the_workspace_manifest_alone() {
    for (name, manifest) in manifests() {
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let Some(table) = manifest.get(section).and_then(toml::Value::as_table) else {
                continue;
            };
            for (dependency, value) in table {
                assert!(
                    value.get("workspace").and_then(toml::Value::as_bool) == Some(true),
                    "{name}: {dependency} in [{section}] must say `workspace = true`"
                );
            }
        }
    }
}

#[test]
fn the_feature_cuda_reaches_every_crate_below() {
    let manifests = manifests();
    let of = |name: &str| -> Option<BTreeSet<String>> {
        let feature = manifests[name].get("features")?.get("cuda")?.as_array()?;
        let entries = feature.iter().filter_map(toml::Value::as_str);
        Some(entries.map(str::to_owned).collect())
    };
    let without = ["l0gm-data", "l0gm-test-data"];
    for (name, _) in MAY_USE.iter().filter(|(name, _)| !without.contains(name)) {
        let found = of(name).unwrap_or_else(|| panic!("{name} has no feature cuda"));
        let below = dependencies(&manifests[*name], "dependencies");
        let expected: BTreeSet<String> = below
            .into_iter()
            .filter(|below| {
                below == "candle-core" || manifests.contains_key(below) && of(below).is_some()
            })
            .map(|below| format!("{below}/cuda"))
            .collect();
        assert_eq!(found, expected, "{name}");
    }
}

fn dependencies(manifest: &toml::Value, section: &str) -> Vec<String> {
    manifest
        .get(section)
        .and_then(toml::Value::as_table)
        .map(|table| table.keys().cloned().collect())
        .unwrap_or_default()
}

fn manifests() -> BTreeMap<String, toml::Value> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut folders: Vec<PathBuf> = std::fs::read_dir(root.join("crates"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    folders.push(root.join("xtask"));
    folders
        .into_iter()
        .map(|folder| {
            let text = std::fs::read_to_string(folder.join("Cargo.toml")).unwrap();
            let manifest: toml::Value = toml::from_str(&text).unwrap();
            let name = manifest["package"]["name"].as_str().unwrap().to_owned();
            (name, manifest)
        })
        .collect()
}
