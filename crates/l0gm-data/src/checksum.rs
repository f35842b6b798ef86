//! Checksums of files. sha256 values are remembered by size and modification time, so that a start does not read 90
//! MB of weights again. If a file's checksum is not known beforehand, the one at its first download is stored as a
//! pin (docs/data.md).

use crate::error::io;
use crate::folders::write_atomically;
use crate::manifest::FileSpec;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// Name of the file with the pins, in the folder of a downloaded dataset.
pub(crate) const PINS: &str = ".checksums.toml";

/// The checksum of a file, and the state of the file when it was computed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Sum {
    sha256: String,
    size: u64,
    /// Modification time in nanoseconds since 1970; 0 if the file system does not report it.
    #[serde(default)]
    modified: u64,
}

/// Checksums by relative file name. Pins and remembered checksums have the same form.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Table {
    #[serde(default)]
    files: BTreeMap<String, Sum>,
}

/// Bytes as lower-case hex digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// sha256 of a file's bytes.
pub(crate) fn sha256_file(path: &Path) -> Result<String> {
    let mut file = std::fs::File::open(path).map_err(io(path, "cannot open"))?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0u8; 1 << 18];
    loop {
        let n = file.read(&mut buffer).map_err(io(path, "cannot read"))?;
        if n == 0 {
            return Ok(hex(&hasher.finalize()));
        }
        hasher.update(&buffer[..n]);
    }
}

/// sha256 of a file, or of every file below a folder, by relative name (a single file has its own name). They
/// identify a user's data.
///
/// # Errors
/// Fails if a file or folder cannot be read.
pub fn checksums_of(path: &Path) -> Result<BTreeMap<String, String>> {
    let mut sums = BTreeMap::new();
    let mut pending = vec![path.to_path_buf()];
    while let Some(next) = pending.pop() {
        if next.is_dir() {
            for entry in std::fs::read_dir(&next).map_err(io(&next, "cannot list"))? {
                pending.push(entry.map_err(io(&next, "cannot list"))?.path());
            }
            continue;
        }
        let name = match next.strip_prefix(path) {
            Ok(inner) if !inner.as_os_str().is_empty() => inner.to_path_buf(),
            _ => next.file_name().map(Into::into).unwrap_or_default(),
        };
        sums.insert(name.to_string_lossy().into_owned(), sha256_file(&next)?);
    }
    Ok(sums)
}

/// Verifies the files in `dir` against the manifest and the folder's pins, and returns all checksums.
///
/// `memory` is a folder for remembered checksums; if it cannot be written, they are computed every time.
///
/// # Errors
/// Fails if a file cannot be read or has the wrong size or checksum.
pub(crate) fn verify(
    dir: &Path,
    files: &[&FileSpec],
    memory: &Path,
) -> Result<BTreeMap<String, String>> {
    let pins = read_table(&dir.join(PINS))?;
    let memory = memory_file(dir, memory);
    // A damaged memory is not an error, because the checksums can be computed again.
    let mut known = read_table(&memory).unwrap_or_default();
    let before = known.files.clone();
    let mut sums = BTreeMap::new();
    for spec in files {
        let path = dir.join(&spec.path);
        let (size, modified) = stamp(&path)?;
        if let Some(expected) = spec.size.filter(|&s| s != size) {
            return Err(Error::file(
                &path,
                format!("expected {expected} bytes, found {size}; {REPLACE}"),
            ));
        }
        let sum = match known.files.get(&spec.path) {
            Some(s) if s.size == size && s.modified == modified && modified != 0 => {
                s.sha256.clone()
            }
            _ => sha256_file(&path)?,
        };
        let pin = pins
            .files
            .get(&spec.path)
            .map(|p| (&p.sha256, "pinned on its first download"));
        let listed = spec.sha256.as_ref().map(|s| (s, "in the catalogue"));
        if let Some((expected, where_from)) = listed.or(pin).filter(|(s, _)| **s != sum) {
            return Err(Error::file(
                &path,
                format!(
                    "wrong checksum: expected sha256 {expected} ({where_from}), found {sum}; {REPLACE}"
                ),
            ));
        }
        known.files.insert(
            spec.path.clone(),
            Sum {
                sha256: sum.clone(),
                size,
                modified,
            },
        );
        sums.insert(spec.path.clone(), sum);
    }
    if known.files != before
        && let Ok(text) = toml::to_string(&known)
        && let Err(e) = write_atomically(&memory, text.as_bytes())
    {
        tracing::debug!("checksums of {} are not remembered: {e}", dir.display());
    }
    Ok(sums)
}

/// Advice about a file with the wrong content.
const REPLACE: &str = "the file is damaged or another version: remove it, then put the original in \
                       its place or let it be downloaded again";

