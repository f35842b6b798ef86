//! A corpus like film reviews in the hub's Parquet layout. Most opinions agree with the label. Some are expressed by
//! negation ("not good", "never boring") or contrast ("the story is good, but the acting is awful", where the second
//! half counts), so a bag of words is fairly accurate and a model that uses word order is better. Lengths vary as in
//! real reviews, both classes share topics, and a few labels are wrong.

use super::review_words::{
    ACTIONS, ASPECTS, BAD, DEGREES, FILLERS, GOOD, PLACES, SYLLABLES, TOPICS,
};
use crate::folders::write_atomically;
use crate::rng::Rng;
use crate::{Error, Result};
use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use std::path::Path;
use std::sync::Arc;

/// Size and seed of a review twin.
#[derive(Clone, Debug)]
pub struct Reviews {
    /// Number of reviews in the training file; half have each label.
    pub train_rows: usize,
    /// Number of reviews in the test file.
    pub test_rows: usize,
    /// Seed; equal seeds give equal texts.
    pub seed: u64,
}

/// Share of reviews with a wrong label.
const NOISE: f64 = 0.03;

/// Share of opinions that agree with the review's true label.
const AGREEMENT: f64 = 0.89;

impl Reviews {
    /// Writes plain_text/{train,test}-00000-of-00001.parquet with the columns text and label. As in the original, 0
    /// is negative and comes first.
    ///
    /// # Errors
    /// Fails if a file cannot be written.
    pub fn write(&self, dir: &Path) -> Result<()> {
        for (stream, split, rows) in [(1, "train", self.train_rows), (2, "test", self.test_rows)] {
            let mut rng = Rng::new(self.seed, stream);
            let path = dir.join(format!("plain_text/{split}-00000-of-00001.parquet"));
            let negative = rows / 2;
            let labels: Vec<i64> = (0..rows).map(|i| i64::from(i >= negative)).collect();
            let texts: Vec<String> = labels.iter().map(|&l| review(&mut rng, l == 1)).collect();
            let bytes = parquet_bytes(texts, labels)
                .map_err(|e| Error::file(&path, format!("cannot encode: {e}")))?;
            write_atomically(&path, &bytes)?;
        }
        Ok(())
    }
}

fn parquet_bytes(texts: Vec<String>, labels: Vec<i64>) -> parquet::errors::Result<Vec<u8>> {
    let text: ArrayRef = Arc::new(StringArray::from(texts));
    let label: ArrayRef = Arc::new(Int64Array::from(labels));
    let batch = RecordBatch::try_from_iter([("text", text), ("label", label)])?;
    let mut bytes = Vec::new();
    let packed = WriterProperties::builder().set_compression(Compression::SNAPPY);
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(packed.build()))?;
    writer.write(&batch)?;
    writer.close()?;
    Ok(bytes)
}

/// One review with the given label.
fn review(rng: &mut Rng, label: bool) -> String {
    let meant = label != rng.chance(NOISE);
    let topic = rng.pick(&TOPICS);
    // Log-normal lengths like those of IMDB, with a median of about 175 words and a mean of about 220.
    let words = (165.0 * (0.65 * rng.normal()).exp()).clamp(18.0, 1_000.0) as usize;
    let hero = name(rng);
    let mut text = String::with_capacity(words * 7);
    let mut length = 0;
    let mut opinions = 0;
    while length < words {
        // At least one sentence, and about a third of all, is an opinion.
        let opinionated = rng.chance(0.36) || (opinions == 0 && length + 25 > words);
        let sentence = if opinionated {
            opinions += 1;
            let good = meant == rng.chance(AGREEMENT);
            opinion(rng, good)
        } else if rng.chance(0.3) {
            (*rng.pick(&FILLERS)).to_owned()
        } else {
            plot(rng, topic, &hero)
        };
        length += sentence.split(' ').count();
        push_sentence(rng, &mut text, &sentence);
    }
    if rng.chance(0.4) {
        let sincere = rng.chance(0.9);
        let verdict = verdict(rng, meant == sincere);
        push_sentence(rng, &mut text, &verdict);
    }
    text
}

