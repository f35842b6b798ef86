//! TF-IDF: a text as the words and short runs of words in it, weighted up where few texts have them.
//!
//! For term t in a text, with n training texts of which df(t) contain it:
//!
//! ```text
//! tf-idf(t) = (1 + ln count(t)) * (1 + ln((1 + n) / (1 + df(t))))
//! ```
//!
//! and every row is divided by its length. Vocabulary and weights come from the training texts alone.

use crate::words::{Unit, each_ngram, units};
use crate::{Error, Result};
use l0gm_ops::Csr;
use l0gm_train::Perturbation;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// Texts of which one thread counts the terms before counts are added up.
const TEXTS_A_PART: usize = 512;

/// What is counted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct TfIdfSettings {
    /// Longest run of words that is a term.
    pub words: usize,
    /// Longest run of characters that is a term, in scripts without blanks between words.
    pub characters: usize,
    /// A term that fewer training texts have is left out.
    pub min_texts: usize,
    /// Most terms; those in most texts are kept.
    pub terms: usize,
}

impl Default for TfIdfSettings {
    fn default() -> Self {
        Self {
            words: 2,
            characters: 3,
            min_texts: 2,
            terms: 100_000,
        }
    }
}

impl TfIdfSettings {
    /// Checks every setting.
    ///
    /// # Errors
    /// Names the setting, its value and what is allowed.
    pub fn check(&self) -> Result<()> {
        for (name, value, most) in [
            ("words", self.words, 8),
            ("characters", self.characters, 8),
            ("min-texts", self.min_texts, usize::MAX),
            ("terms", self.terms, 100_000_000),
        ] {
            if value == 0 || value > most {
                let most = if most == usize::MAX {
                    String::new()
                } else {
                    format!(" and at most {most}")
                };
                return Err(Error::Setting(format!(
                    "tfidf.{name} is {value}; expected at least 1{most}"
                )));
            }
        }
        Ok(())
    }
}

/// A fitted vocabulary with its weights.
#[derive(Clone, Debug)]
pub struct TfIdf {
    settings: TfIdfSettings,
    columns: HashMap<String, u32>,
    /// Weight of each column.
    idf: Vec<f32>,
}

impl TfIdf {
    /// Counts the training texts' terms.
    ///
    /// # Errors
    /// A setting out of range, or no term that enough texts have.
    pub fn fit(texts: &[String], settings: &TfIdfSettings) -> Result<Self> {
        settings.check()?;
        let parts: Vec<HashMap<String, u32>> = texts
            .par_chunks(TEXTS_A_PART)
            .map(|texts| text_counts(texts, settings))
            .collect();
        let mut counts: HashMap<String, u32> = HashMap::new();
        for (term, count) in parts.into_iter().flatten() {
            *counts.entry(term).or_default() += count;
        }
        let enough = u32::try_from(settings.min_texts).unwrap_or(u32::MAX);
        let mut terms: Vec<(String, u32)> = counts
            .into_iter()
            .filter(|(_, count)| *count >= enough)
            .collect();
        if terms.is_empty() {
            return Err(Error::Setting(format!(
                "tfidf.min-texts is {}, but no word stands in so many of the {} training texts; lower it, or check \
                 that the column of texts is the right one",
                settings.min_texts,
                texts.len()
            )));
        }
        // The order decides the columns, and must not depend on a hash map's.
        terms.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        terms.truncate(settings.terms);
        let n = texts.len() as f64;
        let weight = |count: u32| (1.0 + ((1.0 + n) / (1.0 + f64::from(count))).ln()) as f32;
        Ok(Self {
            settings: settings.clone(),
            idf: terms.iter().map(|(_, count)| weight(*count)).collect(),
            columns: terms.into_iter().map(|(term, _)| term).zip(0..).collect(),
        })
    }

    /// Number of terms.
    pub fn terms(&self) -> usize {
        self.idf.len()
    }

