//! Downloads an encoder from the Hugging Face hub. Which files a repository has is not known before: a tokenizer may be
//! a `tokenizer.json` or a `vocab.txt`, and the weights one file or shards with an index.

use super::lock::{LOCK, lock};
use super::sources::{Hub, remove_empty};
use super::{Failure, Fetcher, Kind, remote};
use crate::checksum;
use crate::encoder_files::{CONFIG, INDEX, TOKENIZER_CONFIG, TOKENIZERS, WEIGHTS, shards};
use crate::error::io;
use crate::manifest::FileSpec;
use crate::presence::is_file;
use hf_hub::RepoType;
use std::collections::BTreeMap;
use std::path::Path;

/// Fetches what is missing in `dir` of the encoder in a repository, and pins the checksums.
///
/// # Errors
/// Fails if a file cannot be fetched. If the repository has only files of formats that cannot be read, the error has
/// the command that converts them.
pub(crate) fn fetch_hub_model(fetcher: &Fetcher, repo: &str, dir: &Path) -> Result<(), Failure> {
    std::fs::create_dir_all(dir).map_err(io(dir, "cannot create the folder"))?;
    let lock = lock(dir)?;
    let hub = Hub::new(repo, RepoType::Model)?;
    let outcome = fetch_parts(repo, dir, &|path| {
        hub.file(fetcher, &FileSpec::plain(path), &dir.join(path))
    });
    drop(lock);
    if outcome.is_err() {
        remove_empty(dir, &dir.join(LOCK));
        // The owner's folder goes too if nothing else is in it.
        if let Some(owner) = dir.parent() {
            let _ = std::fs::remove_dir(owner);
        }
    }
    outcome
}

/// Fetches with `get`, which gives a file's checksum.
fn fetch_parts(
    repo: &str,
    dir: &Path,
    get: &dyn Fn(&str) -> Result<String, Failure>,
) -> Result<(), Failure> {
    let mut sums = BTreeMap::new();
    let mut get = |path: &str| {
        sums.insert(path.to_owned(), get(path)?);
        Ok(())
    };
    let outcome = all_parts(repo, dir, &mut get);
    if matches!(
        &outcome,
        Err(Failure::Remote {
            kind: Kind::Absent,
            ..
        })
    ) {
        // The model will be converted by hand, and what conversion writes must not meet a pin or an older file.
        for path in sums.keys() {
            let path = dir.join(path);
            std::fs::remove_file(&path).map_err(io(&path, "cannot remove"))?;
        }
    } else if !sums.is_empty() {
        // An interruption keeps what has arrived.
        checksum::pin(dir, &sums)?;
    }
    outcome
}

fn all_parts(
    repo: &str,
    dir: &Path,
    get: &mut dyn FnMut(&str) -> Result<(), Failure>,
) -> Result<(), Failure> {
    if first_of(&[CONFIG], dir, get)?.is_none() {
        return Err(unfit(repo, "has no config.json, so it is no encoder"));
    }
    let lacks = |names: [&str; 2]| {
        let ask = format!(
            "has neither {} nor {}; where Python is at hand, python -c \"from transformers import AutoModel, \
             AutoTokenizer; AutoModel.from_pretrained('{repo}').save_pretrained('{to}'); \
             AutoTokenizer.from_pretrained('{repo}').save_pretrained('{to}')\" makes them",
            names[0],
            names[1],
            to = dir.display()
        );
        unfit(repo, &ask)
    };
    match first_of(&TOKENIZERS, dir, get)? {
        None => return Err(lacks(TOKENIZERS)),
        Some("vocab.txt") => {
            first_of(&[TOKENIZER_CONFIG], dir, get)?;
        }
        Some(_) => {}
    }
    match first_of(&WEIGHTS, dir, get)? {
        None => return Err(lacks(WEIGHTS)),
        Some(INDEX) => {
            for shard in shards(&dir.join(INDEX))? {
                if !is_file(&dir.join(&shard))? {
                    get(&shard)?;
                }
            }
        }
        Some(_) => {}
    }
    Ok(())
}

