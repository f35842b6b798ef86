#![allow(clippy::unwrap_used)]
use super::*;
use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

fn read(path: &Path) -> (Vec<String>, Vec<i64>) {
    let file = std::fs::File::open(path).unwrap();
    let (mut texts, mut labels) = (Vec::new(), Vec::new());
    for batch in ParquetRecordBatchReaderBuilder::try_new(file)
        .unwrap()
        .build()
        .unwrap()
    {
        let batch = batch.unwrap();
        let text = batch.column_by_name("text").unwrap().as_string::<i32>();
        texts.extend(text.iter().map(|t| t.unwrap().to_owned()));
        let label = batch
            .column_by_name("label")
            .unwrap()
            .as_primitive::<Int64Type>();
        labels.extend(label.values());
    }
    (texts, labels)
}

#[test]
fn files_have_the_hubs_columns_and_balanced_labels() {
    let tmp = tempfile::tempdir().unwrap();
    Reviews {
        train_rows: 60,
        test_rows: 40,
        seed: 0,
    }
    .write(tmp.path())
    .unwrap();
    for (split, rows) in [("train", 60), ("test", 40)] {
        let path = tmp
            .path()
            .join(format!("plain_text/{split}-00000-of-00001.parquet"));
        let (texts, labels) = read(&path);
        assert_eq!(texts.len(), rows);
        assert_eq!(labels.iter().sum::<i64>() as usize, rows / 2);
        assert!(labels.is_sorted());
    }
}

#[test]
fn the_same_seed_gives_the_same_texts_and_another_seed_others() {
    let text = |seed| review(&mut Rng::new(seed, 1), true);
    assert_eq!(text(5), text(5));
    assert_ne!(text(5), text(6));
}

#[test]
fn lengths_vary_as_those_of_imdb_do() {
    let mut rng = Rng::new(0, 1);
    let mut lengths: Vec<usize> = (0..2_000)
        .map(|i| review(&mut rng, i % 2 == 0).split_whitespace().count())
        .collect();
    lengths.sort_unstable();
    let mean = lengths.iter().sum::<usize>() as f64 / 2_000.0;
    // IMDB has a mean of 230 and a median of 171 words; one review in twenty is below 63 and one above 580.
    assert!((190.0..250.0).contains(&mean), "{mean}");
    let [low, middle, high] = [100, 1_000, 1_900].map(|i| lengths[i]);
    assert!((40..90).contains(&low), "{low}");
    assert!((150..200).contains(&middle), "{middle}");
    assert!((400..700).contains(&high), "{high}");
}

/// Counts opinion words, positive or negative. With `reading`, a negation reverses the next word, and what precedes a
/// contrast is ignored.
fn guess(text: &str, reading: bool) -> i32 {
    let lower = text.to_lowercase();
    let mut score = 0;
    for sentence in lower.split(['.', '!']) {
        let start = if reading {
            [", but ", ", in the end ", ", yet "]
                .iter()
                .filter_map(|c| sentence.find(c))
                .max()
        } else {
            None
        };
        let mut turned = false;
        for word in sentence[start.unwrap_or(0)..].split(|c: char| !c.is_ascii_alphabetic()) {
            turned |= reading && ["not", "never", "nothing", "hardly", "anything"].contains(&word);
            let side = i32::from(GOOD.contains(&word)) - i32::from(BAD.contains(&word));
            score += if turned { -side } else { side };
        }
    }
    score
}

#[test]
fn counting_words_does_worse_than_reading_their_order() {
    let mut rng = Rng::new(0, 1);
    let mut right = [0.0; 2];
    for i in 0..3_000 {
        let label = i % 2 == 0;
        let text = review(&mut rng, label);
        for (right, reading) in right.iter_mut().zip([false, true]) {
            let score = guess(&text, reading);
            *right += if score == 0 {
                0.5
            } else {
                f64::from((score > 0) == label)
            } / 3_000.0;
        }
    }
    assert!(right[1] > right[0] + 0.06, "{right:?}");
    assert!((0.84..0.97).contains(&right[1]), "{right:?}");
}
