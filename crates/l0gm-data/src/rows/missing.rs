//! Which cells are missing.

/// Cells that mean "missing" beside the empty one, unless [`super::ReadOptions::missing`] says otherwise.
pub const MISSING_WORDS: [&str; 9] = [
    "NA", "N/A", "NaN", "nan", "null", "NULL", "None", "\\N", "?",
];

/// The words, ready to be asked about every cell: nearly all are told apart by their first byte.
pub(super) struct Missing<'a> {
    words: Vec<&'a str>,
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
        Self {
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
    }
}
