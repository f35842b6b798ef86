//! Which folders are searched, and into which of them the crate may write (docs/data.md: the
//! option, else the environment variable, else `datasets/cache` in the workspace).

use crate::error::io;
use crate::presence::is_folder;
use crate::{Error, Result};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Folders in which named folders are searched, and the one for new files.
#[derive(Clone, Debug)]
pub(crate) struct Folders {
    /// Searched in order: the chosen folder, then the workspace's cache.
    pub(crate) search: Vec<PathBuf>,
    /// Downloads, twins and remembered checksums go here.
    pub(crate) write: PathBuf,
}

impl Folders {
    /// `chosen` comes from an option or `variable`; `fallback` is the workspace's cache.
    ///
    /// # Errors
    /// A chosen folder that is a file, is not there or cannot be entered: most likely a typing error, which
    /// must not end on a twin unnoticed.
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

/// `datasets/cache` under the enclosing cargo workspace, else under the current folder.
pub(crate) fn default_cache() -> PathBuf {
    let here = std::env::current_dir().unwrap_or_else(|_| PathBuf::from("."));
    let is_workspace = |dir: &&Path| {
        std::fs::read_to_string(dir.join("Cargo.toml"))
            .is_ok_and(|text| text.lines().any(|line| line.trim() == "[workspace]"))
    };
    let root = here.ancestors().find(is_workspace).unwrap_or(&here);
    root.join("datasets").join("cache")
}

/// Whether new files can be made in a folder (or in its parent, if it is not there yet). A folder
/// without write bits counts as read-only even for a user who could override them.
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
    // Mounts and access lists are not in the permission bits: try it.
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

/// Writes a whole file, and its folder where it is missing: it is never seen half-written.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent).map_err(io(parent, "cannot create the folder"))?;
    }
    write_whole(path, bytes).map_err(io(
        path,
        "cannot write (is the disk full, or the folder read-only?)",
    ))
}

/// Fills a temporary file beside `path`, makes it durable and renames it.
fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(".l0gm-").suffix(".tmp");
    // Temporary files are private by default; these will be ordinary ones.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut temporary = builder.tempfile_in(folder)?;
    temporary.write_all(bytes)?;
    temporary.as_file().sync_all()?;
    temporary.persist(path).map_err(|failed| failed.error)?;
    // The rename is durable once the folder is; only Unix opens folders for this.
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
