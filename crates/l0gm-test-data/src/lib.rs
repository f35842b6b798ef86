//! Real datasets and models for tests. They are too large for the repository, so a test that needs one asks
//! here, and returns where there is none:
//!
//! ```
//! # fn test() {
//! let Some(dir) = l0gm_test_data::dataset("adult") else {
//!     return;
//! };
//! # }
//! ```
//!
//! Such a test would count as passed in silence. So each one is written to the file that the variable
//! `L0GM_SKIPPED_TESTS` names, a line each, and `cargo xtask ci` ends with their number. Only data that is
//! not there is a reason to skip: whatever is there and damaged fails the test that reads it.

use std::io::Write;
use std::path::PathBuf;

/// The variable that names the file of skipped tests.
pub const SKIPPED: &str = "L0GM_SKIPPED_TESTS";

/// The folder of a dataset under `L0GM_DATA_DIR`. `None`, after the test has been counted as skipped, where
/// the variable is not set or the folder is not there.
pub fn dataset(name: &str) -> Option<PathBuf> {
    folder("L0GM_DATA_DIR", name)
}

/// The folder of a pretrained model under `L0GM_MODEL_DIR`, as [`dataset`].
pub fn model(name: &str) -> Option<PathBuf> {
    folder("L0GM_MODEL_DIR", name)
}

fn folder(variable: &str, name: &str) -> Option<PathBuf> {
    let Some(root) = std::env::var_os(variable).filter(|root| !root.is_empty()) else {
        skipped(&format!("{variable} is not set"));
        return None;
    };
    let folder = PathBuf::from(root).join(name);
    // A link that leads nowhere is there: the test that follows it fails, as it should.
    if std::fs::symlink_metadata(&folder).is_err() {
        skipped(&format!("{name} is not in {variable}"));
        return None;
    }
    Some(folder)
}

/// Counts the running test as skipped for lack of data; `why` says what is lacking.
///
/// # Panics
/// Where the line cannot be written: a test that is skipped without being counted hides.
pub fn skipped(why: &str) {
    // The test runner names each test's thread after it.
    let thread = std::thread::current();
    let line = format!(
        "skipped for lack of data: {} ({why})\n",
        thread.name().unwrap_or("a test")
    );
    print!("{line}");
    let Some(path) = std::env::var_os(SKIPPED) else {
        return;
    };
    let file = std::fs::File::options()
        .create(true)
        .append(true)
        .open(path);
    // One write a line: tests of several processes append to the same file.
    if let Err(error) = file.and_then(|mut file| file.write_all(line.as_bytes())) {
        panic!("{SKIPPED}: cannot be written: {error}");
    }
}
