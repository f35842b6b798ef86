//! Where a virtual environment of Python keeps its program.

use std::path::{Path, PathBuf};

/// The Python of the virtual environment in a folder, whether or not it is there.
pub fn venv_python(venv: &Path) -> PathBuf {
    match cfg!(windows) {
        true => venv.join("Scripts").join("python.exe"),
        false => venv.join("bin").join("python"),
    }
}
