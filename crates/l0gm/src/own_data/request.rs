//! What the flags mean to the runner: which modality the data are of, and which settings are asked for.

use super::{DataFlags, ModalityFlag};
use crate::flags::CellFlags;
use crate::usage::usage;
use std::path::{Path, PathBuf};

/// What `train` was asked for, in the runner's words.
#[derive(Debug)]
pub(crate) struct Request {
    /// The flags of the runs.
    pub(crate) cells: CellFlags,
    /// What the data are taken for.
    pub(crate) modality: ModalityFlag,
    /// Why, for the announcement.
    pub(crate) because: &'static str,
}

impl Request {
    /// Reads the flags.
    ///
    /// # Errors
    /// The data are not there, or flags contradict each other or the modality.
    pub(crate) fn new(flags: &DataFlags, base: CellFlags) -> anyhow::Result<Self> {
        let (modality, because) = modality(flags)?;
        check_names(flags)?;
        let set = settings(flags, modality)?;
        let dataset = flags.data.to_str().ok_or_else(|| {
            usage(format!(
                "{}: the path is not UTF-8; rename the file",
                flags.data.display()
            ))
        })?;
        // A bare name could be one of the catalogue's.
        let dataset = match Path::new(dataset).components().count() {
            1 if modality == ModalityFlag::Graph => format!("./{dataset}"),
            _ => dataset.to_owned(),
        };
        Ok(Self {
            cells: CellFlags {
                modality: vec![modality.name().to_owned()],
                dataset: vec![dataset],
                set,
                out: Some(base.out.clone().unwrap_or_else(|| out(&flags.data))),
                ..base
            },
            modality,
            because,
        })
    }

    /// Adds a setting that every modality has, before the user's own settings, which win.
    pub(crate) fn set(&mut self, setting: &str) {
        let setting = format!("{}.{setting}", self.modality.name());
        self.cells.set.insert(0, setting);
    }

    /// Adds a setting that only tables have, which `flag` asks for.
    ///
    /// # Errors
    /// The data are no table.
    pub(crate) fn set_for_table(&mut self, flag: &str, setting: &str) -> anyhow::Result<()> {
        if self.modality != ModalityFlag::Table {
            return Err(foreign(flag, self.modality));
        }
        self.set(setting);
        Ok(())
    }
}

/// The output folder of a study of these data, where none is named: `out/NAME-OF-THE-FILE`.
fn out(data: &Path) -> PathBuf {
    let name = data.file_name().unwrap_or_default().to_string_lossy();
    let stem = match name.split('.').next() {
        None | Some("") => "study",
        Some(stem) => stem,
    };
    Path::new("out").join(stem)
}

fn foreign(flag: &str, modality: ModalityFlag) -> anyhow::Error {
    usage(format!(
        "{flag}: has no meaning for {}; leave it out",
        modality.word()
    ))
}

fn modality(flags: &DataFlags) -> anyhow::Result<(ModalityFlag, &'static str)> {
    let path = &flags.data;
    if path.as_os_str() == "-" {
        return Err(usage(
            "-: a study reads its rows again for every model, and standard input is read once; keep them in a file first",
        ));
    }
    if !path.exists() {
        return Err(usage(format!(
            "{}: there is no such file or folder",
            path.display()
        )));
    }
    if let Some(modality) = flags.modality {
        return Ok((modality, "--modality says so"));
    }
    if path.is_dir() {
        if flags.text.is_some() {
            return Err(usage(format!(
                "--text: {} is a folder, which is read as a graph; name a file of rows",
                path.display()
            )));
        }
        return Ok((ModalityFlag::Graph, "it is a folder with edges"));
    }
    Ok(match flags.text {
        Some(_) => (ModalityFlag::Texts, "--text names their column"),
        None => (ModalityFlag::Table, "no --text names a column of texts"),
    })
}

/// Refuses a label that is ignored too, and test or validation rows that are the training rows.
fn check_names(flags: &DataFlags) -> anyhow::Result<()> {
    if let Some(label) = flags.label.as_ref().filter(|l| flags.ignore.contains(l)) {
        return Err(usage(format!(
            "--ignore {label}: it is the label's column; leave it out of --ignore"
        )));
    }
    let files = [
        ("the data", Some(&flags.data)),
        ("--valid", flags.valid.as_ref()),
        ("--test", flags.test.as_ref()),
    ];
    let mut seen: Vec<(&str, PathBuf)> = Vec::new();
    for (name, file) in files {
        let Some(Ok(path)) = file.map(std::fs::canonicalize) else {
            continue;
        };
        if let Some((other, _)) = seen.iter().find(|(_, known)| *known == path) {
            return Err(usage(format!(
                "{name} {}: is the same file as {other}; a model must not be judged on rows that it learnt",
                path.display()
            )));
        }
        seen.push((name, path));
    }
    Ok(())
}

