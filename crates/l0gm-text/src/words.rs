//! Texts as units that a bag of words counts: lower-cased words, and single characters of the scripts that put no
//! blanks between words.

/// A piece of a text that counts by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Two or more letters or digits between other characters.
    Word(String),
    /// A character of a script without blanks.
    Character(char),
    /// A unit that was hidden: n-grams do not reach across it.
    Hidden,
}

/// The units of a text in order.
pub(crate) fn units(text: &str) -> Vec<Unit> {
    let mut units = Vec::new();
    let mut word = String::new();
    let end = |word: &mut String, units: &mut Vec<Unit>| {
        if word.chars().nth(1).is_some() {
            units.push(Unit::Word(std::mem::take(word)));
        }
        word.clear();
    };
    for c in text.chars().flat_map(char::to_lowercase) {
        if is_unspaced(c) {
            end(&mut word, &mut units);
            units.push(Unit::Character(c));
        } else if c.is_alphanumeric() || is_mark(c) {
            word.push(c);
        } else {
            end(&mut word, &mut units);
        }
    }
    end(&mut word, &mut units);
    units
}

/// Calls `with` for every run of 1 to `words` words, and of 1 to `characters` characters: words joined by a blank,
/// characters by nothing.
pub(crate) fn each_ngram(
    units: &[Unit],
    words: usize,
    characters: usize,
    mut with: impl FnMut(&str),
) {
    let mut ngram = String::new();
    for start in 0..units.len() {
        ngram.clear();
        match &units[start] {
            Unit::Hidden => {}
            Unit::Word(_) => {
                for unit in units[start..].iter().take(words) {
                    let Unit::Word(word) = unit else { break };
                    if !ngram.is_empty() {
                        ngram.push(' ');
                    }
                    ngram.push_str(word);
                    with(&ngram);
                }
            }
            Unit::Character(_) => {
                for unit in units[start..].iter().take(characters) {
                    let Unit::Character(c) = unit else { break };
                    ngram.push(*c);
                    with(&ngram);
                }
            }
        }
    }
}

/// Scripts whose words stand without blanks between them: Thai, Lao, Tibetan, Burmese, Khmer, kana and Han.
fn is_unspaced(c: char) -> bool {
    let script = matches!(u32::from(c),
        0x0E00..=0x0EFF      // Thai, Lao
        | 0x0F00..=0x0FFF    // Tibetan
        | 0x1000..=0x109F    // Burmese
        | 0x1780..=0x17FF    // Khmer
        | 0x3005..=0x3007    // iteration mark, closing mark, zero of Han
        | 0x3040..=0x30FF    // Hiragana, Katakana
        | 0x31F0..=0x31FF    // Katakana extensions
        | 0x3400..=0x4DBF    // Han, extension A
        | 0x4E00..=0x9FFF    // Han
        | 0xF900..=0xFAFF    // Han, compatibility
        | 0xFF66..=0xFF9D    // Katakana of half width
        | 0x20000..=0x3FFFF  // Han, further extensions
    );
    script && (c.is_alphanumeric() || is_mark(c))
}

/// Combining marks, which are part of a word without being letters: accents apart from their letter, vowel signs.
fn is_mark(c: char) -> bool {
    matches!(u32::from(c),
        0x0300..=0x036F          // accents
        | 0x0591..=0x05BD        // Hebrew points
        | 0x064B..=0x065F        // Arabic vowels
        | 0x0900..=0x0903 | 0x093A..=0x094F | 0x0962..=0x0963  // Devanagari
        | 0x0980..=0x0D7F        // signs among the other scripts of India
        | 0x0E31..=0x0E3A | 0x0E47..=0x0E4E                    // Thai
        | 0x102B..=0x103E | 0x17B4..=0x17D3                    // Burmese, Khmer
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ngrams(text: &str, words: usize, characters: usize) -> Vec<String> {
        let mut all = Vec::new();
        each_ngram(&units(text), words, characters, |ngram| {
            all.push(ngram.to_owned());
        });
        all
    }

    #[test]
    fn words_are_lower_cased_and_single_letters_dropped() {
        assert_eq!(
            ngrams("I can't see A Grün-4ever!", 1, 1),
            ["can", "see", "grün", "4ever"]
        );
        assert!(ngrams(" . ! a", 2, 3).is_empty());
    }

    #[test]
    fn two_words_side_by_side_are_a_bigram() {
        assert_eq!(
            ngrams("Not good, at all", 2, 1),
            ["not", "not good", "good", "good at", "at", "at all", "all"]
        );
    }

    #[test]
    fn characters_of_scripts_without_blanks_are_units() {
        assert_eq!(
            ngrams("很好看 film", 2, 2),
            ["很", "很好", "好", "好看", "看", "film"]
        );
        assert_eq!(ngrams("ไทย。カナ", 1, 1), ["ไ", "ท", "ย", "カ", "ナ"]);
        assert_eq!(ngrams("영화 정말", 1, 1), ["영화", "정말"]);
    }

    #[test]
    fn a_decomposed_accent_does_not_cut_a_word() {
        assert_eq!(ngrams("cafe\u{301} noir", 1, 1), ["cafe\u{301}", "noir"]);
    }

    #[test]
    fn ngrams_do_not_reach_across_a_hidden_unit() {
        let mut all = Vec::new();
        let mut some = units("very very good film");
        some[1] = Unit::Hidden;
        each_ngram(&some, 2, 1, |ngram| all.push(ngram.to_owned()));
        assert_eq!(all, ["very", "good", "good film", "film"]);
    }
}
