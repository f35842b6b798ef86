//! Prevents two processes from fetching the same file: each locks the folder that it fetches into.

use crate::Result;
use crate::error::io;
use std::fs::File;
use std::path::Path;

/// File whose lock keeps other processes out of a folder while files are fetched into it.
pub(super) const LOCK: &str = ".lock";

/// Locks an existing folder. The lock ends when the file is closed.
pub(super) fn lock(dir: &Path) -> Result<File> {
    let path = dir.join(LOCK);
    let lock = File::create(&path).map_err(io(&path, "cannot create the lock"))?;
    lock.lock().map_err(io(&path, "cannot lock"))?;
    Ok(lock)
}
