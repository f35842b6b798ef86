//! Gradient-boosted trees for two or more classes, grown by the crate forust-ml.
//!
//! Two classes have one booster, more have one each (one against the rest, normalised). How many trees a booster keeps
//! is decided by its loss on the validation rows.

use crate::cells::RowCells;
use crate::encoding::Encoding;
use crate::tree_columns::TreeColumns;
use forust_ml::metric::Metric;
use forust_ml::sampler::SampleMethod;
use forust_ml::{GradientBooster, Matrix};
use l0gm_train::{Error, ProgressEvent, Result, RunContext};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::ops::Range;

/// How the trees are grown. Defaults were chosen by validation loss on Adult, bank and telescope.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct TreeSettings {
    /// Most trees of a booster.
    pub(crate) trees: usize,
    /// Growing ends after this many trees in a row that did not lower the validation loss.
    pub(crate) patience: usize,
    /// Share of its step that each tree takes.
    pub(crate) learning_rate: f32,
    /// Most splits from a tree's root to a leaf.
    pub(crate) depth: usize,
    /// Smallest sum of the rows' second derivatives in a leaf, at most a quarter for each row.
    pub(crate) min_leaf_weight: f32,
    /// L2 penalty on the values of leaves.
    pub(crate) l2: f32,
    /// Share of the training rows that each tree is grown on.
    pub(crate) rows: f32,
    /// Share of the columns that each tree may split on, rounded up.
    pub(crate) columns: f64,
    /// Category fields with at most this many values have one column a value; others have shares of the classes.
    pub(crate) one_hot: usize,
}

impl Default for TreeSettings {
    fn default() -> Self {
        Self {
            trees: 3000,
            patience: 50,
            learning_rate: 0.05,
            depth: 6,
            min_leaf_weight: 1.0,
            l2: 1.0,
            rows: 0.8,
            columns: 0.8,
            one_hot: 16,
        }
    }
}

impl TreeSettings {
    pub(crate) fn from_value(value: &Value) -> Result<Self> {
        let settings: Self = serde_json::from_value(value.clone())
            .map_err(|e| Error::Setting(format!("settings of boosted trees: {e}")))?;
        settings.check()?;
        Ok(settings)
    }

    fn check(&self) -> Result<()> {
        let ranges = [
            ("trees", self.trees as f64, 1.0..=100_000.0),
            ("patience", self.patience as f64, 1.0..=100_000.0),
            ("learning-rate", f64::from(self.learning_rate), 1e-4..=1.0),
            ("depth", self.depth as f64, 1.0..=20.0),
            (
                "min-leaf-weight",
                f64::from(self.min_leaf_weight),
                0.0..=1e6,
            ),
            ("l2", f64::from(self.l2), 0.0..=1e6),
            ("rows", f64::from(self.rows), 0.01..=1.0),
            ("columns", self.columns, 0.01..=1.0),
            ("one-hot", self.one_hot as f64, 0.0..=1e4),
        ];
        for (name, value, range) in ranges {
            if !range.contains(&value) {
                return Err(Error::Setting(format!(
                    "forust.{name} is {value}; expected a number from {} to {}",
                    range.start(),
                    range.end()
                )));
            }
        }
        Ok(())
    }

    /// How categories and missing cells are read, for the notes of a record.
    pub(crate) fn note(&self) -> String {
        format!(
            "categories are one column a value up to {} values, else shares of the classes out of fold; missing numbers \
             stay missing where training has some",
            self.one_hot
        )
    }

    fn booster(&self, columns: usize, seed: u64) -> GradientBooster {
        // The crate rounds down, and could leave a tree without a column.
        let of_columns = (columns as f64 * self.columns).ceil().max(1.0);
        let sampling = if self.rows < 1.0 {
            SampleMethod::Random
        } else {
            SampleMethod::None
        };
        GradientBooster::default()
            .set_iterations(self.trees)
            .set_early_stopping_rounds(Some(self.patience))
            .set_evaluation_metric(Some(Metric::LogLoss))
            .set_learning_rate(self.learning_rate)
            .set_max_depth(self.depth)
            .set_min_leaf_weight(self.min_leaf_weight)
            .set_l2(self.l2)
            .set_sample_method(sampling)
            .set_subsample(self.rows)
            .set_colsample_bytree(of_columns / columns.max(1) as f64)
            .set_seed(seed)
    }
}

/// How boosters are grown.
#[derive(Clone, Copy)]
pub(crate) struct Growth<'a> {
    pub(crate) settings: &'a TreeSettings,
    /// Number of classes.
    pub(crate) classes: usize,
    /// Seed of the rows and columns that each tree sees.
    pub(crate) seed: u64,
    /// What the progress display calls this work.
    pub(crate) stage: &'static str,
}

