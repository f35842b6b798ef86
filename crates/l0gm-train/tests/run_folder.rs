//! A run's folder is locked, has a version and is never half-written.

#![allow(clippy::unwrap_used)]

use l0gm_train::{RunDir, write_atomically};
use std::path::Path;
use std::process::Command;

#[test]
fn a_folder_is_locked_while_it_is_open_and_free_afterwards() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a").join("b");
    let first = RunDir::open(&path).unwrap();
    let text = RunDir::open(&path).unwrap_err().to_string();
    assert!(text.contains("another process"), "{text}");
    drop(first);
    RunDir::open(&path).unwrap();
}

#[test]
fn a_folder_of_another_version_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    drop(RunDir::open(folder.path()).unwrap());
    std::fs::write(folder.path().join("format"), "l0gm-run 99\n").unwrap();
    let text = RunDir::open(folder.path()).unwrap_err().to_string();
    assert!(
        text.contains("l0gm-run 99") && text.contains("choose another output"),
        "{text}"
    );
}

#[test]
fn a_folder_with_something_else_in_it_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("thesis.tex"), "mine").unwrap();
    let text = RunDir::open(folder.path()).unwrap_err().to_string();
    assert!(text.contains("thesis.tex"), "{text}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn leftovers_of_a_killed_process_are_removed() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(".format.123.tmp"), "half").unwrap();
    drop(RunDir::open(folder.path()).unwrap());
    std::fs::write(
        folder.path().join(".checkpoint.safetensors.123.tmp"),
        "half",
    )
    .unwrap();
    let _run = RunDir::open(folder.path()).unwrap();
    let mut names: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["format", "lock"]);
}

#[test]
fn a_path_that_is_a_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "x").unwrap();
    assert!(
        RunDir::open(&file)
            .unwrap_err()
            .to_string()
            .contains("cannot create this folder")
    );
}

#[test]
fn a_file_is_replaced_as_a_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("record.json");
    write_atomically(&path, b"first").unwrap();
    write_atomically(&path, b"second").unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"second");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

/// A file system of 64 KiB, on systems where this process may mount one.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let status = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=64k", "tmpfs"])
            .arg(folder.path())
            .stderr(std::process::Stdio::null())
            .status();
        status
            .is_ok_and(|status| status.success())
            .then(|| Self(folder))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_disk_is_called_one_and_leaves_the_old_file() {
    let Some(disk) = SmallDisk::mount() else {
        println!("skipped: no small file system can be mounted here");
        return;
    };
    let path = disk.path().join("predictions");
    write_atomically(&path, b"old").unwrap();
    let text = write_atomically(&path, &vec![1; 200_000])
        .unwrap_err()
        .to_string();
    assert!(
        text.contains("predictions") && text.contains("free some space"),
        "{text}"
    );
    assert_eq!(std::fs::read(&path).unwrap(), b"old");
    assert_eq!(std::fs::read_dir(disk.path()).unwrap().count(), 1);

    // The same with the Parquet writer.
    let table = l0gm_train::PredictionTable {
        split: l0gm_train::Split::Test,
        rows: (0..60_000).collect(),
        labels: vec![0; 60_000],
        // Use values that do not compress.
        logits: (0..120_000u32)
            .map(|i| f32::from_bits(0x3f00_0000 | (i.wrapping_mul(2_654_435_761) >> 9)))
            .collect(),
        classes: 2,
    };
    let parquet = disk.path().join("predictions.parquet");
    let text = l0gm_train::write_predictions(&parquet, &[table], l0gm_train::Legend::default())
        .unwrap_err()
        .to_string();
    assert!(text.contains("free some space"), "{text}");
    assert!(!parquet.exists());
}
