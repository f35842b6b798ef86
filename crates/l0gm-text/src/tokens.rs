//! Turns texts into token ids: tokenised once in parallel, truncated at the largest length, and stored in one vector.
//! The tokenizer is the checkpoint's own, or a WordPiece vocabulary trained on the texts.
use crate::vocabulary::wordpiece_of;
use crate::{Alphabet, Error, Result, own_vocabulary};
use rayon::prelude::*;
use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use tokenizers::{Tokenizer, TruncationParams};

/// Files of tokenizers that must be converted first: SentencePiece's models, and the vocabulary of a byte-level BPE.
const OTHER_FORMATS: [&str; 3] = ["spm.model", "sentencepiece.bpe.model", "vocab.json"];

/// Token ids of many texts, including `[CLS]` and `[SEP]`, without padding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenRows {
    ids: Vec<u32>,
    ends: Vec<usize>,
}

impl TokenRows {
    /// Stores rows of ids.
    pub fn new(rows: impl IntoIterator<Item = Vec<u32>>) -> Self {
        let (mut ids, mut ends) = (Vec::new(), Vec::new());
        for row in rows {
            ids.extend(row);
            ends.push(ids.len());
        }
        Self { ids, ends }
    }

    /// Number of texts.
    pub fn rows(&self) -> usize {
        self.ends.len()
    }

    /// Ids of one text.
    pub fn get(&self, row: usize) -> &[u32] {
        let start = if row == 0 { 0 } else { self.ends[row - 1] };
        &self.ids[start..self.ends[row]]
    }

    /// Number of ids of all texts together.
    pub fn total(&self) -> usize {
        self.ids.len()
    }

    /// Number of ids before a row and in this row, which locate its states in a flat cache.
    pub(crate) fn span(&self, row: usize) -> (usize, usize) {
        let start = if row == 0 { 0 } else { self.ends[row - 1] };
        (start, self.ends[row] - start)
    }

    /// The ids of all texts and the rows' offsets, for a checksum.
    pub(crate) fn flat(&self) -> (&[u32], &[usize]) {
        (&self.ids, &self.ends)
    }
}

/// A tokenizer without padding or truncation of its own.
#[derive(Clone, Debug)]
pub struct TextTokenizer {
    inner: Tokenizer,
    origin: PathBuf,
}

impl TextTokenizer {
    /// Reads a `tokenizer.json`.
    ///
    /// # Errors
    /// Fails if the file cannot be read or parsed.
    pub fn from_file(path: &Path) -> Result<Self> {
        let bytes =
            std::fs::read(path).map_err(|e| Error::model(path, format!("cannot be read: {e}")))?;
        Self::from_bytes(&bytes, path)
    }

    /// Reads the `tokenizer.json` of an encoder's folder, or its `vocab.txt` if there is no such file.
    ///
    /// # Errors
    /// Fails if neither file exists, or if the existing one cannot be read.
    pub fn from_folder(dir: &Path) -> Result<Self> {
        let (whole, vocabulary) = (dir.join("tokenizer.json"), dir.join("vocab.txt"));
        if std::fs::symlink_metadata(&whole).is_ok() {
            return Self::from_file(&whole);
        }
        if std::fs::symlink_metadata(&vocabulary).is_ok() {
            return Ok(Self {
                inner: wordpiece_of(dir)?,
                origin: vocabulary,
            });
        }
        let other = OTHER_FORMATS.iter().find(|name| dir.join(name).exists());
        Err(Error::model(
            dir,
            match other {
                Some(name) => format!(
                    "holds its tokenizer as {name} alone; make a tokenizer.json in this folder with python -c \"from \
                     transformers import AutoTokenizer; AutoTokenizer.from_pretrained('.').save_pretrained('.')\""
                ),
                None => {
                    "holds neither tokenizer.json nor vocab.txt; put the encoder's tokenizer there"
                        .to_owned()
                }
            },
        ))
    }

    /// Parses the bytes of the `tokenizer.json` at `path`.
    pub(crate) fn from_bytes(bytes: &[u8], path: &Path) -> Result<Self> {
        let mut inner = Tokenizer::from_bytes(bytes)
            .map_err(|e| Error::model(path, format!("is not a tokenizer.json ({e})")))?;
        inner.with_padding(None);
        Ok(Self {
            inner,
            origin: path.to_path_buf(),
        })
    }