    /// texts x terms.
    ///
    /// # Errors
    /// Where there are more entries than a sparse matrix can hold.
    pub fn rows<T: AsRef<str> + Sync>(&self, texts: &[T]) -> Result<Csr> {
        let rows = texts.par_iter().map(|text| self.row(&units(text.as_ref())));
        self.matrix(rows.collect())
    }

    /// Some of the texts with words hidden, rows x terms.
    pub(crate) fn rows_hidden(
        &self,
        texts: &[String],
        rows: &[u32],
        perturbation: &Perturbation,
    ) -> Result<Csr> {
        let of_row = |&row: &u32| {
            let mut units = units(&texts[row as usize]);
            let hidden = perturbation.hidden(u64::from(row), units.len());
            for (unit, _) in units.iter_mut().zip(hidden).filter(|(_, hidden)| *hidden) {
                *unit = Unit::Hidden;
            }
            self.row(&units)
        };
        self.matrix(rows.par_iter().map(of_row).collect())
    }

    /// What was counted.
    pub(crate) fn settings(&self) -> &TfIdfSettings {
        &self.settings
    }

    /// The terms in the order of their columns, and their weights.
    pub(crate) fn vocabulary(&self) -> (Vec<&str>, &[f32]) {
        let mut terms = vec![""; self.idf.len()];
        for (term, &column) in &self.columns {
            terms[column as usize] = term;
        }
        (terms, &self.idf)
    }

    /// A vocabulary that was counted before: its terms in the order of their columns, and their weights.
    ///
    /// # Errors
    /// A setting out of range, another number of weights than of terms, or a term that stands twice.
    pub(crate) fn from_vocabulary(
        settings: TfIdfSettings,
        terms: Vec<String>,
        idf: Vec<f32>,
    ) -> Result<Self> {
        settings.check()?;
        let columns: HashMap<String, u32> = terms.into_iter().zip(0..).collect();
        if columns.len() != idf.len() {
            return Err(Error::Setting(format!(
                "{} terms have {} weights",
                columns.len(),
                idf.len()
            )));
        }
        Ok(Self {
            settings,
            columns,
            idf,
        })
    }

    /// A text's columns, ascending, and their weights.
    fn row(&self, units: &[Unit]) -> Vec<(u32, f32)> {
        let mut found: Vec<u32> = Vec::new();
        each_ngram(units, self.settings.words, self.settings.characters, |t| {
            found.extend(self.columns.get(t));
        });
        found.sort_unstable();
        let of_run = |run: &[u32]| {
            let tf = 1.0 + (run.len() as f32).ln();
            (run[0], tf * self.idf[run[0] as usize])
        };
        let mut row: Vec<(u32, f32)> = found.chunk_by(|a, b| a == b).map(of_run).collect();
        let squares: f64 = row.iter().map(|(_, v)| f64::from(*v).powi(2)).sum();
        if squares > 0.0 {
            let scale = 1.0 / squares.sqrt();
            for (_, value) in &mut row {
                *value = (f64::from(*value) * scale) as f32;
            }
        }
        row
    }

    fn matrix(&self, rows: Vec<Vec<(u32, f32)>>) -> Result<Csr> {
        let (mut indptr, mut indices, mut values) = (vec![0], Vec::new(), Vec::new());
        for row in &rows {
            indices.extend(row.iter().map(|entry| entry.0));
            values.extend(row.iter().map(|entry| entry.1));
            indptr.push(u32::try_from(indices.len()).map_err(|_| {
                Error::Setting(
                    "the texts have more than 4,294,967,295 terms together; lower tfidf.terms or train-rows".into(),
                )
            })?);
        }
        Ok(Csr::new(rows.len(), self.terms(), indptr, indices, values)?)
    }
}

