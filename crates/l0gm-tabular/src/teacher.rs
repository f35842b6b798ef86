//! Teachers for distillation: probabilities for the training rows from models that have not seen them.

use crate::boosted_trees::{BoostedTrees, Growth, LabelledCells, TreeSettings};
use crate::cells::RowCells;
use crate::settings::{DistillationSettings, TeacherKind};
use crate::{EncodedTable, LoadedTable, Result, TabularSettings};
use l0gm_data::rows::SplitValues;
use l0gm_ops::Generator;
use l0gm_train::{RunContext, Teacher};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Folds that the training rows are dealt into. Each fold is predicted by trees that were grown on the others.
const FOLDS: usize = 5;

/// What the progress display calls this work.
const STAGE: &str = "growing the teacher's trees";

/// Most teachers that are kept; a study has one for each dataset and seed.
const KEPT: usize = 16;

/// Teachers' probabilities that runs of the same process share, by what they depend on.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeptTeachers(Arc<Mutex<BTreeMap<String, Arc<[f32]>>>>);

impl KeptTeachers {
    /// The teacher that the settings ask for; `None` for training on the labels alone.
    ///
    /// # Errors
    /// The trees cannot be grown, or a stop was requested.
    pub(crate) fn teacher(
        &self,
        table: &EncodedTable,
        settings: &TabularSettings,
        seed: u64,
        context: &mut RunContext<'_>,
    ) -> l0gm_train::Result<Option<Teacher>> {
        let DistillationSettings { teacher, weight } = settings.distillation;
        if teacher == TeacherKind::None {
            return Ok(None);
        }
        let loaded = &table.loaded;
        let (source, files) = (&loaded.source, &loaded.checksums);
        let key = json!([source, files, settings.data, settings.encoding, seed]).to_string();
        let kept = self.lock().get(&key).cloned();
        let probabilities = match kept {
            Some(kept) => kept,
            None => {
                let made: Arc<[f32]> = trees_out_of_fold(table, settings, seed, context)?.into();
                let mut all = self.lock();
                if all.len() >= KEPT {
                    all.clear();
                }
                all.insert(key, made.clone());
                made
            }
        };
        Teacher::new(probabilities, table.classes(), weight).map(Some)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Arc<[f32]>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Probabilities of the training rows, (rows, classes), from boosted trees that were grown without them.
fn trees_out_of_fold(
    table: &EncodedTable,
    settings: &TabularSettings,
    seed: u64,
    context: &mut RunContext<'_>,
) -> l0gm_train::Result<Vec<f32>> {
    let (loaded, encoding, classes) = (&table.loaded, &table.encoding, table.classes());
    let split = loaded.split(settings, seed)?;
    let rows_of = |rows: &[u32]| -> Result<(Vec<RowCells>, Vec<u32>)> {
        let labels = rows.iter().map(|&row| loaded.labels[row as usize]);
        Ok((
            RowCells::of(&loaded.table, encoding, rows)?,
            labels.collect(),
        ))
    };
    let valid = rows_of(&split.valid)?;
    let order = Generator::new(seed)
        .stream("teacher folds", 0)
        .permutation(split.train.len());
    let fold_of = folds(loaded, &split.train, &order, seed);
    let mut probabilities = vec![0f32; split.train.len() * classes];
    for fold in 0..FOLDS {
        let of_fold = |inside: bool| -> Vec<u32> {
            let chosen = order.iter().copied();
            chosen
                .filter(|&row| (fold_of[row as usize] == fold) == inside)
                .collect()
        };
        let (held, others) = (of_fold(true), of_fold(false));
        let in_table = |rows: &[u32]| -> Vec<u32> {
            rows.iter().map(|&row| split.train[row as usize]).collect()
        };
        let (train, judged) = (rows_of(&in_table(&others))?, rows_of(&in_table(&held))?);
        let trees = BoostedTrees::fit(
            encoding,
            LabelledCells {
                cells: &train.0,
                labels: &train.1,
            },
            LabelledCells {
                cells: &valid.0,
                labels: &valid.1,
            },
            &Growth {
                settings: &TreeSettings::default(),
                classes,
                seed,
                stage: STAGE,
            },
            context,
        )?;
        let logits = trees.logits_of(&judged.0);
        for (&row, logits) in held.iter().zip(logits.chunks(classes)) {
            let to = &mut probabilities[row as usize * classes..][..classes];
            softmax_into(logits, to);
        }
    }
    Ok(probabilities)
}

/// The fold of each training row. Rows of a group share a fold, so that no tree has seen another row of the group;
/// otherwise rows are dealt in `order`.
fn folds(loaded: &LoadedTable, train: &[u32], order: &[u32], seed: u64) -> Vec<usize> {
    let mut folds = vec![0; train.len()];
    if let Some(SplitValues::Groups(groups)) = loaded.split_column.as_ref().map(|c| &c.values) {
        let mut met: Vec<u32> = train.iter().map(|&row| groups[row as usize]).collect();
        met.sort_unstable();
        met.dedup();
        if met.len() >= FOLDS {
            let mut generator = Generator::new(seed).stream("teacher groups", 0);
            generator.shuffle(&mut met);
            let of_group: BTreeMap<u32, usize> =
                met.iter().copied().zip((0..FOLDS).cycle()).collect();
            for (fold, &row) in folds.iter_mut().zip(train) {
                *fold = of_group[&groups[row as usize]];
            }
            return folds;
        }
    }
    for (at, &row) in order.iter().enumerate() {
        folds[row as usize] = at % FOLDS;
    }
    folds
}

fn softmax_into(logits: &[f32], to: &mut [f32]) {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    for (to, logit) in to.iter_mut().zip(logits) {
        *to = (logit - largest).exp();
    }
    let sum: f32 = to.iter().sum();
    to.iter_mut().for_each(|p| *p /= sum);
}
