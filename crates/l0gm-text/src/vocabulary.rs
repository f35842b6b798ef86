//! Makes a tokenizer from a `vocab.txt` alone, which lists one WordPiece per line. BERT was published in this form,
//! and many checkpoints still are. `tokenizer_config.json` beside it, if present, says whether texts are converted to
//! lower case and what the special tokens are called. Otherwise they have the names of BERT or of MPNet. MPNet's
//! vocabulary holds BERT's names too, as pieces that its texts never have.
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
    /// The special tokens in the order of [`BERT`]. `model_type` is that of the encoder, if it is known.
    fn special(
        &self,
        vocabulary: &HashMap<String, u32>,
        model_type: Option<&str>,
    ) -> [AddedToken; 5] {
        let has = |name: &str| vocabulary.contains_key(name);
        let framed = has(MPNET[1]) && has(MPNET[2]);
        let is_mpnet = match model_type {
            Some("mpnet") => true,
            Some(_) => framed && !has(BERT[1]),
            None => framed,
        };
        let default = if is_mpnet { MPNET } else { BERT };
        let given = [
            &self.unk_token,
            &self.cls_token,
            &self.sep_token,
            &self.pad_token,
            &self.mask_token,
        ];
        std::array::from_fn(|i| {
            // MPNet's mask takes the spaces before it, as its published tokenizer says.
            let lstrip = is_mpnet && i == 4;
            let (name, lstrip) = match given[i] {
                None => (default[i], lstrip),
                Some(Token::Name(name)) => (name.as_str(), lstrip),
                Some(Token::Object { content, lstrip }) => (content.as_str(), *lstrip),
            };
            AddedToken::from(name, true).lstrip(lstrip)
        })
    }
}

/// A special token, written as its text or as an object that contains the text.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum Token {
    Name(String),
    Object {
        content: String,
        /// Whether the spaces before it belong to it.
        #[serde(default)]
        lstrip: bool,
    },
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
    let special = config.special(&vocabulary, model_type(dir).as_deref());
    let [unknown, cls, sep, _, _] = &special;
    let (cls, sep) = (id(&cls.content)?, id(&sep.content)?);
    let unknown = id(&unknown.content)?;
    let special: Vec<AddedToken> = (special.into_iter())
        .filter(|token| vocabulary.contains_key(&token.content))
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

/// The `model_type` in the `config.json` of a folder. What is wrong with that file is said where the encoder is read.
fn model_type(dir: &Path) -> Option<String> {
    let bytes = std::fs::read(dir.join("config.json")).ok()?;
    let config: serde_json::Value = serde_json::from_slice(&bytes).ok()?;
    config["model_type"].as_str().map(str::to_owned)
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

    /// MPNet's published vocabulary in short: its own special tokens, and BERT's as pieces.
    const MPNETS: &str = "<s>\n<pad>\n</s>\n<unk>\nfilm\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n<mask>\n";

    #[test]
    fn mpnets_vocabulary_has_special_tokens_of_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::write(at("vocab.txt"), MPNETS).unwrap();
        let ids = |text: &str| {
            let tokenizer = wordpiece_of(dir.path()).unwrap();
            let encoding = tokenizer.encode(text, true).unwrap();
            let spans: Vec<String> = (encoding.get_offsets().iter())
                .map(|&(from, to)| text[from..to].to_owned())
                .collect();
            (encoding.get_ids().to_vec(), spans)
        };
        // With and without the encoder's configuration.
        for config in ["", r#"{"model_type": "mpnet"}"#] {
            std::fs::write(at("config.json"), config).unwrap();
            let (found, spans) = ids("Film other <mask>");
            assert_eq!(found, [0, 4, 5, 9, 2]);
            assert_eq!(spans[3], " <mask>");
        }
        std::fs::write(at("config.json"), r#"{"model_type": "bert"}"#).unwrap();
        assert_eq!(ids("film [MASK]").0, [6, 4, 8, 7]);
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
