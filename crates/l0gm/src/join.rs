//! Joins output folders, for machines without a common file system that carried out parts of one plan. Finished cells
//! are copied with everything but their checkpoints; if two folders hold the same cell, its results are compared.

use anyhow::{Context, bail};
use l0gm_report::out::{CommandRecord, OutDir};
use l0gm_train::{RunRecord, write_atomically};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Files that are not copied, because a finished run needs neither.
const LEFT: [&str; 2] = ["checkpoint.safetensors", "lock"];
/// The file that marks a run as finished; it is copied last.
const RECORD: &str = "record.json";
/// Parts of a record that must agree: everything that data and settings determine, and nothing that depends on the
/// machine (seconds, latencies, threads, paths).
const RESULTS: [&str; 6] = [
    "test",
    "valid",
    "calibration",
    "calibration_scaled",
    "best_epoch",
    "epochs",
];

/// The result of joining folders.
#[derive(Debug, Default, PartialEq)]
pub struct Joined {
    /// Number of cells that were copied.
    pub taken: usize,
    /// Number of cells that were present already, with the same results.
    pub agreeing: usize,
    /// Cells whose results differ: the place of the difference by id.
    pub differing: BTreeMap<String, String>,
}

/// Copies the finished cells of `folders` into `into`, which may be one of them.
pub fn join(folders: &[OutDir], into: &OutDir) -> anyhow::Result<Joined> {
    let mut joined = Joined::default();
    let mut command = into.command()?;
    // If a run failed after its record was written, because its data had changed, that record does not excuse the
    // failure.
    let beside = |out: &OutDir, id: &String| out.run(id).join(RECORD).exists();
    let of = |out: &OutDir| -> anyhow::Result<Vec<(String, String, bool)>> {
        let failures = out.failures()?.into_iter();
        Ok(failures
            .map(|(id, message)| {
                let stays = beside(out, &id);
                (id, message, stays)
            })
            .collect())
    };
    let mut failures = of(into)?;
    for folder in folders {
        if same_place(folder.path(), into.path()) {
            continue;
        }
        // Check the whole folder before copying anything.
        let records = folder.records()?;
        for record in &records {
            match into.record(&record.spec)? {
                None => {}
                Some(there) => check_data(&there, into, record, folder)?,
            }
        }
        for record in records {
            match into.record(&record.spec)? {
                None => {
                    take(&folder.run(&record.run_id), &into.run(&record.run_id))?;
                    joined.taken += 1;
                }
                Some(there) => match difference(&there, &record)? {
                    None => joined.agreeing += 1,
                    Some(what) => {
                        let text = format!("{} has {what}", folder.path().display());
                        joined.differing.insert(record.run_id, text);
                    }
                },
            }
        }
        l0gm_report::latency_record::take_over(folder, into)?;
        l0gm_report::peers_record::take_over(folder, into)?;
        add(&mut command, folder.command()?);
        failures.extend(of(folder)?);
    }
    into.write_command(&command)?;
    failures.retain(|(id, _, stays)| *stays || !beside(into, id));
    let failures = failures.into_iter().map(|(id, message, _)| (id, message));
    into.write_failures(&failures.collect())?;
    let mut differing = into.disagreements()?;
    differing.extend(joined.differing.clone());
    into.write_disagreements(&differing)?;
    Ok(joined)
}

/// Adds the command of another folder and the runs that it planned.
fn add(command: &mut CommandRecord, other: CommandRecord) {
    let line = |into: &mut String, text: String, between: &str| {
        if text.is_empty() || into.split(between).any(|known| known == text) {
            return;
        }
        if !into.is_empty() {
            into.push_str(between);
        }
        into.push_str(&text);
    };
    line(&mut command.command, other.command, "\n");
    line(&mut command.profile, other.profile, " and ");
    for id in other.planned {
        if !command.planned.contains(&id) {
            command.planned.push(id);
        }
    }
}

/// Fails if two folders used different data for one dataset: those are two experiments, which no report may mix.
fn check_data(
    there: &RunRecord,
    into: &OutDir,
    record: &RunRecord,
    folder: &OutDir,
) -> anyhow::Result<()> {
    let (a, b) = (&there.data.checksums, &record.data.checksums);
    let files = a.keys().chain(b.keys());
    match files.into_iter().find(|file| a.get(*file) != b.get(*file)) {
        None => Ok(()),
        Some(file) => bail!(
            "{}: {} was run on other data than in {} ({file} differs); leave one of the folders out",
            folder.path().display(),
            record.run_id,
            into.path().display()
        ),
    }
}

/// Describes the first difference between two records of one cell, such as "test.accuracy .87, here .88".
fn difference(here: &RunRecord, there: &RunRecord) -> anyhow::Result<Option<String>> {
    let (here, there) = (serde_json::to_value(here)?, serde_json::to_value(there)?);
    Ok(RESULTS
        .iter()
        .find_map(|part| leaf_difference(part, &here[part], &there[part])))
}

fn leaf_difference(
    name: &str,
    here: &serde_json::Value,
    there: &serde_json::Value,
) -> Option<String> {
    match (here, there) {
        (serde_json::Value::Object(a), serde_json::Value::Object(b)) => {
            let keys: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            keys.into_iter()
                .find_map(|key| leaf_difference(&format!("{name}.{key}"), &here[key], &there[key]))
        }
        (a, b) if a == b => None,
        (serde_json::Value::Array(_), serde_json::Value::Array(_)) => {
            Some(format!("another {name}"))
        }
        (a, b) => Some(format!("{name} {b}, here {a}")),
    }
}

