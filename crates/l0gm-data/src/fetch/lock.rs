//! Two processes must not fetch the same file twice: whoever fetches into a folder locks it.

use crate::Result;
use crate::error::io;
use std::fs::File;
use std::path::Path;

/// Keeps other processes out of a folder while files come into it.
pub(super) const LOCK: &str = ".lock";

/// Locks an existing folder; the lock is let go when the file is closed.
pub(super) fn lock(dir: &Path) -> Result<File> {
    let path = dir.join(LOCK);
    let lock = File::create(&path).map_err(io(&path, "cannot create the lock"))?;
    lock.lock().map_err(io(&path, "cannot lock"))?;
    Ok(lock)
}
