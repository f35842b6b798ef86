//! A run's directory is its memory: written atomically, locked while in use, refused if of another format.
use crate::Result;
use std::path::{Path, PathBuf};
/// A run's directory.
#[derive(Debug)]
pub struct RunDir {
    path: PathBuf,
}
impl RunDir {
    /// Creates or opens it, and locks it against a second process.
    pub fn open(_path: &Path) -> Result<Self> {
        todo!()
    }
    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }
}
/// Writes a whole file under a temporary name, syncs and renames it: never half-written.
pub fn write_atomically(_path: &Path, _bytes: &[u8]) -> Result<()> {
    todo!()
}
