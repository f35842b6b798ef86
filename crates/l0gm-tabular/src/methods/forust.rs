//! Gradient-boosted trees, which are hard to beat on tables. The crate forust-ml grows them; nothing has to be
//! installed.
//!
//! Two classes have one booster, more have one each (one against the rest, normalised). How many trees a booster
//! keeps is decided by its loss on the validation rows.

use crate::cells::RowCells;
use crate::data_summary::{data_summary, found, split_note};
use crate::estimate::Extent;
use crate::robustness::TestCells;
use crate::tree_columns::TreeColumns;
use crate::{EncodedTable, TabularModality, TabularSettings};
use candle_core::Device;
use forust_ml::metric::Metric;
use forust_ml::sampler::SampleMethod;
use forust_ml::{GradientBooster, Matrix};
use l0gm_train::{
    Condition, Error, Experiment, Fitted, Knob, LATENCY_BATCH, Latency, Method, MethodInfo,
    Offered, Outcome, Perturbation, Perturbed, PerturbedLogits, PredictionTable, Predictor,
    ProgressEvent, Result, Role, RunContext, RunRecord, RunSpec, Sizes, Split, latency_of,
    report_condition,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::ops::Range;
use std::time::{Duration, Instant};

pub(super) struct Forust;

impl Method<TabularModality> for Forust {
    fn info(&self) -> MethodInfo {
        MethodInfo {
            name: "forust".into(),
            label: "boosted trees".into(),
            summary: "gradient-boosted trees; XGBoost's algorithm in Rust (crate forust-ml)".into(),
            source: "XGBoost: arXiv:1603.02754; crate forust-ml 0.8".into(),
            role: Role::Baseline,
            gated: false,
            knob: Knob::None,
            rival_of: None,
            needs: None,
        }
    }

    fn settings(&self) -> Value {
        serde_json::to_value(ForustSettings::default()).unwrap_or_default()
    }

    fn check(&self, settings: &Value) -> Result<()> {
        ForustSettings::from_value(settings).map(|_| ())
    }

    fn estimate(&self, _: &TabularModality, spec: &RunSpec) -> Result<Duration> {
        let settings: TabularSettings = spec.modality_settings()?;
        Ok(Extent::of(&spec.dataset, &settings).trees())
    }

    fn run(
        &self,
        modality: &TabularModality,
        spec: &RunSpec,
        context: &mut RunContext<'_>,
    ) -> Result<RunRecord> {
        let settings: TabularSettings = spec.modality_settings()?;
        let own = ForustSettings::from_value(&spec.method_settings()?)?;
        let table = modality.prepare(&spec.dataset, &settings, spec.seed, &Device::Cpu)?;
        spec.check_twin(table.loaded.twin)?;
        context.progress.found(&found(&table).to_string());
        let notes = vec![own.note(), split_note(&settings)];
        let experiment = Experiment {
            spec,
            method: self.info(),
            data: data_summary(&table, Vec::new(), notes),
            origins: Some(table.origins.clone()),
            robustness: settings.train.robustness,
        };
        experiment.run(
            |_, context| BoostedTrees::fit(&table, &settings, &own, spec.seed, context),
            context,
        )
    }
}

/// How the trees are grown. Defaults were chosen by validation loss on Adult, bank and telescope.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct ForustSettings {
    /// Most trees of a booster.
    trees: usize,
    /// Growing ends after this many trees in a row that did not lower the validation loss.
    patience: usize,
    /// Share of its step that each tree takes.
    learning_rate: f32,
    /// Most splits from a tree's root to a leaf.
    depth: usize,
    /// Smallest sum of the rows' second derivatives in a leaf, at most a quarter for each row.
    min_leaf_weight: f32,
    /// L2 penalty on the values of leaves.
    l2: f32,
    /// Share of the training rows that each tree is grown on.
    rows: f32,
    /// Share of the columns that each tree may split on, rounded up.
    columns: f64,
    /// Category fields with at most this many values have one column a value; others have shares of the classes.
    one_hot: usize,
}