/// Copies the files of a finished run. The record comes last, so that an interrupted copy never looks like a finished
/// run.
fn take(from: &Path, to: &Path) -> anyhow::Result<()> {
    copy_folder(from, to, &|name| LEFT.contains(&name) || name == RECORD)?;
    let record = from.join(RECORD);
    let bytes =
        std::fs::read(&record).with_context(|| format!("{}: cannot be read", record.display()))?;
    write_atomically(&to.join(RECORD), &bytes)?;
    Ok(())
}

fn copy_folder(from: &Path, to: &Path, left: &dyn Fn(&str) -> bool) -> anyhow::Result<()> {
    std::fs::create_dir_all(to).with_context(|| format!("{}: cannot be created", to.display()))?;
    let list =
        std::fs::read_dir(from).with_context(|| format!("{}: cannot be read", from.display()))?;
    for entry in list {
        let entry = entry.with_context(|| format!("{}: cannot be read", from.display()))?;
        let name = entry.file_name();
        let shown = name.to_string_lossy();
        if left(&shown) || shown.ends_with(".tmp") {
            continue;
        }
        let (source, target) = (entry.path(), to.join(&name));
        if source.is_dir() {
            copy_folder(&source, &target, &|_| false)?;
            continue;
        }
        let bytes = std::fs::read(&source)
            .with_context(|| format!("{}: cannot be read", source.display()))?;
        write_atomically(&target, &bytes)?;
    }
    Ok(())
}

fn same_place(a: &Path, b: &Path) -> bool {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| PathBuf::from(path));
    real(a) == real(b)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use l0gm_report::fixtures;

    fn folder(records: &[RunRecord]) -> (tempfile::TempDir, OutDir) {
        let disk = tempfile::tempdir().unwrap();
        let out = OutDir::create(disk.path()).unwrap();
        for record in records {
            let run = out.run(&record.run_id);
            std::fs::create_dir_all(run.join("compact")).unwrap();
            std::fs::write(run.join("compact/model.json"), "{}").unwrap();
            std::fs::write(run.join("format"), "l0gm-run 1\n").unwrap();
            std::fs::write(run.join("checkpoint.safetensors"), "large").unwrap();
            std::fs::write(run.join(RECORD), serde_json::to_vec(record).unwrap()).unwrap();
        }
        (disk, out)
    }

    /// Records whose ids match their specs.
    fn records() -> Vec<RunRecord> {
        let mut records = fixtures::records();
        records.truncate(3);
        for record in &mut records {
            record.run_id = record.spec.id();
        }
        records
    }

    #[test]
    fn folders_become_one_with_everything_but_checkpoints() {
        let all = records();
        let (_a, first) = folder(&all[..2]);
        let (_b, second) = folder(&all[1..]);
        first
            .write_failures(&[(all[2].run_id.clone(), "loss is NaN".to_owned())].into())
            .unwrap();
        let asked = |command: &str, planned: &[&str]| CommandRecord {
            command: command.to_owned(),
            profile: "quick".to_owned(),
            planned: planned.iter().map(|id| (*id).to_owned()).collect(),
        };
        first
            .write_command(&asked("run --shard 0/2", &["x", "y"]))
            .unwrap();
        second
            .write_command(&asked("run --shard 1/2", &["y", "z"]))
            .unwrap();
        let (_c, into) = folder(&[]);
        let both = [first, second];
        let joined = join(&both, &into).unwrap();
        assert_eq!((joined.taken, joined.agreeing), (3, 1));
        assert!(joined.differing.is_empty());
        assert_eq!(into.records().unwrap().len(), 3);
        assert!(
            into.failures().unwrap().is_empty(),
            "the other folder made it good"
        );
        assert_eq!(
            into.command().unwrap(),
            asked("run --shard 0/2\nrun --shard 1/2", &["x", "y", "z"])
        );
        let run = into.run(&all[0].run_id);
        assert!(run.join("compact/model.json").exists() && run.join("format").exists());
        assert!(!run.join("checkpoint.safetensors").exists());
        // Joining again must find nothing to do.
        let again = join(&both, &into).unwrap();
        assert_eq!((again.taken, again.agreeing), (0, 4));
    }

    #[test]
    fn a_cell_with_two_results_is_reported_and_one_of_two_data_refused() {
        let all = records();
        let (_a, first) = folder(&all[..1]);
        let mut other = all[..1].to_vec();
        other[0].train_seconds += 1.0;
        other[0].threads += 1;
        let (_b, slower) = folder(&other);
        assert_eq!(join(&[slower], &first).unwrap().agreeing, 1);
        other[0].test.accuracy = 0.25;
        let (_c, second) = folder(&other);
        let joined = join(&[second], &first).unwrap();
        let text = &joined.differing[&all[0].run_id];
        assert!(text.contains("test.accuracy 0.25, here 0."), "{text}");
        assert_eq!(first.disagreements().unwrap(), joined.differing);
        assert_eq!(first.records().unwrap(), all[..1], "the first stays");
        let mut changed = records();
        changed[0]
            .data
            .checksums
            .insert("adult.data".into(), "00".into());
        let (_d, third) = folder(&changed);
        let error = join(&[third], &first).unwrap_err().to_string();
        assert!(error.contains("adult.data differs"), "{error}");
        assert_eq!(first.records().unwrap().len(), 1, "nothing was taken");
    }
}
