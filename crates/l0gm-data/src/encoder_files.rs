//! Which files of a folder an encoder is read from. Repositories of the hub hold much else (other formats of the same
//! weights, a history), which is neither fetched nor hashed.

use crate::manifest::FileSpec;
use crate::presence::is_file;
use crate::{Error, Result};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

pub(crate) const CONFIG: &str = "config.json";
/// The files that hold a tokenizer, the preferred one first.
pub(crate) const TOKENIZERS: [&str; 2] = ["tokenizer.json", "vocab.txt"];
/// What a `vocab.txt` leaves open; not every model has this file.
pub(crate) const TOKENIZER_CONFIG: &str = "tokenizer_config.json";
/// All weights in one file, or the index of their shards.
pub(crate) const WEIGHTS: [&str; 2] = ["model.safetensors", INDEX];
pub(crate) const INDEX: &str = "model.safetensors.index.json";

/// Tokenizers and weights that must be converted first. A folder with these is whole, so that whoever reads it says how
/// they are converted.
const OTHER_TOKENIZERS: [&str; 3] = ["spm.model", "sentencepiece.bpe.model", "vocab.json"];
const PICKLED: [&str; 2] = ["pytorch_model.bin", "pytorch_model.bin.index.json"];

/// The encoder's files in a folder.
#[derive(Debug)]
pub(crate) struct EncoderFiles {
    /// Files that are there and may be read.
    pub(crate) present: Vec<FileSpec>,
    /// What is not there, in words.
    pub(crate) missing: Vec<String>,
}

impl EncoderFiles {
    /// Looks at the names in a folder.
    ///
    /// # Errors
    /// Fails if something is there but cannot be read, or if an index of shards is not valid.
    pub(crate) fn of(dir: &Path) -> Result<Self> {
        let mut found = Self {
            present: Vec::new(),
            missing: Vec::new(),
        };
        if !found.take(dir, CONFIG)? {
            found.missing.push(CONFIG.to_owned());
        }
        let mut tokenizer = false;
        for name in TOKENIZERS {
            tokenizer |= found.take(dir, name)?;
        }
        found.take(dir, TOKENIZER_CONFIG)?;
        if !tokenizer && !any(dir, &OTHER_TOKENIZERS)? {
            found.missing.push(TOKENIZERS.join(" or "));
        }
        found.weights(dir)?;
        Ok(found)
    }

    /// Whether nothing is missing.
    pub(crate) fn is_whole(&self) -> bool {
        self.missing.is_empty()
    }

    fn weights(&mut self, dir: &Path) -> Result<()> {
        let [whole, index] = WEIGHTS;
        if self.take(dir, whole)? {
            return Ok(());
        }
        if self.take(dir, index)? {
            for shard in shards(&dir.join(index))? {
                if !self.take(dir, &shard)? {
                    self.missing.push(shard);
                }
            }
        } else if !any(dir, &PICKLED)? {
            self.missing.push(WEIGHTS.join(" or "));
        }
        Ok(())
    }

    /// Notes a file if it is there.
    fn take(&mut self, dir: &Path, name: &str) -> Result<bool> {
        let there = is_file(&dir.join(name))?;
        if there {
            self.present.push(FileSpec::plain(name));
        }
        Ok(there)
    }
}

fn any(dir: &Path, names: &[&str]) -> Result<bool> {
    for name in names {
        if is_file(&dir.join(name))? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The names of the shards that an index lists.
///
/// # Errors
/// Fails if it is no index, or if a name leads out of the folder.
pub(crate) fn shards(index: &Path) -> Result<BTreeSet<String>> {
    #[derive(Deserialize)]
    struct Index {
        weight_map: BTreeMap<String, String>,
    }
    let unfit = |what: String| Error::file(index, format!("is no index of shards: {what}"));
    let bytes = std::fs::read(index).map_err(crate::error::io(index, "cannot read"))?;
    let read: Index = serde_json::from_slice(&bytes).map_err(|e| unfit(e.to_string()))?;
    let names: BTreeSet<String> = read.weight_map.into_values().collect();
    let plain = |name: &&String| Path::new(name).file_name() == Some(name.as_ref());
    match names.iter().find(|name| !plain(name)) {
        Some(name) => Err(unfit(format!(
            "{name:?} is not the name of a file beside it"
        ))),
        None => Ok(names),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_folder_is_whole_with_a_tokenizer_and_all_its_weights() {
        let tmp = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| std::fs::write(tmp.path().join(name), text).unwrap();
        let missing = || EncoderFiles::of(tmp.path()).unwrap().missing;
        assert_eq!(missing().len(), 3);
        put("config.json", "{}");
        put("vocab.txt", "a");
        assert_eq!(
            missing(),
            ["model.safetensors or model.safetensors.index.json"]
        );
        put(
            "model.safetensors.index.json",
            r#"{"weight_map": {"a": "one", "b": "two", "c": "one"}}"#,
        );
        put("one", "");
        assert_eq!(missing(), ["two"]);
        put("two", "");
        put("README.md", "not read");
        let found = EncoderFiles::of(tmp.path()).unwrap();
        assert!(found.is_whole());
        let names: Vec<&str> = found.present.iter().map(|f| f.path.as_str()).collect();
        assert_eq!(
            names,
            [
                "config.json",
                "vocab.txt",
                "model.safetensors.index.json",
                "one",
                "two"
            ]
        );
        put(
            "model.safetensors.index.json",
            r#"{"weight_map": {"a": "../one"}}"#,
        );
        let error = EncoderFiles::of(tmp.path()).unwrap_err().to_string();
        assert!(
            error.contains("not the name of a file beside it"),
            "{error}"
        );
    }

    #[test]
    fn what_must_be_converted_first_counts_as_there() {
        let tmp = tempfile::tempdir().unwrap();
        for name in ["config.json", "spm.model", "pytorch_model.bin"] {
            std::fs::write(tmp.path().join(name), "{}").unwrap();
        }
        let found = EncoderFiles::of(tmp.path()).unwrap();
        assert!(found.is_whole());
        assert_eq!(found.present.len(), 1);
    }
}
