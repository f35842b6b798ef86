//! Writes files that are either whole or absent: a killed process or a full disk never leaves half a file under the
//! final name.

use std::fs::File;
use std::io::Result;
use std::path::Path;

/// Lets `write` fill a temporary file beside `path` (`.NAME.RANDOM.tmp`), makes it durable and renames it to `path`,
/// replacing any existing file. `write` receives the file and its path. If anything fails, `path` is unchanged and
/// nothing is left behind.
///
/// # Errors
/// Those of `write` and of the file system. A full disk may only show when the file is made durable.
pub fn write_whole(path: &Path, write: impl FnOnce(&mut File, &Path) -> Result<()>) -> Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let prefix = format!(".{name}.");
    let mut builder = tempfile::Builder::new();
    builder.prefix(&prefix).suffix(".tmp");
    // Temporary files are private by default, but the final file must be an ordinary one.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut temporary = builder.tempfile_in(folder)?;
    let place = temporary.path().to_owned();
    write(temporary.as_file_mut(), &place)?;
    temporary.as_file().sync_all()?;
    temporary.persist(path).map_err(|failed| failed.error)?;
    // The rename is only durable once the folder is synced; only Unix can open folders for this.
    if cfg!(unix) {
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::io::{Error, Write};

    #[test]
    fn a_file_is_replaced_whole_or_stays_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let write = |text: &str| write_whole(&path, |file, _| file.write_all(text.as_bytes()));
        write("first").unwrap();
        write("second").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "second");
        let failed = write_whole(&path, |file, _| {
            file.write_all(b"half")?;
            Err(Error::other("the disk is full"))
        });
        assert!(failed.is_err());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "second");
        // Nothing is left beside it.
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
        assert!(write_whole(&dir.path().join("no/folder"), |_, _| Ok(())).is_err());
    }

    #[test]
    fn content_may_be_written_by_path_too() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        write_whole(&path, |_, place| std::fs::write(place, "by path")).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "by path");
    }

    #[cfg(unix)]
    #[test]
    fn others_may_read_what_the_umask_lets_them() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let (plain, whole) = (dir.path().join("plain"), dir.path().join("whole"));
        std::fs::write(&plain, "x").unwrap();
        write_whole(&whole, |file, _| file.write_all(b"x")).unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&whole), mode(&plain));
    }
}