/// The first of these files that is there, or else that the repository has.
fn first_of<'a>(
    names: &[&'a str],
    dir: &Path,
    get: &mut dyn FnMut(&str) -> Result<(), Failure>,
) -> Result<Option<&'a str>, Failure> {
    for name in names {
        if is_file(&dir.join(name))? {
            return Ok(Some(name));
        }
    }
    for name in names {
        match get(name) {
            Ok(()) => return Ok(Some(name)),
            Err(Failure::Remote {
                kind: Kind::Absent, ..
            }) => {}
            Err(other) => return Err(other),
        }
    }
    Ok(None)
}

/// The failure of a repository without the files of an encoder.
fn unfit(repo: &str, what: &str) -> Failure {
    let url = format!("https://huggingface.co/{repo}");
    remote(Kind::Absent, &url, format!("the repository {what}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::Error;
    use crate::encoder_files::EncoderFiles;

    /// Fetches from a repository with these files, some of which break the connection.
    fn fetched(dir: &Path, files: &[(&str, &str)], broken: &str) -> Result<(), Failure> {
        fetch_parts("some/model", dir, &|path| {
            if path == broken {
                return Err(remote(Kind::Interrupted, path, "broken"));
            }
            let file = files.iter().find(|(name, _)| *name == path);
            let (_, text) = file.ok_or_else(|| remote(Kind::Absent, path, "HTTP 404"))?;
            std::fs::write(dir.join(path), text).unwrap();
            Ok(checksum::sha256_file(&dir.join(path))?)
        })
    }

    fn names(dir: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(dir).unwrap();
        let mut names: Vec<String> = entries
            .map(|e| e.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    const SHARDED: [(&str, &str); 5] = [
        ("config.json", "{}"),
        ("vocab.txt", "a"),
        (
            "model.safetensors.index.json",
            r#"{"weight_map": {"a": "one", "b": "two"}}"#,
        ),
        ("one", "1"),
        ("two", "2"),
    ];

    #[test]
    fn a_repository_may_have_a_vocabulary_and_shards_and_an_interruption_is_taken_up() {
        let tmp = tempfile::tempdir().unwrap();
        let dir = tmp.path();
        assert!(fetched(dir, &SHARDED, "two").is_err());
        assert_eq!(EncoderFiles::of(dir).unwrap().missing, ["two"]);
        fetched(dir, &SHARDED, "config.json").unwrap();
        let found = EncoderFiles::of(dir).unwrap();
        assert!(found.is_whole());
        // What came in the first attempt is pinned too.
        std::fs::write(dir.join("one"), "changed").unwrap();
        let files: Vec<&FileSpec> = found.present.iter().collect();
        let error = checksum::verify(dir, &files, dir).unwrap_err().to_string();
        assert!(error.contains("pinned on its first download"), "{error}");
    }

    #[test]
    fn one_file_of_weights_and_a_whole_tokenizer_come_first() {
        let tmp = tempfile::tempdir().unwrap();
        let mut files = SHARDED.to_vec();
        files.extend([("tokenizer.json", "{}"), ("model.safetensors", "w")]);
        fetched(tmp.path(), &files, "").unwrap();
        assert_eq!(
            names(tmp.path()),
            [
                ".checksums.toml",
                "config.json",
                "model.safetensors",
                "tokenizer.json"
            ]
        );
    }

    #[test]
    fn a_repository_of_other_formats_is_told_how_to_be_converted_and_leaves_nothing() {
        let tmp = tempfile::tempdir().unwrap();
        let pickled = [
            ("config.json", "{}"),
            ("tokenizer.json", "{}"),
            ("pytorch_model.bin", ""),
        ];
        for (files, word) in [
            (&pickled[..], "neither model.safetensors nor"),
            (&pickled[..1], "neither tokenizer.json nor vocab.txt"),
        ] {
            let error = Error::from(fetched(tmp.path(), files, "").unwrap_err()).to_string();
            for word in [word, "AutoModel.from_pretrained('some/model')"] {
                assert!(error.contains(word), "{error}");
            }
            assert!(names(tmp.path()).is_empty());
        }
        let error = Error::from(fetched(tmp.path(), &[], "").unwrap_err()).to_string();
        assert!(error.contains("has no config.json"), "{error}");
    }
}