/// Stores the checksums of downloaded files as pins, and keeps existing pins.
pub(crate) fn pin(dir: &Path, sums: &BTreeMap<String, String>) -> Result<()> {
    let path = dir.join(PINS);
    let mut table = read_table(&path)?;
    for (name, sha256) in sums {
        let (size, modified) = stamp(&dir.join(name))?;
        table.files.insert(
            name.clone(),
            Sum {
                sha256: sha256.clone(),
                size,
                modified,
            },
        );
    }
    let text = toml::to_string(&table)
        .map_err(|e| Error::file(&path, format!("cannot write the pins: {e}")))?;
    write_atomically(&path, text.as_bytes())
}

/// The file in which a folder's checksums are remembered.
fn memory_file(dir: &Path, memory: &Path) -> PathBuf {
    let whole = dir.canonicalize().unwrap_or_else(|_| dir.to_path_buf());
    let key = hex(&Sha256::digest(whole.to_string_lossy().as_bytes()));
    memory
        .join("checksums")
        .join(format!("{}.toml", &key[..16]))
}

/// Size and modification time.
fn stamp(path: &Path) -> Result<(u64, u64)> {
    let meta = std::fs::metadata(path).map_err(io(path, "cannot read"))?;
    let modified = meta
        .modified()
        .ok()
        .and_then(|t| t.duration_since(UNIX_EPOCH).ok());
    Ok((meta.len(), modified.map_or(0, |d| d.as_nanos() as u64)))
}

fn read_table(path: &Path) -> Result<Table> {
    match std::fs::read_to_string(path) {
        Ok(text) => toml::from_str(&text).map_err(|e| {
            Error::file(
                path,
                format!("not a table of checksums ({}); remove it", e.message()),
            )
        }),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Table::default()),
        Err(e) => Err(Error::file(path, format!("cannot read: {e}"))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn spec(sha256: Option<&str>) -> FileSpec {
        FileSpec {
            path: "a.txt".into(),
            size: None,
            sha256: sha256.map(Into::into),
            optional: false,
        }
    }

    /// FIPS 180-2, appendix B.1: the digest of "abc".
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn a_known_file_passes_and_a_changed_one_names_expected_and_found() {
        let tmp = tempfile::tempdir().unwrap();
        std::fs::write(tmp.path().join("a.txt"), "abc").unwrap();
        let sums = verify(tmp.path(), &[&spec(Some(ABC))], tmp.path()).unwrap();
        assert_eq!(sums["a.txt"], ABC);
        std::fs::write(tmp.path().join("a.txt"), "abd!").unwrap();
        let error = verify(tmp.path(), &[&spec(Some(ABC))], tmp.path())
            .unwrap_err()
            .to_string();
        for part in ["a.txt", ABC, "found", "remove it"] {
            assert!(error.contains(part), "{error}");
        }
    }

    #[test]
    fn a_wrong_size_is_told_without_reading_the_file() {
        let tmp = tempfile::tempdir().unwrap();
        std::fs::write(tmp.path().join("a.txt"), "ab").unwrap();
        let spec = FileSpec {
            size: Some(3),
            ..spec(Some(ABC))
        };
        let error = verify(tmp.path(), &[&spec], tmp.path())
            .unwrap_err()
            .to_string();
        assert!(error.contains("expected 3 bytes, found 2"), "{error}");
    }

    #[test]
    fn a_pinned_file_that_changes_is_refused_and_one_without_a_pin_is_not() {
        let tmp = tempfile::tempdir().unwrap();
        std::fs::write(tmp.path().join("a.txt"), "abc").unwrap();
        let sums = verify(tmp.path(), &[&spec(None)], tmp.path()).unwrap();
        std::fs::write(tmp.path().join("a.txt"), "other").unwrap();
        assert!(verify(tmp.path(), &[&spec(None)], tmp.path()).is_ok());
        std::fs::write(tmp.path().join("a.txt"), "abc").unwrap();
        pin(tmp.path(), &sums).unwrap();
        std::fs::write(tmp.path().join("a.txt"), "other").unwrap();
        let error = verify(tmp.path(), &[&spec(None)], tmp.path())
            .unwrap_err()
            .to_string();
        assert!(error.contains("pinned on its first download"), "{error}");
    }

    #[test]
    fn a_remembered_sum_is_used_while_size_and_time_stay() {
        let tmp = tempfile::tempdir().unwrap();
        let path = tmp.path().join("a.txt");
        std::fs::write(&path, "abc").unwrap();
        let time = std::fs::metadata(&path).unwrap().modified().unwrap();
        verify(tmp.path(), &[&spec(None)], tmp.path()).unwrap();
        // The size and time are equal but the bytes differ, so only a remembered checksum is still that of "abc".
        std::fs::write(&path, "xyz").unwrap();
        std::fs::File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_modified(time)
            .unwrap();
        assert_eq!(
            verify(tmp.path(), &[&spec(None)], tmp.path()).unwrap()["a.txt"],
            ABC
        );
    }
}
