//! The folder `compact/` of a run. Its `model.safetensors` and any further files are written first, and `model.json`,
//! which holds their sizes and checksums, last. So a folder whose writing was interrupted has no `model.json`, and
//! files that do not belong together are detected.

use super::{CompactParts, Decision};
use crate::checkpoint::hex;
use crate::run_dir::{remove_leftovers, write_atomically, write_json};
use crate::{Error, Result, Sizes, all_finite};
use candle_core::{DType, Device, Tensor};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

pub(super) const HEADER: &str = "model.json";
const WEIGHTS: &str = "model.safetensors";

/// Size and checksum of one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileSum {
    /// Size in bytes.
    pub bytes: u64,
    /// SHA-256 in hexadecimal.
    pub sha256: String,
}

/// The content of `model.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct CompactHeader {
    /// Version of the folder's layout; see [`CompactFolder::FORMAT`].
    pub format: u32,
    /// "tabular", "text" or "graph".
    pub modality: String,
    /// Id of the run that left the model.
    pub run_id: String,
    /// Class names, in the order of the logits.
    pub classes: Vec<String>,
    /// The temperature of temperature scaling, fitted on the validation split. Logits are divided by it.
    pub temperature: f64,
    /// Name of the label's column in the training data, for messages. [`CompactFolder::write`] fills it in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// How the predicted class follows from the probabilities; `None` means that it is the most probable one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
    /// Size of the gated model that was compacted.
    pub gated: Sizes,
    /// Size of the compact model.
    pub compact: Sizes,
    /// Sizes and checksums of the other files, by file name. [`CompactFolder::write`] fills them in.
    pub files: BTreeMap<String, FileSum>,
    /// What the modality needs to build the model again.
    pub model: Value,
}

impl CompactHeader {
    /// Reads and checks `model.json` of a folder, and none of the other files.
    ///
    /// # Errors
    /// The file is missing, damaged or of another format, or a number in it is impossible.
    pub fn read(dir: &Path) -> Result<Self> {
        let json = dir.join(HEADER);
        let header = read_header(dir, &json)?;
        if !(header.temperature > 0.0 && header.temperature.is_finite()) {
            return Err(Error::file(
                &json,
                format!(
                    "its temperature is {}; expected a finite number above 0",
                    header.temperature
                ),
            ));
        }
        if let Some(decision) = &header.decision {
            decision.check(&json, &header.classes)?;
        }
        Ok(header)
    }
}

/// A compact model's folder, read and checked.
#[derive(Clone, Debug)]
pub struct CompactFolder {
    path: PathBuf,
    header: CompactHeader,
    tensors: HashMap<String, Tensor>,
}

impl CompactFolder {
    /// The layout that this version writes. It reads this one and format 1, which has neither a label nor a decision.
    pub const FORMAT: u32 = 2;

