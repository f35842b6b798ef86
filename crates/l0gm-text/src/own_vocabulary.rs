//! Trains a WordPiece vocabulary on the training texts, for encoders without pretrained weights.
use crate::settings::Alphabet;
use crate::{Error, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use tokenizers::models::wordpiece::{WordPiece, WordPieceTrainer};
use tokenizers::normalizers::{BertNormalizer, NFC, Sequence};
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::processors::template::TemplateProcessing;
use tokenizers::{
    AddedToken, DecoderWrapper, NormalizedString, Normalizer, NormalizerWrapper, OffsetReferential,
    OffsetType, PostProcessorWrapper, PreTokenizedString, PreTokenizer, PreTokenizerWrapper,
    Tokenizer, TokenizerBuilder,
};

/// Number of distinct characters for [`Alphabet::Frequent`]; rarer ones would take the place of words.
const FREQUENT: usize = 200;
/// Largest number of characters for [`Alphabet::All`]. No language has more, and the embedding table needs a limit.
const ALL: usize = 20_000;
/// Prefix that WordPiece gives to pieces inside a word.
const INNER: &str = "##";
/// Tokens that do not occur in texts.
const SPECIAL: [&str; 4] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"];

/// Trains a tokenizer on texts that are converted to lower case and split at white space and punctuation. It has at
/// most `vocabulary` entries, or more if all characters need them. Equal texts give equal tokenizers.
pub(crate) fn train(texts: &[String], vocabulary: usize, alphabet: Alphabet) -> Result<Tokenizer> {
    let plan = match alphabet {
        Alphabet::Frequent => frequent(texts, vocabulary),
        Alphabet::All => all(texts, vocabulary)?,
    };
    // The trainer numbers word-inner characters in the order of a hash map and breaks ties between merges by those
    // numbers. Naming the characters beforehand as special tokens gives them fixed numbers; afterwards they become
    // ordinary entries again.
    let inner = plan.inner.iter().map(|c| format!("{INNER}{c}"));
    let special: Vec<AddedToken> = SPECIAL
        .map(String::from)
        .into_iter()
        .chain(inner)
        .map(|token| AddedToken::from(token, true))
        .collect();
    let mut trainer = WordPieceTrainer::builder()
        .vocab_size(plan.entries)
        .min_frequency(2)
        .show_progress(false)
        .special_tokens(special)
        .build();
    let model = WordPiece::builder()
        .unk_token("[UNK]".into())
        .build()
        .map_err(|e| failed(&e))?;
    let template = TemplateProcessing::builder()
        .try_single("[CLS] $A [SEP]")
        .map_err(|e| failed(&e))?
        .special_tokens(vec![("[CLS]", 2), ("[SEP]", 3)])
        .build()
        .map_err(|e| failed(&e))?;
    let mut untrained = TokenizerBuilder::<
        WordPiece,
        NormalizerWrapper,
        PreTokenizerWrapper,
        PostProcessorWrapper,
        DecoderWrapper,
    >::new()
    .with_model(model)
    .with_normalizer(Some(plan.normalizer))
    .with_pre_tokenizer(Some(BertPreTokenizer.into()))
    .with_post_processor(Some(template.into()))
    .with_decoder(None)
    .build()
    .map_err(|e| failed(&e))?;
    untrained
        .train(&mut trainer, plan.texts.into_iter())
        .map_err(|e| failed(&e))?;
    let json = untrained.to_string(false).map_err(|e| failed(&e))?;
    let mut json: serde_json::Value = serde_json::from_str(&json).map_err(|e| failed(&e))?;
    if let Some(added) = json["added_tokens"].as_array_mut() {
        added.retain(|token| {
            let text = token["content"].as_str();
            !text.is_some_and(|text| text.starts_with(INNER))
        });
    }
    Tokenizer::from_bytes(json.to_string().as_bytes()).map_err(|e| failed(&e))
}

/// The input of the trainer.
struct Plan {
    /// Normalises texts, both in training and later.
    normalizer: NormalizerWrapper,
    /// The texts without the characters that are left out.
    texts: Vec<String>,
    /// Characters that occur inside words.
    inner: Vec<char>,
    /// Number of entries of the vocabulary.
    entries: usize,
}

/// The most frequent characters of the lower-case texts. The normaliser removes accents later.
fn frequent(texts: &[String], vocabulary: usize) -> Plan {
    let mut counts = BTreeMap::new();
    for c in texts
        .iter()
        .flat_map(|text| text.chars())
        .flat_map(char::to_lowercase)
    {
        *counts.entry(c).or_default() += 1;
    }
    let alphabet = most_frequent(counts, FREQUENT);
    let known = |text: &String| {
        text.to_lowercase()
            .replace(|c: char| !alphabet.contains(&c), " ")
    };
    Plan {
        normalizer: BertNormalizer::default().into(),
        texts: texts.iter().map(known).collect(),
        inner: alphabet
            .iter()
            .copied()
            .filter(|c| c.is_alphanumeric())
            .collect(),
        entries: vocabulary,
    }
}

/// Every character as the tokenizer sees it: composed, in lower case, with accents. At least half of `vocabulary`
/// remains for pieces of several characters.
fn all(texts: &[String], vocabulary: usize) -> Result<Plan> {
    let normalizer: NormalizerWrapper = Sequence::new(vec![
        NFC.into(),
        BertNormalizer::new(true, true, Some(false), true).into(),
    ])
    .into();
    let normal = |text: &String| -> Result<String> {
        let mut text = NormalizedString::from(text.as_str());
        normalizer.normalize(&mut text).map_err(|e| failed(&e))?;
        Ok(text.get().to_owned())
    };
    let mut texts: Vec<String> = texts.iter().map(normal).collect::<Result<_>>()?;
    let mut counts = BTreeMap::new();
    for c in texts.iter().flat_map(|text| text.chars()) {
        if !c.is_whitespace() {
            *counts.entry(c).or_default() += 1;
        }
    }
    let distinct = counts.len();
    let alphabet = most_frequent(counts, ALL);
    if alphabet.len() < distinct {
        for text in &mut texts {
            *text = text.replace(|c: char| !alphabet.contains(&c), " ");
        }
    }
    let inner = inner_characters(&texts)?;
    let characters = SPECIAL.len() + alphabet.len() + inner.len();
    Ok(Plan {
        normalizer,
        texts,
        inner: inner.into_iter().collect(),
        entries: vocabulary.max(characters + vocabulary / 2),
    })
}

/// The characters that occur in a word after its first character.
fn inner_characters(texts: &[String]) -> Result<BTreeSet<char>> {
    let mut inner = BTreeSet::new();
    for text in texts {
        let mut words = PreTokenizedString::from(text.as_str());
        BertPreTokenizer
            .pre_tokenize(&mut words)
            .map_err(|e| failed(&e))?;
        for (word, _, _) in words.get_splits(OffsetReferential::Original, OffsetType::Byte) {
            inner.extend(word.chars().skip(1));
        }
    }
    Ok(inner)
}

/// The `limit` characters with the largest counts.
fn most_frequent(counts: BTreeMap<char, u64>, limit: usize) -> BTreeSet<char> {
    let mut by_count: Vec<(char, u64)> = counts.into_iter().collect();
    by_count.sort_by_key(|&(c, count)| (std::cmp::Reverse(count), c));
    by_count.truncate(limit);
    by_count.into_iter().map(|(c, _)| c).collect()
}

fn failed(error: &dyn Display) -> Error {
    Error::model("WordPiece training", format!("failed: {error}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn ids(tokenizer: &Tokenizer, text: &str) -> Vec<u32> {
        let encoding = tokenizer.encode_fast(text, false).unwrap();
        encoding.get_ids().to_vec()
    }

    /// Texts with the characters from `first` on, each in two of them.
    fn texts_of(first: u32, count: u32) -> Vec<String> {
        let all: Vec<char> = (first..)
            .filter_map(char::from_u32)
            .take(count as usize)
            .collect();
        let texts = all.chunks(10).map(|part| part.iter().collect::<String>());
        let texts: Vec<String> = texts.collect();
        [texts.clone(), texts].concat()
    }

    #[test]
    fn every_character_of_a_large_alphabet_is_learnt_apart() {
        // Three thousand Chinese characters are more than the requested vocabulary.
        let texts = texts_of(0x4e00, 3000);
        let tokenizer = train(&texts, 1500, Alphabet::All).unwrap();
        let mut seen = BTreeSet::new();
        for text in &texts {
            seen.extend(ids(&tokenizer, text));
        }
        assert_eq!(seen.len(), 3000);
        assert!(!seen.contains(&1), "none is unknown");
    }

    #[test]
    fn accents_and_scripts_with_combining_marks_are_kept() {
        let words = [
            "sur",
            "sûr",
            "sure",
            "पानी",
            "पान",
            "ёлка",
            "елка",
            "ăn",
            "ân",
            "an",
        ];
        let texts: Vec<String> = words
            .iter()
            .cycle()
            .take(60)
            .map(|w| format!("{w} {w}"))
            .collect();
        let tokenizer = train(&texts, 400, Alphabet::All).unwrap();
        let found: BTreeSet<Vec<u32>> = words.iter().map(|word| ids(&tokenizer, word)).collect();
        assert_eq!(found.len(), words.len());
        assert!(found.iter().flatten().all(|&id| id != 1));
        // An accent may be a character of its own or part of a letter; both spellings give the same ids.
        assert_eq!(ids(&tokenizer, "su\u{302}r"), ids(&tokenizer, "SÛR"));
    }

    #[test]
    fn all_characters_are_trained_the_same_twice() {
        let texts: Vec<String> = (0..40)
            .map(|i| format!("Größe {i}: naïve café, 電影{}", ["好", "壞"][i % 2]))
            .collect();
        let again = || train(&texts, 150, Alphabet::All).unwrap().get_vocab(true);
        assert_eq!(again(), again());
    }

    #[test]
    fn the_frequent_alphabet_stays_as_small_as_it_was() {
        let tokenizer = train(&texts_of(0x4e00, 3000), 300, Alphabet::Frequent).unwrap();
        assert!(tokenizer.get_vocab_size(true) < 2 * FREQUENT + 10);
    }
}