/// In how many of some texts each term stands.
fn text_counts(texts: &[String], settings: &TfIdfSettings) -> HashMap<String, u32> {
    // Each term with the last text it was met in, counted from 1.
    let mut counts: HashMap<String, (u32, usize)> = HashMap::new();
    for (number, text) in (1..).zip(texts) {
        each_ngram(
            &units(text),
            settings.words,
            settings.characters,
            |term| match counts.get_mut(term) {
                Some((_, last)) if *last == number => {}
                Some((count, last)) => (*count, *last) = (*count + 1, number),
                None => {
                    counts.insert(term.to_owned(), (1, number));
                }
            },
        );
    }
    counts
        .into_iter()
        .map(|(term, (count, _))| (term, count))
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    fn words_only() -> TfIdfSettings {
        TfIdfSettings {
            words: 1,
            min_texts: 1,
            ..TfIdfSettings::default()
        }
    }

    fn entries(csr: &Csr, row: usize) -> Vec<(u32, f32)> {
        let span = csr.indptr()[row] as usize..csr.indptr()[row + 1] as usize;
        let columns = csr.indices()[span.clone()].iter().copied();
        columns.zip(csr.values()[span].iter().copied()).collect()
    }

    #[test]
    fn a_small_corpus_has_the_weights_of_the_formula() {
        let corpus = texts(&["good film", "bad film film", "good good"]);
        let tfidf = TfIdf::fit(&corpus, &words_only()).unwrap();
        // film and good stand in two texts, bad in one; ties go by the alphabet.
        assert_eq!(tfidf.terms(), 3);
        let rows = tfidf.rows(&corpus).unwrap();
        let common = 1.0 + (4f64 / 3.0).ln();
        let rare = 1.0 + 2f64.ln();
        let film = (1.0 + 2f64.ln()) * common;
        let length = (film * film + rare * rare).sqrt();
        let row = entries(&rows, 1);
        assert_eq!((row[0].0, row[1].0), (0, 2), "columns film and bad");
        assert!(
            (f64::from(row[0].1) - film / length).abs() < 1e-6,
            "{row:?}"
        );
        assert!(
            (f64::from(row[1].1) - rare / length).abs() < 1e-6,
            "{row:?}"
        );
        assert_eq!(entries(&rows, 2), [(1, 1.0)]);
    }

    #[test]
    fn words_that_training_never_met_leave_an_empty_row() {
        let tfidf = TfIdf::fit(&texts(&["good film", "bad film"]), &words_only()).unwrap();
        let rows = tfidf.rows(&["xyzzy", "", "film"]).unwrap();
        assert!(entries(&rows, 0).is_empty() && entries(&rows, 1).is_empty());
        assert_eq!(entries(&rows, 2).len(), 1);
    }

    #[test]
    fn rare_terms_go_first_where_there_are_too_many() {
        let corpus = texts(&["aa bb", "aa bb", "aa cc"]);
        let mut settings = words_only();
        settings.terms = 2;
        let tfidf = TfIdf::fit(&corpus, &settings).unwrap();
        assert!(tfidf.columns.contains_key("aa") && tfidf.columns.contains_key("bb"));
        settings.terms = 9;
        settings.min_texts = 2;
        assert_eq!(TfIdf::fit(&corpus, &settings).unwrap().terms(), 2);
    }

    #[test]
    fn a_corpus_without_a_shared_word_is_refused_with_what_to_do() {
        let error = TfIdf::fit(&texts(&["aa", "bb"]), &TfIdfSettings::default()).unwrap_err();
        assert!(
            error.to_string().contains("tfidf.min-texts is 2"),
            "{error}"
        );
    }

    #[test]
    fn columns_do_not_depend_on_how_texts_are_shared_among_threads() {
        let corpus: Vec<String> = (0..1500)
            .map(|i| format!("word{} word{} word{}", i % 7, i % 11, i % 13))
            .collect();
        let on = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            pool.install(|| {
                let tfidf = TfIdf::fit(&corpus, &TfIdfSettings::default()).unwrap();
                tfidf.rows(&corpus[..20]).unwrap()
            })
        };
        let (one, three) = (on(1), on(3));
        assert_eq!(one.indices(), three.indices());
        assert_eq!(one.values(), three.values());
    }
}