    /// Writes `parts` into `dir`, which is created where it is missing. The header's `files`, `label` and `model` are
    /// filled in from `parts`.
    ///
    /// # Errors
    /// A file cannot be written. The folder then has no `model.json`.
    pub fn write(dir: &Path, mut header: CompactHeader, parts: CompactParts) -> Result<()> {
        fs::create_dir_all(dir).map_err(|e| Error::io(dir, "create this folder", &e))?;
        remove_leftovers(dir)?;
        let json = dir.join(HEADER);
        match fs::remove_file(&json) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::io(&json, "replace this file", &e));
            }
            _ => {}
        }
        let path = dir.join(WEIGHTS);
        let weights = safetensors::serialize(&parts.tensors, None)
            .map_err(|e| Error::file(&path, format!("cannot be written: {e}")))?;
        let mut files = parts.files;
        files.insert(WEIGHTS.to_owned(), weights);
        header.files.clear();
        for (name, bytes) in &files {
            write_atomically(&dir.join(name), bytes)?;
            header.files.insert(name.clone(), sum(bytes));
        }
        header.label = parts.label;
        header.model = parts.model;
        write_json(&json, &header)
    }

    /// Reads and checks the folder of a compact model of `modality`.
    ///
    /// # Errors
    /// A file is missing, truncated or not the one that was written; the format or the modality is another; a weight
    /// is NaN or infinite. Each error names the file and says what to do.
    pub fn load(dir: &Path, modality: &str, device: &Device) -> Result<Self> {
        let json = dir.join(HEADER);
        let header = CompactHeader::read(dir)?;
        if header.modality != modality {
            return Err(Error::file(
                &json,
                format!(
                    "holds a model of modality {:?}, not {modality:?}; load it with that modality's crate",
                    header.modality
                ),
            ));
        }
        let mut folder = Self {
            path: dir.to_owned(),
            header,
            tensors: HashMap::new(),
        };
        let bytes = folder.read(WEIGHTS)?;
        let path = dir.join(WEIGHTS);
        folder.tensors = candle_core::safetensors::load_buffer(&bytes, device)
            .map_err(|e| Error::file(&path, format!("is no safetensors file: {e}; {REMEDY}")))?;
        for (name, tensor) in &folder.tensors {
            if tensor.dtype() != DType::F32 || !all_finite(tensor)? {
                return Err(Error::file(
                    &path,
                    format!(
                        "tensor {name:?} is not all finite numbers of type f32 ({:?}); {REMEDY}",
                        tensor.dtype()
                    ),
                ));
            }
        }
        Ok(folder)
    }

    /// The content of `model.json`.
    pub fn header(&self) -> &CompactHeader {
        &self.header
    }

    /// The folder's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The modality's part of `model.json`.
    ///
    /// # Errors
    /// It is not what this modality writes.
    pub fn model<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_value(self.header.model.clone())
            .map_err(|e| self.unfit(format!("its part \"model\" cannot be read: {e}")))
    }

    /// The tensor `name`, which must have this shape.
    ///
    /// # Errors
    /// There is no such tensor, or its shape differs from the one that `model.json` implies.
    pub fn tensor(&self, name: &str, shape: &[usize]) -> Result<Tensor> {
        let path = self.path.join(WEIGHTS);
        match self.tensors.get(name) {
            Some(tensor) if tensor.dims() == shape => Ok(tensor.clone()),
            Some(tensor) => Err(Error::file(
                &path,
                format!(
                    "tensor {name:?} has shape {:?}, {HEADER} makes it {shape:?}; {REMEDY}",
                    tensor.dims()
                ),
            )),
            None => Err(Error::file(
                &path,
                format!("has no tensor {name:?}; {REMEDY}"),
            )),
        }
    }

    /// The bytes of one of the folder's files, checked against its recorded size and checksum.
    ///
    /// # Errors
    /// The file is missing, truncated or not the one that was written.
    pub fn read(&self, name: &str) -> Result<Vec<u8>> {
        match self.header.files.get(name) {
            Some(expected) => read_file(&self.path.join(name), expected),
            None => Err(self.unfit(format!("names no file {name:?}"))),
        }
    }

    /// An error about `model.json`. It says what to do.
    pub fn unfit(&self, message: impl std::fmt::Display) -> Error {
        Error::file(&self.path.join(HEADER), format!("{message}; {REMEDY}"))
    }
}

/// The bytes of one file, checked against its recorded size and checksum.
pub(super) fn read_file(path: &Path, expected: &FileSum) -> Result<Vec<u8>> {
    let bytes = fs::read(path).map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => Error::file(path, format!("is missing; {REMEDY}")),
        _ => Error::io(path, "read this file", &e),
    })?;
    let found = sum(&bytes);
    if found.bytes != expected.bytes {
        return Err(Error::file(
            path,
            format!(
                "has {} bytes, {HEADER} says {}: it was cut off or is another file; {REMEDY}",
                found.bytes, expected.bytes
            ),
        ));
    }
    if found != *expected {
        return Err(Error::file(
            path,
            format!(
                "is damaged or not the file {HEADER} belongs to (its sha256 differs); {REMEDY}"
            ),
        ));
    }
    Ok(bytes)
}

const REMEDY: &str = "copy the run's whole folder `compact` again";

fn read_header(dir: &Path, path: &Path) -> Result<CompactHeader> {
    let bytes = fs::read(path).map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound if dir.join("compact").join(HEADER).is_file() => Error::file(
            dir,
            "is a run's folder; its compact model stands in the folder `compact` in it",
        ),
        std::io::ErrorKind::NotFound => Error::file(
            path,
            "not there: give the folder `compact` of a finished run of method l0gm (dense runs, and runs of \
             versions before there were compact folders, have none)",
        ),
        _ => Error::io(path, "read this file", &e),
    })?;
    let unreadable =
        |e: serde_json::Error| Error::file(path, format!("cannot be read ({e}); {REMEDY}"));
    let value: Value = serde_json::from_slice(&bytes).map_err(unreadable)?;
    // Check the format first, so that a folder of another version is reported as such.
    match value.get("format").and_then(Value::as_u64) {
        Some(found) if !(1..=u64::from(CompactFolder::FORMAT)).contains(&found) => {
            Err(Error::file(
                path,
                format!(
                    "compact model of format {found}, this version reads 1 to {}; use the version that wrote it, or \
                 run again with this one",
                    CompactFolder::FORMAT
                ),
            ))
        }
        _ => serde_json::from_value(value).map_err(unreadable),
    }
}