impl Default for ForustSettings {
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

impl ForustSettings {
    fn from_value(value: &Value) -> Result<Self> {
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
    fn note(&self) -> String {
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

/// Rows as columns of numbers, with their labels.
struct Part {
    columns: Vec<f64>,
    labels: Vec<u32>,
}

impl Part {
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
fn matrix(columns: &[f64], rows: usize) -> Matrix<'_, f64> {
    Matrix::new(columns, rows, columns.len() / rows.max(1))
}

/// Fitted boosters, with the rows they are judged on.
struct BoostedTrees {
    classes: usize,
    columns: TreeColumns,
    /// Two classes have one, for the second; more have one each.
    boosters: Vec<GradientBooster>,
    valid: Part,
    test: Part,
    cells: TestCells,
}

impl BoostedTrees {
    fn fit(
        table: &EncodedTable,
        settings: &TabularSettings,
        own: &ForustSettings,
        seed: u64,
        context: &mut RunContext<'_>,
    ) -> Result<Fitted<Self>> {
        let began = Instant::now();
        let EncodedTable {
            loaded, encoding, ..
        } = table;
        let split = loaded.split(settings, seed)?;
        let labels = |rows: &[u32]| -> Vec<u32> {
            rows.iter().map(|&r| loaded.labels[r as usize]).collect()
        };
        let cells = |rows: &[u32]| RowCells::of(&loaded.table, encoding, rows);
        let targets = targets(table.classes());
        let train_labels = labels(&split.train);
        let (columns, training) = TreeColumns::fit(
            encoding,
            &cells(&split.train)?,
            &train_labels,
            targets.clone(),
            own.one_hot,
        );
        let train = Part {
            columns: training,
            labels: train_labels,
        };
        let part = |rows: &[u32]| -> Result<Part> {
            Ok(Part {
                columns: columns.matrix(&cells(rows)?),
                labels: labels(rows),
            })
        };
        let (valid, test) = (part(&split.valid)?, part(&split.test)?);
        let steps = targets.len();
        let mut boosters = Vec::with_capacity(steps);
        for (step, class) in targets.enumerate() {
            context.progress.event(&ProgressEvent {
                stage: "training",
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
        let mut outcome = Outcome::without_epochs(began.elapsed().as_secs_f64());
        let trees = boosters.iter().map(|b| b.trees.len().to_string());
        outcome.notes.push(format!(
            "trees with the lowest validation loss: {}",
            trees.collect::<Vec<_>>().join(", ")
        ));
        if !context.device.is_cpu() {
            outcome.notes.push("fitted and timed on the CPU".to_owned());
        }
        let encoded = encoding.encode(&loaded.table, &split.test)?;
        Ok(Fitted {
            predictor: Self {
                classes: table.classes(),
                columns,
                boosters,
                valid,
                test,
                cells: TestCells::new(&loaded.table, encoding, &split, encoded)?,
            },
            outcome,
        })
    }

    /// Logits of rows x classes.
    fn logits(&self, matrix: &Matrix<'_, f64>) -> Vec<f32> {
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
    train: &Part,
    valid: &Part,
    class: u32,
    own: &ForustSettings,
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

impl Predictor for BoostedTrees {
    fn predict(&mut self, split: Split, _: &mut RunContext<'_>) -> Result<PredictionTable> {
        let part = match split {
            Split::Valid => &self.valid,
            Split::Test => &self.test,
            Split::Train => {
                return Err(Error::Task(
                    "boosted trees keep no training rows to predict".to_owned(),
                ));
            }
        };
        Ok(PredictionTable {
            split,
            rows: (0..part.labels.len() as u32).collect(),
            labels: part.labels.clone(),
            logits: self.logits(&part.matrix()),
            classes: self.classes,
        })
    }

    fn perturbed(
        &mut self,
        conditions: &[Condition],
        seed: u64,
        context: &mut RunContext<'_>,
    ) -> Result<Offered<Perturbed>> {
        let rows: Vec<u32> = (0..self.test.labels.len() as u32).collect();
        let mut outcomes = Vec::with_capacity(conditions.len());
        for (step, &condition) in conditions.iter().enumerate() {
            report_condition(context, step, conditions.len())?;
            let perturbation = Perturbation { condition, seed };
            let cells = rows
                .iter()
                .map(|&row| self.cells.perturbed_cells(row, &perturbation))
                .collect::<Vec<_>>();
            let columns = self.columns.matrix(&cells);
            outcomes.push(PerturbedLogits {
                at: self.cells.place(condition.kind),
                logits: self.logits(&matrix(&columns, rows.len())),
            });
        }
        Ok(Offered::Yes(Perturbed { rows, outcomes }))
    }

    /// Of ready columns.
    fn latency(&mut self, _: &mut RunContext<'_>) -> Result<Offered<Latency>> {
        let rows = self.test.labels.len().min(LATENCY_BATCH);
        if rows == 0 {
            return Err(Error::Task("the test split has no row to time".to_owned()));
        }
        let cells: Vec<RowCells> = (0..rows as u32).map(|row| self.cells.cells(row)).collect();
        let columns = self.columns.matrix(&cells);
        let rows = matrix(&columns, rows);
        let latency = latency_of(rows.rows, || {
            self.logits(&rows);
            Ok(())
        })?;
        Ok(Offered::Yes(latency))
    }

    /// A node is one fitted number, a threshold or a leaf's value. Comparisons are no multiply-adds, so the FLOPs are
    /// not counted.
    fn sizes(&self) -> Offered<Sizes> {
        let trees = self.boosters.iter().flat_map(|booster| &booster.trees);
        let nodes: usize = trees.map(|tree| tree.nodes.len()).sum();
        // A threshold or value of 8 bytes, and 4 each for the column and the children's place.
        let bytes = 16 * nodes as u64;
        Offered::Yes(Sizes {
            parameters: nodes as u64,
            flops: 0,
            bytes,
        })
    }
}