/// The flags as settings of the modality.
fn settings(flags: &DataFlags, modality: ModalityFlag) -> anyhow::Result<Vec<String>> {
    let mut set = Vec::new();
    let mut add = |key: &str, value: String| set.push(format!("{}.{key}={value}", modality.name()));
    let foreign = |flag: &str| foreign(flag, modality);
    match (&flags.label, modality) {
        (Some(label), ModalityFlag::Table) => add("data.label", quoted(label)),
        (Some(label), ModalityFlag::Texts) => add("label-column", quoted(label)),
        (Some(_), ModalityFlag::Graph) if flags.data.join("raw").is_dir() => {
            return Err(usage(format!(
                "--label: {} is in OGB's layout, which has its labels in raw/node-label; leave --label out",
                flags.data.display()
            )));
        }
        (Some(label), ModalityFlag::Graph) => add("table.label-column", quoted(label)),
        (None, ModalityFlag::Graph) => {}
        (None, _) => {
            return Err(usage(format!(
                "--label is missing: name the column to predict; `l0gm inspect {}` lists the columns",
                flags.data.display()
            )));
        }
    }
    match (&flags.text, modality) {
        (Some(text), ModalityFlag::Texts) => add("text-column", quoted(text)),
        (None, ModalityFlag::Texts) => {
            return Err(usage("--text is missing: name the column of the texts"));
        }
        (Some(_), _) => return Err(foreign("--text")),
        (None, _) => {}
    }
    if !flags.ignore.is_empty() {
        match modality {
            ModalityFlag::Table => add("data.ignore", list(&flags.ignore)),
            ModalityFlag::Graph => add("table.ignore", list(&flags.ignore)),
            ModalityFlag::Texts => return Err(foreign("--ignore")),
        }
    }
    if !flags.categorical.is_empty() {
        match modality {
            ModalityFlag::Table => add("data.categorical", list(&flags.categorical)),
            ModalityFlag::Graph => add("table.categorical", list(&flags.categorical)),
            ModalityFlag::Texts => return Err(foreign("--categorical")),
        }
    }
    if flags.drop_unlabelled {
        match modality {
            ModalityFlag::Table => add("data.drop-unlabelled", "true".to_owned()),
            ModalityFlag::Texts => add("drop-unlabelled", "true".to_owned()),
            // A node without a label stays in the graph, without a loss.
            ModalityFlag::Graph => {}
        }
    }
    match (some_list(&flags.numeric), modality) {
        (None, _) => {}
        (Some(names), ModalityFlag::Table) => add("data.numeric", names),
        (Some(_), _) => return Err(foreign("--numeric")),
    }
    let of_rows = [
        ("--test", "test-file", flags.test.as_deref().map(path)),
        ("--valid", "valid-file", flags.valid.as_deref().map(path)),
        ("--group", "group", flags.group.as_deref().map(quoted)),
        ("--time", "time", flags.time.as_deref().map(quoted)),
    ];
    for (flag, key, value) in of_rows {
        match (value, modality) {
            (None, _) => {}
            (Some(value), ModalityFlag::Table) => add(&format!("data.{key}"), value),
            (Some(value), ModalityFlag::Texts) => add(key, value),
            (Some(_), ModalityFlag::Graph) => return Err(foreign(flag)),
        }
    }
    for assignment in &flags.set {
        let prefix = format!("{}.", modality.name());
        set.push(match assignment.starts_with(&prefix) {
            true => assignment.clone(),
            false => format!("{prefix}{assignment}"),
        });
    }
    Ok(set)
}

/// A value that stays text even if it looks like a number.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn path(path: &Path) -> String {
    quoted(&path.display().to_string())
}

fn some_list(names: &[String]) -> Option<String> {
    (!names.is_empty()).then(|| list(names))
}

fn list(names: &[String]) -> String {
    serde_json::Value::from(names.to_vec()).to_string()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::flags::{Command, Flags};
    use clap::Parser;

    fn request(words: &[&str]) -> anyhow::Result<Request> {
        let all = ["l0gm", "train"].into_iter().chain(words.iter().copied());
        match Flags::try_parse_from(all)?.command {
            Command::Train(flags) => Request::new(&flags.data, flags.cells()),
            _ => anyhow::bail!("another command"),
        }
    }

    #[test]
    fn the_modality_is_inferred_and_names_stay_names() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.b.csv");
        std::fs::write(&file, "2020,t\n1,x\n").unwrap();
        let file = file.to_str().unwrap();
        let table = request(&[file, "--label", "2020", "--set", "train.epochs=3"]).unwrap();
        assert_eq!(table.modality, ModalityFlag::Table);
        assert_eq!(
            table.cells.set,
            ["tabular.data.label=\"2020\"", "tabular.train.epochs=3"]
        );
        assert_eq!(table.cells.out, Some(PathBuf::from("out/a")));
        let texts = request(&[file, "--label", "2020", "--text", "t"]).unwrap();
        assert_eq!(texts.modality, ModalityFlag::Texts);
        let graph = request(&[dir.path().to_str().unwrap()]).unwrap();
        assert_eq!(graph.modality, ModalityFlag::Graph);
    }

    #[test]
    fn what_cannot_be_meant_is_one_line() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().to_str().unwrap();
        std::fs::create_dir_all(dir.path().join("ogb/raw")).unwrap();
        let ogb = dir.path().join("ogb");
        let ogb = ogb.to_str().unwrap();
        let file = dir.path().join("a.csv");
        std::fs::write(&file, "y,t\n1,x\n").unwrap();
        let file = file.to_str().unwrap();
        for (words, part) in [
            (vec!["nowhere.csv", "--label", "y"], "no such file"),
            (vec![file], "--label is missing"),
            (vec!["-", "--label", "y"], "standard input"),
            (vec![folder, "--time", "t"], "--time"),
            (
                vec![file, "--label", "y", "--text", "t", "--numeric", "z"],
                "--numeric",
            ),
            (vec![folder, "--text", "t"], "is a folder"),
            (vec![ogb, "--label", "y"], "raw/node-label"),
        ] {
            let error = request(&words).unwrap_err();
            assert_eq!(crate::usage::exit_code(&error), 2, "{words:?}");
            assert!(error.to_string().contains(part), "{words:?}: {error}");
        }
    }
}
