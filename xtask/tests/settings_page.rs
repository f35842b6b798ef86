//! Keeps `docs/settings.md`, the list of every setting, as the code has it: names, defaults and descriptions come from
//! the settings' types. `L0GM_WRITE_DOCS=1 cargo test -p xtask --test settings_page` writes the page anew.
#![allow(clippy::unwrap_used)]

use l0gm::flags::{CellFlags, ProfileFlag};
use l0gm::job::Job;
use l0gm::modalities::Purpose;
use l0gm::runner::Runner;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The files, and folders of files, with types that settings are made of.
const SOURCES: [&str; 14] = [
    "crates/l0gm-tabular/src/settings",
    "crates/l0gm-text/src/settings.rs",
    "crates/l0gm-graph/src/settings",
    "crates/l0gm-text/src/robustness.rs",
    "crates/l0gm-gate/src/config.rs",
    "crates/l0gm-gate/src/schedule.rs",
    "crates/l0gm-gate/src/coupling.rs",
    "crates/l0gm-gate/src/objective.rs",
    "crates/l0gm-gate/src/target.rs",
    "crates/l0gm-train/src/trainer/config.rs",
    "crates/l0gm-train/src/trainer/class_weights.rs",
    "crates/l0gm-train/src/optimiser/config.rs",
    "crates/l0gm-data/src/rows/options.rs",
    "crates/l0gm-data/src/rows/number.rs",
];
const MODALITIES: [(&str, &str, &str); 3] = [
    ("tabular", "TabularSettings", "Tables"),
    ("text", "TextSettings", "Texts"),
    ("graph", "GraphSettings", "Graphs"),
];

/// A field of a settings struct.
struct Field {
    name: String,
    of: String,
    doc: String,
}

/// Structs by name, and the values of enums without content by name.
#[derive(Default)]
struct Types {
    structs: BTreeMap<String, Vec<Field>>,
    enums: BTreeMap<String, Vec<String>>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// A file itself, or the files of a folder.
fn files(path: &Path) -> Vec<PathBuf> {
    match path.is_dir() {
        false => vec![path.to_owned()],
        true => {
            let entries = std::fs::read_dir(path).unwrap();
            entries.map(|entry| entry.unwrap().path()).collect()
        }
    }
}

fn kebab(name: &str) -> String {
    let mut text = String::new();
    for (at, c) in name.chars().enumerate() {
        match c {
            '_' => text.push('-'),
            c if c.is_uppercase() && at > 0 => {
                text.push('-');
                text.extend(c.to_lowercase());
            }
            c => text.extend(c.to_lowercase()),
        }
    }
    text
}

/// Reads the types of a file that rustfmt has formatted.
fn read(types: &mut Types, text: &str) {
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let head = |kind: &str| {
            let rest = line.strip_prefix(kind)?;
            rest.strip_suffix(" {").map(str::to_owned)
        };
        if let Some(name) = head("pub struct ") {
            let (mut fields, mut doc) = (Vec::new(), String::new());
            // What methods choose and users do not set.
            let mut hidden = false;
            for line in lines.by_ref().take_while(|line| *line != "}") {
                let line = line.trim();
                if let Some(words) = line.strip_prefix("/// ") {
                    doc = format!("{doc} {words}");
                } else if line == "#[doc(hidden)]" {
                    hidden = true;
                } else if let Some(field) = line.strip_prefix("pub ")
                    && let Some((name, of)) = field.split_once(": ")
                {
                    let doc = std::mem::take(&mut doc).trim().to_owned();
                    if !std::mem::take(&mut hidden) {
                        fields.push(Field {
                            name: kebab(name),
                            of: of.trim_end_matches(',').to_owned(),
                            doc,
                        });
                    }
                }
            }
            types.structs.insert(name, fields);
        } else if let Some(name) = head("pub enum ") {
            let body: Vec<&str> = lines
                .by_ref()
                .take_while(|line| *line != "}")
                .map(str::trim)
                .filter(|line| !line.starts_with("///") && !line.starts_with('#'))
                .collect();
            let plain = |line: &&str| {
                let name = line.trim_end_matches(',');
                name.chars().all(char::is_alphanumeric).then(|| kebab(name))
            };
            let values: Option<Vec<String>> = body.iter().map(plain).collect();
            if let Some(values) = values {
                types.enums.insert(name, values);
            }
        }
    }
}

/// The type inside `Option<..>` and `Vec<..>`.
fn inner(of: &str) -> &str {
    let within = |of: &'static str, text| -> Option<&str> {
        let rest: &str = text;
        rest.strip_prefix(of)?.strip_suffix('>')
    };
    match within("Option<", of).or_else(|| within("Vec<", of)) {
        Some(within) => inner(within),
        None => of,
    }
}

