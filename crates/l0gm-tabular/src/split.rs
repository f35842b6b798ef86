//! Divides rows into training, validation and test. The benchmark split of Adult is a random 80/20, stratified by
//! class (39,073 / 9,769 rows, as in the paper's Table 2). A tenth of the training rows, also stratified, is used for
//! validation. Both splits equal those of scikit-learn's `train_test_split`.

use crate::stratified::stratified_split;
use crate::{Error, Result};

/// Row numbers of each split in ascending order. The splits are disjoint and together contain every row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SplitRows {
    /// Rows for fitting.
    pub train: Vec<u32>,
    /// Rows for selecting the epoch and the temperature.
    pub valid: Vec<u32>,
    /// Rows for the final evaluation.
    pub test: Vec<u32>,
}

/// Draws the share `test_fraction` of all rows for test and `valid_fraction` of the rest for validation. Both are
/// rounded up and stratified by class.
///
/// # Errors
/// Fails if a part would be empty.
pub fn random_split(
    labels: &[u32],
    test_fraction: f64,
    valid_fraction: f64,
    seed: u64,
) -> Result<SplitRows> {
    let all: Vec<u32> = (0..labels.len() as u32).collect();
    let (rest, test) = stratified_split(labels, &all, test_fraction, random_state(seed)?);
    hold_out(labels, &rest, test, valid_fraction, seed)
}

/// The published split: the first `train_rows` rows are for training (without the validation rows), the others for
/// test.
///
/// # Errors
/// Fails if a part would be empty.
pub fn official_split(
    labels: &[u32],
    train_rows: usize,
    valid_fraction: f64,
    seed: u64,
) -> Result<SplitRows> {
    let rest: Vec<u32> = (0..train_rows as u32).collect();
    let test: Vec<u32> = (train_rows as u32..labels.len() as u32).collect();
    hold_out(labels, &rest, test, valid_fraction, seed)
}

/// A split whose validation rows are a file's own: rows up to the first end are for training, those up to the second for
/// validation, the rest for test. Without a rest, the share `test_fraction` of the training rows is drawn for test.
///
/// # Errors
/// Fails if a part would be empty.
pub fn file_split(
    labels: &[u32],
    [train, valid]: [usize; 2],
    test_fraction: f64,
    seed: u64,
) -> Result<SplitRows> {
    let rows = |from: usize, to: usize| (from as u32..to as u32).collect::<Vec<u32>>();
    let (train_rows, test) = match valid < labels.len() {
        true => (rows(0, train), rows(valid, labels.len())),
        false => stratified_split(labels, &rows(0, train), test_fraction, random_state(seed)?),
    };
    let mut split = SplitRows {
        train: train_rows,
        valid: rows(train, valid),
        test,
    };
    split.train.sort_unstable();
    split.test.sort_unstable();
    split.whole(labels.len())
}

fn hold_out(
    labels: &[u32],
    rest: &[u32],
    test: Vec<u32>,
    valid_fraction: f64,
    seed: u64,
) -> Result<SplitRows> {
    let (train, valid) = stratified_split(labels, rest, valid_fraction, random_state(seed)?);
    let mut split = SplitRows { train, valid, test };
    split.train.sort_unstable();
    split.valid.sort_unstable();
    split.test.sort_unstable();
    split.whole(labels.len())
}

impl SplitRows {
    /// Refuses a split of `rows` rows in which a part is empty.
    fn whole(self, rows: usize) -> Result<Self> {
        for (name, part) in [
            ("train", &self.train),
            ("validation", &self.valid),
            ("test", &self.test),
        ] {
            if part.is_empty() {
                return Err(Error::Setting(format!(
                    "the {name} split would be empty: {rows} rows are too few for the fractions asked for"
                )));
            }
        }
        Ok(self)
    }

    /// Keeps `count` of the training rows, drawn by seed and stratified by class. The other parts stay as they are.
    ///
    /// # Errors
    /// The seed is too large for a split.
    pub fn with_train_rows(mut self, labels: &[u32], count: usize, seed: u64) -> Result<Self> {
        let all = self.train.len();
        if count < all {
            // Half a row less, so that rounding up gives the count and never one more.
            let fraction = (count as f64 - 0.5) / all as f64;
            (_, self.train) = stratified_split(labels, &self.train, fraction, random_state(seed)?);
            self.train.sort_unstable();
        }
        Ok(self)
    }
}

fn random_state(seed: u64) -> Result<u32> {
    u32::try_from(seed).map_err(|_| {
        Error::Setting(format!(
            "seed is {seed}; a random split takes seeds up to {}, as scikit-learn's does",
            u32::MAX
        ))
    })
}
