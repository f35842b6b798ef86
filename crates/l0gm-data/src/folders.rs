//! The folders that are searched, and the one into which new files are written. As docs/data.md explains, an option
//! takes precedence over the environment variable, and that over `datasets/cache` in the workspace.

use crate::error::io;
use crate::presence::is_folder;
use crate::{Error, Result};
use std::io::Write;
use std::path::{Path, PathBuf};

/// The folders to search for named folders, and the one for new files.
#[derive(Clone, Debug)]
pub(crate) struct Folders {
    /// Folders in the order of the search: the chosen one, then the workspace's cache.
    pub(crate) search: Vec<PathBuf>,
    /// Folder for downloads, twins and remembered checksums.
    pub(crate) write: PathBuf,
}

impl Folders {
    /// `chosen` comes from an option, or else from the environment variable `variable`. `fallback` is the workspace's
    /// cache.
    ///
    /// # Errors
    /// Fails if the chosen folder does not exist, is a file, or cannot be entered. This is most likely a typing
    /// error, which must not lead to a twin unnoticed.
    pub(crate) fn new(chosen: Option<PathBuf>, variable: &str, fallback: PathBuf) -> Result<Self> {
        let from_env = || {
            std::env::var_os(variable)
                .filter(|v| !v.is_empty())
                .map(PathBuf::from)
        };
        let Some(chosen) = chosen.or_else(from_env) else {
            return Ok(Folders {
                search: vec![fallback.clone()],
                write: fallback,
            });
        };
        if !is_folder(&chosen)? {
            let message = format!(
                "no such folder (from the command line or {variable}); correct the path, or create it for downloads to go there"
            );
            return Err(Error::file(&chosen, message));
        }
        let write = if is_writable(&chosen) {
            chosen.clone()
        } else {
            fallback.clone()
        };
        Ok(Folders {
            search: vec![chosen, fallback],
            write,
        })
    }
}

/// The folder into which tools of other projects are installed that runs are compared with: `L0GM_RIVALS_DIR` if it is
/// set, else `rivals` in the cache.
pub fn rivals_folder() -> PathBuf {
    let folder = std::env::var_os("L0GM_RIVALS_DIR")
        .filter(|value| !value.is_empty())
        .map_or_else(|| default_cache().join("rivals"), PathBuf::from);
    // Programs are started by this path, whatever folder they run in.
    std::path::absolute(&folder).unwrap_or(folder)
}

/// The folder `datasets/cache` in the enclosing cargo workspace, or else in the current folder.
pub(crate) fn default_cache() -> PathBuf {
    let here = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("."));
    let is_workspace = |dir: &&Path| {
        std::fs::read_to_string(dir.join("Cargo.toml"))
            .is_ok_and(|text| text.lines().any(|line| line.trim() == "[workspace]"))
    };
    let root = here.ancestors().find(is_workspace).unwrap_or(&here);
    root.join("datasets").join("cache")
}

/// Whether files can be created in a folder (or in its parent, if it does not exist yet). A folder without write
/// permission counts as read-only, even for a user who could override that.
pub(crate) fn is_writable(dir: &Path) -> bool {
    let existing = if dir.exists() {
        Some(dir)
    } else {
        dir.parent()
    };
    let Some(existing) = existing.map(|d| {
        if d.as_os_str().is_empty() {
            Path::new(".")
        } else {
            d
        }
    }) else {
        return false;
    };
    let Ok(meta) = std::fs::metadata(existing) else {
        return false;
    };
    if meta.permissions().readonly() {
        return false;
    }
    // Permission bits do not show mounts and access lists, so try to write a file.
    let probe = existing.join(format!(".l0gm-probe-{}", unique()));
    let made = std::fs::File::create_new(&probe).is_ok();
    if made {
        let _ = std::fs::remove_file(&probe);
    }
    made
}

/// A suffix for temporary names that no other thread or process uses at the same time.
pub(crate) fn unique() -> String {
    format!("{}-{:?}", std::process::id(), std::thread::current().id())
        .replace("ThreadId(", "")
        .replace(')', "")
}

/// Writes a file atomically, and creates its folder if necessary.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(io(parent, "cannot create the folder"))?;
    }
    write_whole(path, bytes).map_err(io(
        path,
        "cannot write (is the disk full, or the folder read-only?)",
    ))
}

/// Writes a temporary file beside `path`, syncs it to disk and renames it.
fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(".l0gm-").suffix(".tmp");
    // Temporary files are private by default, but these become ordinary files.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut temporary = builder.tempfile_in(folder)?;
    temporary.write_all(bytes)?;
    temporary.as_file().sync_all()?;
    temporary.persist(path).map_err(|failed| failed.error)?;
    // The rename is durable only after the folder is synced; only Unix can open folders for this.
    if cfg!(unix) {
        std::fs::File::open(folder)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_chosen_folder_comes_before_the_cache() {
        let tmp = tempfile::tempdir().unwrap();
        let chosen = tmp.path().join("data");
        std::fs::create_dir(&chosen).unwrap();
        let cache = tmp.path().join("cache");
        let folders = Folders::new(Some(chosen.clone()), "L0GM_NO_SUCH", cache.clone()).unwrap();
        assert_eq!(folders.search, [chosen.clone(), cache]);
        assert_eq!(folders.write, chosen);
    }

    #[test]
    fn a_read_only_folder_is_searched_but_not_written() {
        let tmp = tempfile::tempdir().unwrap();
        let chosen = tmp.path().join("data");
        std::fs::create_dir(&chosen).unwrap();
        let mut permissions = std::fs::metadata(&chosen).unwrap().permissions();
        permissions.set_readonly(true);
        std::fs::set_permissions(&chosen, permissions).unwrap();
        let cache = tmp.path().join("cache");
        let folders = Folders::new(Some(chosen), "L0GM_NO_SUCH", cache.clone()).unwrap();
        assert_eq!(folders.write, cache);
    }

    #[test]
    fn a_folder_that_cannot_exist_is_an_error_that_names_it() {
        let wrong = PathBuf::from("/no-such-parent/data");
        let error = Folders::new(Some(wrong), "L0GM_NO_SUCH", PathBuf::from("c")).unwrap_err();
        assert!(
            error.to_string().contains("/no-such-parent/data"),
            "{error}"
        );
        assert!(error.to_string().contains("create it"), "{error}");
    }

    #[test]
    fn the_default_cache_lies_in_this_workspace() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../..")
            .canonicalize()
            .unwrap();
        assert_eq!(default_cache(), root.join("datasets/cache"));
    }
}