/// Rows of a table with their classes.
#[derive(Clone, Copy)]
pub(crate) struct LabelledCells<'a> {
    pub(crate) cells: &'a [RowCells],
    pub(crate) labels: &'a [u32],
}

/// Rows as columns of numbers, with their labels.
struct Part<'a> {
    columns: Vec<f64>,
    labels: &'a [u32],
}

impl Part<'_> {
    fn matrix(&self) -> Matrix<'_, f64> {
        matrix(&self.columns, self.labels.len())
    }

    /// 1 for each row of the class, 0 for others.
    fn targets(&self, class: u32) -> Vec<f64> {
        let targets = self.labels.iter().map(|&label| u8::from(label == class));
        targets.map(f64::from).collect()
    }
}

/// `columns` of `rows` values each, one after the other.
pub(crate) fn matrix(columns: &[f64], rows: usize) -> Matrix<'_, f64> {
    Matrix::new(columns, rows, columns.len() / rows.max(1))
}

/// Fitted boosters.
pub(crate) struct BoostedTrees {
    pub(crate) columns: TreeColumns,
    /// Two classes have one, for the second; more have one each.
    pub(crate) boosters: Vec<GradientBooster>,
}

impl BoostedTrees {
    /// Grows trees on the training rows until the loss on the validation rows no longer falls.
    ///
    /// # Errors
    /// The crate refuses the rows, or a stop was requested.
    pub(crate) fn fit(
        encoding: &Encoding,
        train: LabelledCells<'_>,
        valid: LabelledCells<'_>,
        growth: &Growth<'_>,
        context: &mut RunContext<'_>,
    ) -> Result<Self> {
        let Growth {
            settings: own,
            classes,
            seed,
            stage,
        } = *growth;
        let targets = targets(classes);
        let (columns, training) = TreeColumns::fit(
            encoding,
            train.cells,
            train.labels,
            targets.clone(),
            own.one_hot,
        );
        let train = Part {
            columns: training,
            labels: train.labels,
        };
        let valid = Part {
            columns: columns.matrix(valid.cells),
            labels: valid.labels,
        };
        let steps = targets.len();
        let mut boosters = Vec::with_capacity(steps);
        for (step, class) in targets.enumerate() {
            context.progress.event(&ProgressEvent {
                stage,
                step,
                steps,
                loss: None,
                metric: None,
                active_fraction: None,
            });
            if context.stop.is_set() {
                return Err(Error::Stopped);
            }
            boosters.push(boost(&train, &valid, class, own, seed)?);
        }
        Ok(Self { columns, boosters })
    }

    /// Logits of rows x classes, for rows that [`TreeColumns::matrix`] has made columns of.
    pub(crate) fn logits(&self, matrix: &Matrix<'_, f64>) -> Vec<f32> {
        let odds: Vec<Vec<f64>> = self
            .boosters
            .iter()
            .map(|booster| booster.predict(matrix, true))
            .collect();
        let rows = 0..matrix.rows;
        match &odds[..] {
            [odds] => rows.flat_map(|row| [0.0, odds[row] as f32]).collect(),
            // The logarithm of each class's own probability; a softmax over them normalises the probabilities.
            _ => rows
                .flat_map(|row| odds.iter().map(move |odds| log_sigmoid(odds[row]) as f32))
                .collect(),
        }
    }

    /// Logits of these rows, (rows, classes).
    pub(crate) fn logits_of(&self, cells: &[RowCells]) -> Vec<f32> {
        self.logits(&matrix(&self.columns.matrix(cells), cells.len()))
    }
}

/// The classes that have a booster of their own.
fn targets(classes: usize) -> Range<u32> {
    if classes == 2 {
        1..2
    } else {
        0..classes as u32
    }
}

/// Boosts one class against the rest.
fn boost(
    train: &Part<'_>,
    valid: &Part<'_>,
    class: u32,
    own: &TreeSettings,
    seed: u64,
) -> Result<GradientBooster> {
    let (targets, judged) = (train.targets(class), valid.targets(class));
    let rows = train.matrix();
    let mut booster = own.booster(rows.cols, seed);
    let positive: f64 = targets.iter().sum();
    let negative = targets.len() as f64 - positive;
    if positive == 0.0 || negative == 0.0 {
        // With one class in training there is nothing to split on; half a row is added to each side.
        booster.base_score = ((positive + 0.5) / (negative + 0.5)).ln();
        return Ok(booster);
    }
    let weights = vec![1.0; judged.len()];
    let evaluation = vec![(valid.matrix(), &judged[..], &weights[..])];
    booster
        .fit(&rows, &targets, &vec![1.0; targets.len()], Some(evaluation))
        .map_err(Error::modality)?;
    if let Some(kept) = booster.prediction_iteration {
        booster.trees.truncate(kept);
    }
    Ok(booster)
}

fn log_sigmoid(x: f64) -> f64 {
    x.min(0.0) - (-x.abs()).exp().ln_1p()
}