/// The settings of an L0GM run on the modality's usual data under a profile, wherever the test runs: nothing is at hand.
fn defaults(modality: &str, profile: ProfileFlag) -> Value {
    let nothing = tempfile::tempdir().unwrap();
    let flags = CellFlags {
        profile,
        modality: vec![modality.to_owned()],
        method: vec!["l0gm".to_owned()],
        lambda: vec!["1e-3".to_owned()],
        seeds: vec!["0".to_owned()],
        data_dir: Some(nothing.path().to_owned()),
        model_dir: Some(nothing.path().to_owned()),
        ..CellFlags::default()
    };
    let job = Job::new(&flags, &Runner::new("l0gm"), Purpose::Look).unwrap();
    job.plan.runs[0].spec.settings.clone()
}

fn shown(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "–".to_owned(),
        Some(Value::String(text)) => format!("`{text}`"),
        Some(value) => format!("`{value}`"),
    }
}

/// Turns links to items, such as [`Gate`](crate::Gate), into their names. Other brackets, as of intervals, stay.
fn without_links(doc: &str) -> String {
    let mut text = String::new();
    let mut rest = doc;
    while let Some((before, after)) = rest.split_once("[`") {
        let Some((name, after)) = after.split_once("`]") else {
            break;
        };
        text.push_str(&format!("{before}`{name}`"));
        let target = after.strip_prefix('(').and_then(|a| a.split_once(')'));
        rest = target.map_or(after, |(_, after)| after);
    }
    text + rest
}

fn rows(types: &Types, of: &str, prefix: &str, general: &Value, paper: &Value, page: &mut String) {
    for field in &types.structs[of] {
        let key = match prefix {
            "" => field.name.clone(),
            prefix => format!("{prefix}.{}", field.name),
        };
        let (of_general, of_paper) = (general.get(&field.name), paper.get(&field.name));
        let within = inner(&field.of);
        if types.structs.contains_key(within) && !field.of.starts_with("Vec<") {
            let nothing = Value::Null;
            let below = |value: Option<&Value>| value.cloned().unwrap_or(nothing.clone());
            let (general, paper) = (below(of_general), below(of_paper));
            rows(types, within, &key, &general, &paper, page);
            continue;
        }
        let mut doc = without_links(&field.doc.replace('|', "\\|"));
        if let Some(values) = types.enums.get(within) {
            doc.push_str(&format!(" Values: {}.", values.join(", ")));
        }
        let usual = shown(of_general);
        let usual = match shown(of_paper) {
            same if same == usual => usual,
            other => format!("{usual} (paper: {other})"),
        };
        page.push_str(&format!("| `{key}` | {usual} | {doc} |\n"));
    }
}

fn page() -> String {
    let mut types = Types::default();
    for file in SOURCES
        .iter()
        .flat_map(|source| files(&root().join(source)))
    {
        read(&mut types, &std::fs::read_to_string(file).unwrap());
    }
    let mut page = String::from(
        "# Every setting\n\n\
         `l0gm train` takes `--set KEY=VALUE` with the keys below, the other commands `--set MODALITY.KEY=VALUE` or a file\n\
         (`--settings FILE.toml`) with the tables `[tabular]`, `[text]` and `[graph]`. The default is that of data of your own (the profile\n\
         `general`); in brackets stands that of the profile `paper` where it is another. A dash: not set, or decided by the data.\n\n\
         This page is made from the settings' types; a test keeps it so.\n",
    );
    for (modality, of, heading) in MODALITIES {
        page.push_str(&format!(
            "\n## {heading}: `{modality}`\n\n| setting | default | what it is |\n|---|---|---|\n"
        ));
        let general = defaults(modality, ProfileFlag::General);
        let paper = defaults(modality, ProfileFlag::Paper);
        rows(&types, of, "", &general, &paper, &mut page);
    }
    page
}

#[test]
fn the_page_of_settings_is_as_the_code_has_them() {
    let path = root().join("docs/settings.md");
    let page = page();
    if std::env::var_os("L0GM_WRITE_DOCS").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == page,
        "docs/settings.md is out of date; write it with L0GM_WRITE_DOCS=1 cargo test -p xtask --test settings_page"
    );
    for setting in [
        "`data.group`",
        "`train.optimiser.gate-travel`",
        "`fine-tune`",
        "`gcn.width`",
    ] {
        assert!(page.contains(setting), "{setting} is missing");
    }
}
