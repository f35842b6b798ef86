//! Gradient-boosted trees, which are hard to beat on tables. The crate forust-ml grows them; nothing has to be
//! installed.

use crate::boosted_trees::{BoostedTrees, Growth, LabelledCells, TreeSettings, matrix};
use crate::cells::RowCells;
use crate::data_summary::{data_summary, found, split_note};
use crate::estimate::Extent;
use crate::robustness::TestCells;
use crate::{EncodedTable, TabularModality, TabularSettings};
use candle_core::Device;
use l0gm_train::{
    Condition, Error, Experiment, Fitted, Knob, LATENCY_BATCH, Latency, Method, MethodInfo,
    Offered, Outcome, Perturbation, Perturbed, PerturbedLogits, PredictionTable, Predictor, Result,
    Role, RunContext, RunRecord, RunSpec, Sizes, Split, latency_of, report_condition,
};
use serde_json::Value;
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
        serde_json::to_value(TreeSettings::default()).unwrap_or_default()
    }

    fn check(&self, settings: &Value) -> Result<()> {
        TreeSettings::from_value(settings).map(|_| ())
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
        let own = TreeSettings::from_value(&spec.method_settings()?)?;
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
            |_, context| JudgedTrees::fit(&table, &settings, &own, spec.seed, context),
            context,
        )
    }
}

/// Fitted trees, with the rows they are judged on.
struct JudgedTrees {
    classes: usize,
    trees: BoostedTrees,
    valid: Part,
    test: Part,
    cells: TestCells,
}

/// Rows as columns of numbers, with their labels.
struct Part {
    columns: Vec<f64>,
    labels: Vec<u32>,
}

impl JudgedTrees {
    fn fit(
        table: &EncodedTable,
        settings: &TabularSettings,
        own: &TreeSettings,
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
        let (of_train, of_valid) = (cells(&split.train)?, cells(&split.valid)?);
        let (train_labels, valid_labels) = (labels(&split.train), labels(&split.valid));
        let trees = BoostedTrees::fit(
            encoding,
            LabelledCells {
                cells: &of_train,
                labels: &train_labels,
            },
            LabelledCells {
                cells: &of_valid,
                labels: &valid_labels,
            },
            &Growth {
                settings: own,
                classes: table.classes(),
                seed,
                stage: "training",
            },
            context,
        )?;
        let valid = Part {
            columns: trees.columns.matrix(&of_valid),
            labels: valid_labels,
        };
        let test = Part {
            columns: trees.columns.matrix(&cells(&split.test)?),
            labels: labels(&split.test),
        };
        let mut outcome = Outcome::without_epochs(began.elapsed().as_secs_f64());
        let counts = trees.boosters.iter().map(|b| b.trees.len().to_string());
        outcome.notes.push(format!(
            "trees with the lowest validation loss: {}",
            counts.collect::<Vec<_>>().join(", ")
        ));
        if !context.device.is_cpu() {
            outcome.notes.push("fitted and timed on the CPU".to_owned());
        }
        let encoded = encoding.encode(&loaded.table, &split.test)?;
        Ok(Fitted {
            predictor: Self {
                classes: table.classes(),
                trees,
                valid,
                test,
                cells: TestCells::new(&loaded.table, encoding, &split, encoded)?,
            },
            outcome,
        })
    }
}

impl Predictor for JudgedTrees {
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
            logits: self.trees.logits(&matrix(&part.columns, part.labels.len())),
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
            outcomes.push(PerturbedLogits {
                at: self.cells.place(condition.kind),
                logits: self.trees.logits_of(&cells),
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
        let columns = self.trees.columns.matrix(&cells);
        let rows = matrix(&columns, rows);
        let latency = latency_of(rows.rows, || {
            self.trees.logits(&rows);
            Ok(())
        })?;
        Ok(Offered::Yes(latency))
    }

    /// A node is one fitted number, a threshold or a leaf's value. Comparisons are no multiply-adds, so the FLOPs are
    /// not counted.
    fn sizes(&self) -> Offered<Sizes> {
        let trees = self
            .trees
            .boosters
            .iter()
            .flat_map(|booster| &booster.trees);
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