pub(super) fn sum(bytes: &[u8]) -> FileSum {
    FileSum {
        bytes: bytes.len() as u64,
        sha256: hex(&Sha256::digest(bytes)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn header() -> CompactHeader {
        CompactHeader {
            format: CompactFolder::FORMAT,
            modality: "tabular".to_owned(),
            run_id: "tabular-adult-l0gm".to_owned(),
            classes: vec!["no".to_owned(), "yes".to_owned()],
            temperature: 1.25,
            label: None,
            decision: None,
            gated: Sizes::default(),
            compact: Sizes::default(),
            files: BTreeMap::new(),
            model: Value::Null,
        }
    }

    fn written(values: &[f32]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let weight = Tensor::new(values, &Device::Cpu).unwrap();
        let parts = CompactParts {
            model: serde_json::json!({"width": values.len()}),
            tensors: [("weight".to_owned(), weight)].into(),
            files: [("words.txt".to_owned(), b"a b c".to_vec())].into(),
            label: Some("sold".to_owned()),
        };
        CompactFolder::write(dir.path(), header(), parts).unwrap();
        dir
    }

    fn refusal(dir: &Path) -> String {
        CompactFolder::load(dir, "tabular", &Device::Cpu)
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn what_is_written_is_read_back_bit_for_bit() {
        let dir = written(&[0.1, -2.5, 1e-30]);
        let folder = CompactFolder::load(dir.path(), "tabular", &Device::Cpu).unwrap();
        assert_eq!(folder.header().temperature, 1.25);
        let weight = folder.tensor("weight", &[3]).unwrap();
        assert_eq!(weight.to_vec1::<f32>().unwrap(), [0.1, -2.5, 1e-30]);
        assert_eq!(folder.read("words.txt").unwrap(), b"a b c");
        let model: BTreeMap<String, usize> = folder.model().unwrap();
        assert_eq!(model["width"], 3);
        for wrong in [folder.tensor("weight", &[4]), folder.tensor("bias", &[3])] {
            assert!(wrong.unwrap_err().to_string().contains("model.safetensors"));
        }
    }

    #[test]
    fn a_file_that_is_missing_cut_off_or_another_one_is_named() {
        let dir = written(&[1.0, 2.0]);
        let weights = dir.path().join(WEIGHTS);
        let whole = fs::read(&weights).unwrap();
        fs::write(&weights, &whole[..whole.len() - 3]).unwrap();
        let text = refusal(dir.path());
        assert!(
            text.contains(WEIGHTS) && text.contains("cut off") && text.contains("again"),
            "{text}"
        );
        let mut other = whole.clone();
        *other.last_mut().unwrap() ^= 1;
        fs::write(&weights, &other).unwrap();
        assert!(refusal(dir.path()).contains("sha256 differs"));
        fs::remove_file(&weights).unwrap();
        assert!(refusal(dir.path()).contains("is missing"));
        fs::remove_file(dir.path().join(HEADER)).unwrap();
        assert!(refusal(dir.path()).contains("dense runs"));
        let run = tempfile::tempdir().unwrap();
        fs::create_dir(run.path().join("compact")).unwrap();
        fs::write(run.path().join("compact").join(HEADER), "{}").unwrap();
        assert!(refusal(run.path()).contains("is a run's folder"));
    }

    #[test]
    fn another_format_modality_or_a_weight_that_is_no_number_is_refused() {
        let dir = written(&[1.0, f32::NAN]);
        assert!(refusal(dir.path()).contains("not all finite"));
        let dir = written(&[1.0]);
        let text = CompactFolder::load(dir.path(), "graph", &Device::Cpu).unwrap_err();
        assert!(text.to_string().contains("modality \"tabular\""), "{text}");
        let json = dir.path().join(HEADER);
        let written = fs::read_to_string(&json).unwrap();
        let renumbered = |format: u32| {
            let text = written.replace("\"format\": 2", &format!("\"format\": {format}"));
            fs::write(&json, text).unwrap();
        };
        renumbered(9);
        let text = refusal(dir.path());
        assert!(
            text.contains("format 9") && text.contains("reads 1 to 2"),
            "{text}"
        );
        fs::write(&json, &written[..written.len() / 2]).unwrap();
        assert!(refusal(dir.path()).contains("cannot be read"));
    }
}
