//! Makes a tokenizer from a `vocab.txt` alone, which lists one WordPiece per line. BERT was published in this form,
//! and many checkpoints still are. `tokenizer_config.json` beside it, if present, says whether texts are converted to
//! lower case and what the special tokens are called. Otherwise they have the names of BERT or, if the vocabulary has
//! those instead, of MPNet.
use crate::{Error, Result};
use serde::Deserialize;
use std::collections::HashMap;
use std::path::Path;
use tokenizers::models::wordpiece::WordPiece;
use tokenizers::normalizers::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::processors::bert::BertProcessing;
use tokenizers::{AddedToken, Tokenizer};

/// The keys of `tokenizer_config.json` that are used here, with the defaults of BERT's reference code.
#[derive(Debug, Deserialize)]
#[serde(default)]
struct TokenizerConfig {
    do_lower_case: bool,
    tokenize_chinese_chars: bool,
    strip_accents: Option<bool>,
    unk_token: Option<Token>,
    cls_token: Option<Token>,
    sep_token: Option<Token>,
    pad_token: Option<Token>,
    mask_token: Option<Token>,
}

/// The names of the special tokens: unknown, first, last, padding and mask.
const BERT: [&str; 5] = ["[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"];
const MPNET: [&str; 5] = ["[UNK]", "<s>", "</s>", "<pad>", "<mask>"];

impl Default for TokenizerConfig {
    fn default() -> Self {
        Self {
            do_lower_case: true,
            tokenize_chinese_chars: true,
            strip_accents: None,
            unk_token: None,
            cls_token: None,
            sep_token: None,
            pad_token: None,
            mask_token: None,
        }
    }
}

impl TokenizerConfig {
    /// The names of the special tokens in the order of [`BERT`].
    fn special(&self, vocabulary: &HashMap<String, u32>) -> [String; 5] {
        let has = |name: &str| vocabulary.contains_key(name);
        let default = match !has(BERT[1]) && has(MPNET[1]) {
            true => MPNET,
            false => BERT,
        };
        let given = [
            &self.unk_token,
            &self.cls_token,
            &self.sep_token,
            &self.pad_token,
            &self.mask_token,
        ];
        std::array::from_fn(|i| {
            let given = given[i].as_ref().map(Token::text);
            given.unwrap_or(default[i]).to_owned()
        })
    }
}

/// A special token, written as its text or as an object that contains the text.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Token {
    Name(String),
    Object { content: String },
}

impl Token {
    fn text(&self) -> &str {
        match self {
            Token::Name(text) | Token::Object { content: text } => text,
        }
    }
}

/// Reads the `vocab.txt` of a folder, and `tokenizer_config.json` if it exists.
///
/// # Errors
/// Fails if a file cannot be read, or if the vocabulary lacks a token that begins or ends every text.
pub(crate) fn wordpiece_of(dir: &Path) -> Result<Tokenizer> {
    let path = dir.join("vocab.txt");
    let config = read_config(&dir.join("tokenizer_config.json"))?;
    let unfit = |message: String| Error::model(&path, message);
    let text = std::fs::read_to_string(&path).map_err(|e| unfit(format!("cannot be read: {e}")))?;
    // The id of a token is its line number, from 0; empty lines are allowed only at the end.
    let lines: Vec<&str> = text.trim_end().lines().map(str::trim_end).collect();
    let vocabulary: HashMap<String, u32> = (lines.iter().zip(0..))
        .map(|(token, id)| ((*token).to_owned(), id))
        .collect();
    if vocabulary.len() < lines.len() {
        return Err(unfit(
            "lists a token twice; it must hold one WordPiece a line".to_owned(),
        ));
    }
    let id = |name: &String| {
        let found = vocabulary.get(name).copied();
        found.map(|id| (name.clone(), id)).ok_or_else(|| {
            unfit(format!(
                "has no token {name:?} among its {}; it must hold one WordPiece a line",
                lines.len()
            ))
        })
    };
    let names = config.special(&vocabulary);
    let [unknown, cls, sep, _, _] = &names;
    let (cls, sep, unknown) = (id(cls)?, id(sep)?, id(unknown)?);
    let special: Vec<AddedToken> = (names.iter())
        .filter(|name| vocabulary.contains_key(*name))
        .map(|name| AddedToken::from(name.as_str(), true))
        .collect();
    let failed = |e: &dyn std::fmt::Display| unfit(format!("does not make a tokenizer: {e}"));
    let pieces = WordPiece::read_bytes(text.trim_end().as_bytes()).map_err(|e| failed(&e))?;
    let model = WordPiece::builder()
        .vocab(pieces)
        .unk_token(unknown.0)
        .build()
        .map_err(|e| failed(&e))?;
    let mut tokenizer = Tokenizer::new(model);
    tokenizer
        .with_normalizer(Some(BertNormalizer::new(
            true,
            config.tokenize_chinese_chars,
            config.strip_accents,
            config.do_lower_case,
        )))
        .map_err(|e| failed(&e))?
        .with_pre_tokenizer(Some(BertPreTokenizer))
        .with_post_processor(Some(BertProcessing::new(sep, cls)));
    tokenizer
        .add_special_tokens(special)
        .map_err(|e| failed(&e))?;
    Ok(tokenizer)
}