    /// Trains a WordPiece tokenizer with at most `vocabulary` entries (more if [`Alphabet::All`] needs them) on
    /// `texts`, which are converted to lower case and split at white space and punctuation. Equal texts give equal
    /// tokenizers.
    ///
    /// # Errors
    /// Fails if training fails.
    pub fn train(texts: &[String], vocabulary: usize, alphabet: Alphabet) -> Result<Self> {
        Ok(Self {
            inner: own_vocabulary::train(texts, vocabulary, alphabet)?,
            origin: PathBuf::from("the tokenizer trained on the corpus"),
        })
    }

    /// Writes the tokenizer as `tokenizer.json`, atomically.
    ///
    /// # Errors
    /// Fails if the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        l0gm_train::write_atomically(path, &self.to_bytes()?)?;
        Ok(())
    }

    /// The bytes of its `tokenizer.json`.
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>> {
        let json = self
            .inner
            .to_string(false)
            .map_err(|e| Error::model(&self.origin, format!("cannot be written as JSON: {e}")))?;
        Ok(json.into_bytes())
    }

    /// Path of the file that it was read from.
    pub fn origin(&self) -> &Path {
        &self.origin
    }

    /// The id that replaces a hidden token: the mask token, or else the unknown token. A token that is registered as
    /// special goes before one that is only a piece, because MPNet's vocabulary holds BERT's `[MASK]` too.
    pub fn mask(&self) -> Option<u32> {
        let added = self.inner.get_added_tokens_decoder();
        let is_special = |id: &u32| added.get(id).is_some_and(|token| token.special);
        [["<mask>", "[MASK]"], ["[UNK]", "<unk>"]]
            .iter()
            .find_map(|names| {
                let ids = names.iter().filter_map(|name| self.inner.token_to_id(name));
                let ids: Vec<u32> = ids.collect();
                let special = ids.iter().copied().find(is_special);
                special.or_else(|| ids.first().copied())
            })
    }

    /// The id of text that is not in the vocabulary.
    pub fn unknown(&self) -> Option<u32> {
        let tokens = ["[UNK]", "<unk>"];
        tokens.iter().find_map(|t| self.inner.token_to_id(t))
    }

    /// One more than the largest token id.
    pub fn vocabulary(&self) -> usize {
        self.inner
            .get_vocab(true)
            .values()
            .max()
            .map_or(0, |&id| id as usize + 1)
    }

    /// Checks that every possible id has a row in an embedding table of `rows` rows.
    ///
    /// # Errors
    /// Fails if there are more ids than rows.
    pub fn check_fits(&self, rows: usize) -> Result<()> {
        let vocabulary = self.vocabulary();
        if vocabulary > rows {
            return Err(Error::model(
                &self.origin,
                format!(
                    "gives token ids up to {}, but the model's embedding table has {rows} rows; use the tokenizer.json that came with the weights",
                    vocabulary - 1
                ),
            ));
        }
        Ok(())
    }

    /// Tokenises all texts in parallel and truncates each to `max_tokens` tokens, including `[CLS]` and `[SEP]`.
    ///
    /// # Errors
    /// Fails if a text cannot be tokenised, and says which one; and if no text has a token.
    pub fn encode(&self, texts: &[String], max_tokens: usize) -> Result<TokenRows> {
        let mut inner = self.inner.clone();
        let truncation = TruncationParams {
            max_length: max_tokens,
            ..TruncationParams::default()
        };
        inner
            .with_truncation(Some(truncation))
            .map_err(|e| Error::Setting(format!("max-tokens is {max_tokens}: {e}")))?;
        let rows: Vec<Vec<u32>> = texts
            .par_iter()
            .enumerate()
            .map(|(row, text)| {
                let unfit = |why: &dyn Display| {
                    Error::model(&self.origin, format!("cannot tokenise row {row}: {why}"))
                };
                // A tokenizer.json can hold what the library takes for impossible.
                let encode = || inner.encode_fast(text.as_str(), true);
                let encoding = catch_unwind(AssertUnwindSafe(encode))
                    .map_err(|_| unfit(&"the tokenizers library panics on it"))?
                    .map_err(|e| unfit(&e))?;
                Ok(encoding.get_ids().to_vec())
            })
            .collect::<Result<_>>()?;
        if !rows.is_empty() && rows.iter().all(Vec::is_empty) {
            return Err(Error::model(
                &self.origin,
                "gives no text a token; use the tokenizer that came with the weights",
            ));
        }
        Ok(TokenRows::new(rows))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn texts() -> Vec<String> {
        (0..60)
            .map(|i| {
                format!(
                    "The film number {i} was {}! Truly a {} film.",
                    ["good", "bad"][i % 2],
                    ["great", "dull", "long"][i % 3]
                )
            })
            .collect()
    }

    #[test]
    fn rows_are_cut_and_framed() {
        let tokenizer = TextTokenizer::train(&texts(), 300, Alphabet::Frequent).unwrap();
        let rows = tokenizer
            .encode(
                &[
                    "film".into(),
                    "the film was good ".repeat(30),
                    String::new(),
                ],
                8,
            )
            .unwrap();
        assert_eq!(rows.rows(), 3);
        assert_eq!(rows.get(0).len(), 3);
        assert_eq!(rows.get(1).len(), 8);
        assert_eq!(rows.get(2), [2, 3]);
        for row in 0..3 {
            assert_eq!((rows.get(row)[0], *rows.get(row).last().unwrap()), (2, 3));
        }
        assert_eq!(rows.total(), 13);
    }

    #[test]
    fn training_twice_gives_the_same_vocabulary() {
        let a = TextTokenizer::train(&texts(), 120, Alphabet::Frequent).unwrap();
        let b = TextTokenizer::train(&texts(), 120, Alphabet::Frequent).unwrap();
        assert_eq!(a.inner.get_vocab(true), b.inner.get_vocab(true));
        assert!(a.vocabulary() <= 120);
    }

    #[test]
    fn a_saved_tokenizer_reads_back_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tokenizer.json");
        let trained = TextTokenizer::train(&texts(), 200, Alphabet::Frequent).unwrap();
        trained.save(&path).unwrap();
        let read = TextTokenizer::from_file(&path).unwrap();
        assert_eq!(
            trained.encode(&texts(), 16).unwrap(),
            read.encode(&texts(), 16).unwrap()
        );
    }

    #[test]
    fn a_tokenizer_larger_than_the_embedding_table_is_refused() {
        let tokenizer = TextTokenizer::train(&texts(), 200, Alphabet::Frequent).unwrap();
        let rows = tokenizer.vocabulary();
        tokenizer.check_fits(rows).unwrap();
        let message = tokenizer.check_fits(rows - 1).unwrap_err().to_string();
        assert!(message.contains("embedding table"), "{message}");
    }

    #[test]
    fn a_hidden_token_becomes_the_mask_that_is_registered_as_special() {
        let trained = TextTokenizer::train(&texts(), 200, Alphabet::Frequent).unwrap();
        // A vocabulary of one's own has no mask: a hidden word reads as an unknown one.
        assert!(trained.unknown().is_some());
        assert_eq!(trained.mask(), trained.unknown());
        let dir = tempfile::tempdir().unwrap();
        let mask_of = |vocabulary: &str, model: &str| {
            std::fs::write(dir.path().join("vocab.txt"), vocabulary).unwrap();
            let config = format!("{{\"model_type\": \"{model}\"}}");
            std::fs::write(dir.path().join("config.json"), config).unwrap();
            TextTokenizer::from_folder(dir.path()).unwrap().mask()
        };
        let both = "<s>\n<pad>\n</s>\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n<mask>\n";
        assert_eq!(mask_of(both, "mpnet"), Some(7));
        assert_eq!(mask_of(both, "bert"), Some(6));
        assert_eq!(mask_of("[CLS]\n[SEP]\n[UNK]\n", "bert"), Some(2));
    }

    #[test]
    fn a_tokenizer_that_gives_no_token_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tokenizer.json");
        let empty = r#"{"version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
            "normalizer": null, "pre_tokenizer": null, "post_processor": null, "decoder": null,
            "model": {"type": "BPE", "vocab": {}, "merges": []}}"#;
        std::fs::write(&path, empty).unwrap();
        let tokenizer = TextTokenizer::from_file(&path).unwrap();
        let message = tokenizer.encode(&texts(), 16).unwrap_err().to_string();
        assert!(message.contains("gives no text a token"), "{message}");
        assert_eq!(tokenizer.encode(&[], 16).unwrap().rows(), 0);
    }

    #[test]
    fn a_file_that_is_no_tokenizer_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tokenizer.json");
        std::fs::write(&path, "{\"version\": ").unwrap();
        let message = TextTokenizer::from_file(&path).unwrap_err().to_string();
        assert!(message.contains("tokenizer.json"), "{message}");
    }
}
