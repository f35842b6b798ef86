//! The modality of tables: its default settings, and how a dataset becomes encoded rows.

use crate::load::LoadedTable;
use crate::teacher::KeptTeachers;
use crate::{EncodedTable, Error, Result, Start, TabularSettings, TeacherKind};
use candle_core::Device;
use l0gm_data::Catalogue;
use l0gm_data::rows::Summary;
use l0gm_gate::InferenceGate;
use l0gm_train::{LambdaUnit, OptimiserConfig, Recipe, RunSpec, TrainConfig};

/// Epochs of both profiles, because a run takes only seconds.
pub(crate) const EPOCHS: usize = 18;

/// Epochs of the general recipe. Six tenths of them are the settled phase, in which the weights adapt to the gates.
const GENERAL_EPOCHS: usize = 40;

/// Least number of steps under the general recipe, for which up to twice as many epochs are made (docs/decisions.md has
/// the measurements).
const GENERAL_STEPS: usize = 4_000;

/// k of `encoding.shrink` under the general recipe (docs/decisions.md has the measurements).
const GENERAL_SHRINK: f64 = 10.0;
/// Epochs over which the weights are averaged under the general recipe.
const GENERAL_AVERAGE: f64 = 3.0;

/// Classification of tables from the catalogue or from a user's file.
#[derive(Clone, Debug)]
pub struct TabularModality {
    catalogue: Catalogue,
    teachers: KeptTeachers,
}

impl TabularModality {
    /// Makes the modality; datasets come from `catalogue` or from a path.
    pub fn new(catalogue: Catalogue) -> Self {
        Self {
            catalogue,
            teachers: KeptTeachers::default(),
        }
    }

    /// Teachers that the runs of this process share.
    pub(crate) fn teachers(&self) -> &KeptTeachers {
        &self.teachers
    }

    /// Where datasets come from.
    pub(crate) fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// The documented default settings, which are the same for every profile.
    pub fn defaults() -> TabularSettings {
        let mut settings = TabularSettings::default();
        settings.gate.inference = InferenceGate::Threshold; // the paper's Algorithm 1, line 10
        // The threshold closes a gate that is open 83% of the time in training. With gates that start 96% open and a
        // travel of 40, four fifths stay open at lambda 1e-4 and a twentieth at 1e-2 (Adult).
        settings.gate.initial_open = 0.96;
        settings.train = TrainConfig {
            epochs: EPOCHS,
            batch_size: 512,
            optimiser: OptimiserConfig {
                gate_travel: 40.0,
                ..OptimiserConfig::default()
            },
            ..TrainConfig::default()
        };
        settings
    }

    /// The default settings for data that nobody tuned them to ([`Profile::General`](l0gm_train::Profile::General) and every file of the user's own):
    /// all branches stand behind the gate, and the gates settle early enough for the weights to learn again.
    pub fn general_defaults() -> TabularSettings {
        let mut settings = Self::defaults();
        settings.gate.inference = InferenceGate::Median;
        settings.model.bypass = false;
        settings.encoding.shrink = GENERAL_SHRINK;
        settings.model.start = Start::ManyValues;
        settings.train.recipe = Recipe::Settled;
        settings.train.controller.reach = 0.25;
        settings.train.controller.settle = 0.4;
        settings.train.epochs = GENERAL_EPOCHS;
        settings.train.least_steps = GENERAL_STEPS;
        settings.distillation.teacher = TeacherKind::Trees;
        settings.train.average_epochs = GENERAL_AVERAGE;
        settings.train.lambda_unit = LambdaUnit::Force;
        settings
    }

    /// Describes a spec's data before training: rows, columns and their kinds, classes with their counts, missing
    /// cells, and the split.
    ///
    /// # Errors
    /// Fails if the data or the settings are wrong.
    pub fn summary(&self, spec: &RunSpec) -> Result<Summary> {
        let mut settings = spec.settings.clone();
        if let Some(table) = settings.as_object_mut() {
            table.remove(RunSpec::METHOD_SETTINGS);
        }
        let settings: TabularSettings = serde_json::from_value(settings).map_err(|error| {
            Error::Setting(format!("the run's settings are not a table's: {error}"))
        })?;
        let loaded = LoadedTable::load(&self.catalogue, &spec.dataset, &settings.data)?;
        let split = loaded.split(&settings, spec.seed)?;
        Ok(loaded.summary_with(&split))
    }

    /// Loads, splits and encodes a dataset.
    ///
    /// # Errors
    /// Fails if the data or the settings are wrong.
    pub fn prepare(
        &self,
        dataset: &str,
        settings: &TabularSettings,
        seed: u64,
        device: &Device,
    ) -> Result<EncodedTable> {
        EncodedTable::prepare(&self.catalogue, dataset, settings, seed, device)
    }
}
