//! What the timing of programs leaves on the disk. Tasks and files of rows are copies of the user's data, and go however
//! the timing ends. The logs of programs that were not timed stay, because the reason names them.

use super::process::LOG;
use std::collections::BTreeSet;
use std::fs::DirEntry;
use std::io::ErrorKind;
use std::path::Path;

/// Removes everything in a run's folder but the logs of `programs`, each in a folder of its program's name. Folders that
/// hold nothing then, this one and the one around it too, are removed. Links are removed themselves and not followed.
///
/// # Errors
/// Something cannot be listed or removed.
pub(super) fn keep_logs(folder: &Path, programs: &BTreeSet<&str>) -> std::io::Result<()> {
    if folder.is_symlink() {
        std::fs::remove_file(folder)?;
    }
    keep(folder, |entry| {
        let (path, name) = (entry.path(), entry.file_name());
        match entry.file_type()?.is_dir() && programs.iter().any(|program| name == *program) {
            true => keep(&path, |entry| {
                match entry.file_type()?.is_file() && entry.file_name() == LOG {
                    true => Ok(()),
                    false => remove(entry),
                }
            }),
            false => remove(entry),
        }
    })?;
    folder.parent().map_or(Ok(()), remove_if_empty)
}

/// Does `job` with everything in a folder, and removes the folder if it is then empty.
fn keep(folder: &Path, job: impl Fn(&DirEntry) -> std::io::Result<()>) -> std::io::Result<()> {
    match std::fs::read_dir(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries?.try_for_each(|entry| job(&entry?))?,
    }
    remove_if_empty(folder)
}

fn remove(entry: &DirEntry) -> std::io::Result<()> {
    let (path, kind) = (entry.path(), entry.file_type()?);
    if kind.is_dir() {
        return std::fs::remove_dir_all(path);
    }
    match std::fs::remove_file(&path) {
        // On Windows a link to a folder is removed as a folder is, which leaves what it leads to.
        Err(_) if kind.is_symlink() => std::fs::remove_dir(path),
        done => done,
    }
}

fn remove_if_empty(folder: &Path) -> std::io::Result<()> {
    match std::fs::remove_dir(folder) {
        Err(error)
            if matches!(
                error.kind(),
                ErrorKind::NotFound | ErrorKind::DirectoryNotEmpty
            ) =>
        {
            Ok(())
        }
        done => done,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn copies_of_rows_go_and_the_logs_of_missing_programs_stay() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("files").join("run");
        let file = |name: &str| {
            let path = folder.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, "1").unwrap();
            path
        };
        let log = file("a/log.txt");
        let gone = [
            "rows-1.csv",
            "a/train.parquet",
            "a/deeper/log.txt",
            "b/log.txt",
            "b/answers/test.parquet",
        ]
        .map(file);
        let other = home.path().join("files").join("other run");
        std::fs::create_dir(&other).unwrap();
        keep_logs(&folder, &BTreeSet::from(["a", "c"])).unwrap();
        assert!(log.exists() && gone.iter().all(|path| !path.exists()));
        assert!(!folder.join("b").exists());
        keep_logs(&folder, &BTreeSet::new()).unwrap();
        assert!(!folder.exists() && other.exists());
        std::fs::remove_dir(&other).unwrap();
        keep_logs(&folder, &BTreeSet::new()).unwrap();
        assert!(!home.path().join("files").exists());
        keep_logs(&folder, &BTreeSet::new()).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn what_links_lead_to_is_left_alone() {
        let home = tempfile::tempdir().unwrap();
        let (theirs, folder) = (home.path().join("theirs"), home.path().join("files/run"));
        std::fs::create_dir_all(&theirs).unwrap();
        std::fs::create_dir_all(folder.join("a")).unwrap();
        std::fs::write(theirs.join("rows.csv"), "1").unwrap();
        for link in ["b", "c", "a/d"] {
            std::os::unix::fs::symlink(&theirs, folder.join(link)).unwrap();
        }
        keep_logs(&folder, &BTreeSet::from(["a", "b"])).unwrap();
        assert!(theirs.join("rows.csv").exists());
        assert!(!home.path().join("files").exists());
    }
}