fn read_config(path: &Path) -> Result<TokenizerConfig> {
    match std::fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map_err(|e| Error::model(path, format!("is not a tokenizer's configuration: {e}"))),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(TokenizerConfig::default()),
        Err(e) => Err(Error::model(path, format!("cannot be read: {e}"))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const VOCABULARY: &str = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nfilm\nFilm\nun\n##fit\n!\n";

    fn ids(config: Option<&str>, text: &str) -> Vec<u32> {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("vocab.txt"), VOCABULARY).unwrap();
        if let Some(config) = config {
            std::fs::write(dir.path().join("tokenizer_config.json"), config).unwrap();
        }
        let tokenizer = wordpiece_of(dir.path()).unwrap();
        tokenizer.encode(text, true).unwrap().get_ids().to_vec()
    }

    #[test]
    fn texts_are_cut_into_the_vocabularys_pieces_and_framed() {
        // [CLS] film un ##fit ! [MASK] [UNK] [SEP]
        assert_eq!(
            ids(None, "Film unfit! [MASK] other"),
            [2, 5, 7, 8, 9, 4, 1, 3]
        );
    }

    #[test]
    fn the_configuration_says_whether_texts_are_lower_cased() {
        assert_eq!(
            ids(Some(r#"{"do_lower_case": false}"#), "Film film"),
            [2, 6, 5, 3]
        );
        let config = r#"{"do_lower_case": true, "unk_token": {"content": "[UNK]"}, "other": 1}"#;
        assert_eq!(ids(Some(config), "Film film"), [2, 5, 5, 3]);
    }

    #[test]
    fn mpnets_vocabulary_has_special_tokens_of_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let lines = "<s>\n<pad>\n</s>\n<unk>\nfilm\n[UNK]\n<mask>\n";
        std::fs::write(dir.path().join("vocab.txt"), lines).unwrap();
        let tokenizer = wordpiece_of(dir.path()).unwrap();
        let ids = tokenizer.encode("Film other <mask>", true).unwrap();
        assert_eq!(ids.get_ids(), [0, 4, 5, 6, 2]);
    }

    #[test]
    fn a_vocabulary_without_its_frame_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("vocab.txt");
        let refusal = |text: &str| {
            std::fs::write(&path, text).unwrap();
            wordpiece_of(dir.path()).unwrap_err().to_string()
        };
        assert!(refusal("[PAD]\n[UNK]\n[CLS]\nfilm\n").contains("no token \"[SEP]\""));
        assert!(refusal("").contains("no token \"[CLS]\""));
        assert!(refusal("a\na\n").contains("twice"));
    }
}
