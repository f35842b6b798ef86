//! What the timing of programs leaves on the disk. Tasks and files of rows are copies of the user's data, and go however
//! the timing ends. The programs' logs stay where a program was not timed, because the reason names them.

use super::process::LOG;
use std::path::Path;

/// Removes everything in a folder but logs, and the folder itself if it holds none.
///
/// # Errors
/// Something cannot be listed or removed.
pub(super) fn keep_logs(folder: &Path) -> std::io::Result<()> {
    if !folder.exists() {
        return Ok(());
    }
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            keep_logs(&path)?;
        } else if path.file_name().is_none_or(|name| name != LOG) {
            std::fs::remove_file(&path)?;
        }
    }
    match std::fs::read_dir(folder)?.next() {
        None => std::fs::remove_dir(folder),
        Some(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn copies_of_rows_go_and_logs_stay() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("files");
        let file = |name: &str| {
            let path = folder.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, "1").unwrap();
            path
        };
        let log = file("a/log.txt");
        let rows = ["rows-1.csv", "a/train.parquet", "b/answers/test.parquet"].map(file);
        keep_logs(&folder).unwrap();
        assert!(log.exists() && rows.iter().all(|path| !path.exists()));
        assert!(!folder.join("b").exists());
        std::fs::remove_file(&log).unwrap();
        keep_logs(&folder).unwrap();
        assert!(!folder.exists());
        keep_logs(&folder).unwrap();
    }
}
