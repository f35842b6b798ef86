//! Decides which cells are missing.

use super::number::{Decimal, canonical, is_code};

/// Words that mean "missing" besides the empty cell, unless [`super::ReadOptions::missing`] states others.
pub const MISSING_WORDS: [&str; 9] = [
    "NA", "N/A", "NaN", "nan", "null", "NULL", "None", "\\N", "?",
];

/// The words, prepared for checking every cell: the first byte excludes nearly all cells.
pub(super) struct Missing<'a> {
    words: Vec<&'a str>,
    /// The words that are numbers, in their one spelling: `-999` is `-999.0` in another file.
    numbers: Vec<String>,
    longest: usize,
    first: [bool; 256],
}

impl<'a> Missing<'a> {
    pub(super) fn new(words: &'a [String]) -> Self {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let mut first = [false; 256];
        for word in &words {
            if let Some(&byte) = word.as_bytes().first() {
                first[byte as usize] = true;
            }
        }
        let plain = words.iter().filter(|word| !is_code(word));
        let numbers = plain.filter_map(|word| canonical(word, Decimal::Point));
        Self {
            numbers: numbers.map(|number| number.into_owned()).collect(),
            longest: words.iter().map(|word| word.len()).max().unwrap_or(0),
            words,
            first,
        }
    }

    /// Whether a trimmed cell is missing.
    pub(super) fn is(&self, cell: &str) -> bool {
        let Some(&byte) = cell.as_bytes().first() else {
            return true;
        };
        self.first[byte as usize] && cell.len() <= self.longest && self.words.contains(&cell)
            || !self.numbers.is_empty() && self.is_number(cell)
    }

    /// Whether a cell is one of the words that are numbers. A code (`007`) is none.
    fn is_number(&self, cell: &str) -> bool {
        let number = canonical(cell, Decimal::Point).or_else(|| canonical(cell, Decimal::Comma));
        number
            .is_some_and(|number| !is_code(cell) && self.numbers.iter().any(|word| *word == number))
    }
}
