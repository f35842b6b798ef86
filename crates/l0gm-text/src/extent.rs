//! How much there is to compute: the number of texts of a run and their lengths, for the estimate of its time. A user's
//! file is looked at from its beginning, once for all runs of a plan.
use crate::modality::TextModality;
use crate::{EncoderConfig, Result, TextSettings, TextTokenizer};
use l0gm_data::rows::{ReadOptions, head};
use l0gm_train::RunSpec;
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// How much of a file is read to estimate its size.
const HEAD_BYTES: usize = 1 << 20;
/// Number of texts that are tokenised to estimate their lengths.
const SAMPLE: usize = 200;
/// IMDB's texts: labelled training and test reviews, mean characters, and mean tokens of a review that is not cut.
const IMDB: ([f64; 2], f64, f64) = ([25_000.0, 25_000.0], 1_310.0, 300.0);
/// A review cut at 256 tokens has 230 on average, because few are that long.
const IMDB_LONG: usize = 230;

/// How many texts a file holds and how long they are, estimated from its beginning.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Texts {
    /// Rows for training and validation, and, if they are published apart, test rows.
    rows: (f64, Option<f64>),
    /// Mean number of characters.
    characters: f64,
    /// Mean number of tokens of a text, cut at the settings' length.
    tokens: f64,
    /// Mean square of that number.
    squares: f64,
}

impl Texts {
    fn imdb(settings: &TextSettings) -> Self {
        let ([train, test], characters, whole) = IMDB;
        let tokens = match settings.max_tokens {
            long if long > 512 => whole,
            cut => cut.min(IMDB_LONG) as f64,
        };
        Self {
            rows: (train, Some(test)),
            characters,
            tokens,
            squares: tokens * tokens,
        }
    }
}

/// What the time of a run depends on besides its settings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Extent {
    /// Numbers of training, validation and test texts.
    pub(crate) rows: [f64; 3],
    /// Mean number of characters of a text.
    pub(crate) characters: f64,
    /// Mean number of tokens of a text, cut at the settings' length.
    pub(crate) tokens: f64,
    /// Mean square of that number.
    pub(crate) squares: f64,
    /// Layers, width and inner width of the encoder.
    pub(crate) shape: [f64; 3],
}

impl Extent {
    /// The texts of IMDB, read by an encoder of this shape.
    #[cfg(test)]
    pub(crate) fn imdb(settings: &TextSettings, shape: [f64; 3]) -> Self {
        Self::of(Texts::imdb(settings), settings, shape)
    }

    /// Divides the rows as [`split`](crate::split()) does.
    fn of(texts: Texts, settings: &TextSettings, shape: [f64; 3]) -> Self {
        let most = |asked: Option<usize>, rows: f64| asked.map_or(rows, |n| rows.min(n as f64));
        let (all, test) = texts.rows;
        let (rest, test) = match test {
            Some(test) => (all, test),
            None => {
                let test = all * settings.test_fraction;
                (all - test, test)
            }
        };
        let share = most(settings.train_rows, 0.1 * rest);
        let valid = settings.valid_rows.map_or(share, |n| rest.min(n as f64));
        Self {
            rows: [
                most(settings.train_rows, rest - valid),
                valid,
                most(settings.test_rows, test),
            ],
            characters: texts.characters,
            tokens: texts.tokens,
            squares: texts.squares,
            shape,
        }
    }
}

/// What was found by looking: the texts, and the encoder's shape.
type Found = (Texts, [f64; 3]);

/// What was looked at for the runs of a plan, by dataset and settings.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    found: Arc<Mutex<HashMap<String, Found>>>,
}

impl Seen {
    fn get_or_look(&self, key: String, look: impl FnOnce() -> Found) -> Found {
        let mut known = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        *known.entry(key).or_insert_with(look)
    }
}

impl TextModality {
    /// How much there is to compute for a run. A file that cannot be read is taken for IMDB; the run says what is wrong
    /// with it.
    pub(crate) fn extent(&self, spec: &RunSpec, settings: &TextSettings) -> Extent {
        let key = format!(
            "{} {} {} {} {:?} {:?} {:?} {:?}",
            spec.dataset,
            settings.encoder,
            settings.text_column,
            settings.max_tokens,
            settings.separator,
            settings.header,
            settings.scratch,
            settings.test_file
        );
        let (texts, shape) = self.seen().get_or_look(key, || {
            let folder = match settings.is_scratch() {
                true => None,
                false => self.weights_folder(&settings.encoder),
            };
            let path = Path::new(&spec.dataset);
            let own = || texts_of(path, settings, folder.as_deref()).ok();
            let texts = path.is_file().then(own).flatten();
            (
                texts.unwrap_or_else(|| Texts::imdb(settings)),
                shape(settings, folder.as_deref()),
            )
        });
        Extent::of(texts, settings, shape)
    }
}

/// Layers, width and inner width. MiniLM's are assumed for an encoder that is not at hand.
fn shape(settings: &TextSettings, folder: Option<&Path>) -> [f64; 3] {
    if settings.is_scratch() {
        let s = &settings.scratch;
        return [s.layers as f64, s.width as f64, s.feed_forward as f64];
    }
    let config = folder.and_then(|dir| EncoderConfig::from_file(&dir.join("config.json")).ok());
    config.map_or([6.0, 384.0, 1536.0], |config| {
        let shape = config.shape();
        // The estimate counts two matrices in a feed-forward network, so a third one counts as more width.
        let inner = shape.inner as f64 * shape.inner_products / 2.0;
        [shape.layers as f64, shape.width as f64, inner]
    })
}

/// Counts a file's texts and measures some of them.
fn texts_of(path: &Path, settings: &TextSettings, folder: Option<&Path>) -> Result<Texts> {
    let options = ReadOptions {
        only: Some(vec![settings.text_column.clone()]),
        ..settings.file().rows
    };
    let found = head(path, &options, HEAD_BYTES)?;
    let cells = &found.table.column(&settings.text_column)?.cells;
    let step = cells.len().div_ceil(SAMPLE).max(1);
    let sample = (0..cells.len()).step_by(step);
    let sample: Vec<String> = sample.map(|row| cells.raw(row).to_owned()).collect();
    let characters: Vec<f64> = sample
        .iter()
        .map(|text| text.chars().count() as f64)
        .collect();
    let tokens: Vec<f64> = match folder {
        Some(folder) => {
            let rows = TextTokenizer::from_folder(folder)?.encode(&sample, settings.max_tokens)?;
            (0..rows.rows())
                .map(|row| rows.get(row).len() as f64)
                .collect()
        }
        // A small vocabulary of the texts' own has about a token for every third character.
        None => {
            let most = settings.max_tokens as f64;
            characters
                .iter()
                .map(|n| (n / 3.0 + 2.0).min(most))
                .collect()
        }
    };
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
    let squares: Vec<f64> = tokens.iter().map(|n| n * n).collect();
    let test = match &settings.test_file {
        Some(file) => Some(head(file, &options, HEAD_BYTES)?.rows()),
        None => None,
    };
    Ok(Texts {
        rows: (found.rows(), test),
        characters: mean(&characters),
        tokens: mean(&tokens),
        squares: mean(&squares),
    })
}