/// Appends a sentence with a capital letter and a full stop; paragraphs are separated as in the original's HTML.
fn push_sentence(rng: &mut Rng, text: &mut String, sentence: &str) {
    if !text.is_empty() {
        text.push_str(if rng.chance(0.08) {
            "<br /><br />"
        } else {
            " "
        });
    }
    let mut letters = sentence.chars();
    text.extend(letters.next().map(|c| c.to_ascii_uppercase()));
    text.push_str(letters.as_str());
    let end: &&str = rng.pick(&[".", ".", ".", ".", "!", "..."]);
    text.push_str(end);
}

/// A sentence for (`good`) or against some aspect of the film.
fn opinion(rng: &mut Rng, good: bool) -> String {
    let aspect = *rng.pick(&ASPECTS);
    match rng.weighted([0.72, 0.14, 0.14].into_iter()) {
        0 => format!("the {aspect} is {}", praise(rng, good)),
        1 => negated(rng, aspect, good),
        _ => {
            // The half after "but" is the opinion; the half before it concedes the opposite.
            let other = *rng.pick(&ASPECTS);
            let conceded = praise(rng, !good);
            let meant = praise(rng, good);
            match rng.below(3) {
                0 => format!("the {other} is {conceded}, but the {aspect} is {meant}"),
                1 => format!("although the {other} may be {conceded}, in the end it is {meant}"),
                _ => format!("some will call it {conceded}, yet I found the {aspect} {meant}"),
            }
        }
    }
}

/// Expresses the opinion `good` with a negated word of the opposite opinion.
fn negated(rng: &mut Rng, aspect: &str, good: bool) -> String {
    let opposite = word(rng, !good);
    match rng.below(5) {
        0 => format!("the {aspect} is not {opposite}"),
        1 => format!("the {aspect} is never {opposite}"),
        2 => format!("there is nothing {opposite} about the {aspect}"),
        3 => format!("I would hardly call the {aspect} {opposite}"),
        _ => format!("the {aspect} is anything but {opposite}"),
    }
}

fn praise(rng: &mut Rng, good: bool) -> String {
    let word = word(rng, good);
    if rng.chance(0.4) {
        format!("{} {word}", rng.pick(&DEGREES))
    } else {
        word.to_owned()
    }
}

fn word(rng: &mut Rng, good: bool) -> &'static str {
    let words: &[&'static str] = if good { &GOOD } else { &BAD };
    words[rng.below(words.len())]
}

/// The last sentence of some reviews.
fn verdict(rng: &mut Rng, good: bool) -> String {
    let rating = if good {
        7 + rng.below(4)
    } else {
        1 + rng.below(4)
    };
    match (rng.below(4), good) {
        (0, true) => "I would not have missed it".to_owned(),
        (0, false) => "I would have liked to miss it".to_owned(),
        (1, true) => "do yourself a favour and see it, not once but twice".to_owned(),
        (1, false) => "do yourself a favour and do not see it, not even once".to_owned(),
        (2, true) => "not a waste of time at all".to_owned(),
        (2, false) => "a waste of time, all of it".to_owned(),
        _ => format!("{rating} out of 10"),
    }
}

/// A sentence about the plot.
fn plot(rng: &mut Rng, topic: &[&str; 12], hero: &str) -> String {
    let (one, two) = (*rng.pick(topic), *rng.pick(topic));
    let action = *rng.pick(&ACTIONS);
    let place = *rng.pick(&PLACES);
    match rng.below(5) {
        0 => format!("{hero} {action} a {one} in {place}"),
        1 => format!("the {one} {action} the {two} while {hero} waits in {place}"),
        2 => format!(
            "then there is the scene with the {one}, where {} {action} {hero}",
            name(rng)
        ),
        3 => format!("it begins in {place} with a {one} and a {two}"),
        _ => format!("{hero} plays a man who {action} every {one} between {place} and the {two}"),
    }
}

/// An invented name.
fn name(rng: &mut Rng) -> String {
    let mut name: String = (0..2 + rng.below(2))
        .map(|_| *rng.pick(&SYLLABLES))
        .collect();
    name[..1].make_ascii_uppercase();
    name
}

#[cfg(test)]
mod tests;
