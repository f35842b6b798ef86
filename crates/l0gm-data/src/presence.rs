//! Checks what exists at a path. Another source or the twin may be used only if nothing is there. A broken or
//! circular link, a folder in place of a file, and a folder that may not be entered are errors.

use crate::{Error, Result};
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

/// Whether there is a file at `path`.
///
/// # Errors
/// Fails if there is something other than a file, or if it cannot be inspected.
pub fn is_file(path: &Path) -> Result<bool> {
    match looked_at(path)? {
        None => Ok(false),
        Some(found) if found.is_file() => Ok(true),
        Some(_) => Err(Error::file(
            path,
            "a folder or a special file stands in the place of a file; move it away, or put the file there",
        )),
    }
}

/// Whether there is a folder at `path`.
///
/// # Errors
/// Fails like [`is_file`].
pub(crate) fn is_folder(path: &Path) -> Result<bool> {
    match looked_at(path)? {
        None => Ok(false),
        Some(found) if found.is_dir() => Ok(true),
        Some(_) => Err(Error::file(
            path,
            "is not a folder; give the folder that holds the data",
        )),
    }
}

/// Whether there is anything at `path`.
///
/// # Errors
/// Fails if it cannot be inspected.
pub fn is_there(path: &Path) -> Result<bool> {
    Ok(looked_at(path)?.is_some())
}

fn looked_at(path: &Path) -> Result<Option<fs::Metadata>> {
    match fs::metadata(path) {
        Ok(found) => Ok(Some(found)),
        Err(e) if e.kind() == ErrorKind::NotFound => match broken_link(path) {
            Some(link) => Err(Error::file(
                link,
                "is a link to something that is not there; correct the link or remove it",
            )),
            None => Ok(None),
        },
        Err(e) => Err(Error::file(
            path,
            format!("is there, but cannot be read: {e}; correct that, or move it away"),
        )),
    }
}

/// The broken link on the way to `path`, if there is one.
fn broken_link(path: &Path) -> Option<&Path> {
    let nearest = path.ancestors().find(|p| fs::symlink_metadata(p).is_ok())?;
    let is_link = fs::symlink_metadata(nearest).is_ok_and(|found| found.is_symlink());
    (is_link && fs::metadata(nearest).is_err()).then_some(nearest)
}

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn nothing_is_no_error_and_everything_unreadable_is_one_that_names_it() {
        let tmp = tempfile::tempdir().unwrap();
        let at = |name: &str| tmp.path().join(name);
        fs::write(at("file"), "x").unwrap();
        fs::create_dir(at("folder")).unwrap();
        symlink("file", at("link")).unwrap();
        symlink("loop", at("loop")).unwrap();
        symlink("nowhere", at("dangling")).unwrap();
        assert!(is_file(&at("file")).unwrap() && is_file(&at("link")).unwrap());
        assert!(!is_file(&at("nothing")).unwrap() && !is_file(&at("no/thing")).unwrap());
        assert!(is_folder(&at("folder")).unwrap() && !is_folder(&at("nothing")).unwrap());
        for (path, said) in [
            ("folder", "stands in the place of a file"),
            ("loop", "cannot be read"),
            ("loop/inside", "cannot be read"),
            ("dangling", "is a link to something that is not there"),
            (
                "dangling/inside",
                "is a link to something that is not there",
            ),
            ("file/inside", "cannot be read"),
        ] {
            let error = is_file(&at(path)).unwrap_err().to_string();
            assert!(error.contains(said), "{path}: {error}");
            let name = path.split('/').next().unwrap();
            assert!(
                error.contains(at(name).to_str().unwrap()),
                "{path}: {error}"
            );
        }
        assert!(is_folder(&at("file")).is_err() && is_there(&at("loop")).is_err());
    }
}
