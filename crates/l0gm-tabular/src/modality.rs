//! The modality of tables for the runner: its datasets, its default settings and its methods.

use crate::load::{LoadedTable, is_table_file};
use crate::methods::METHODS;
use crate::settings::{SplitKind, UNWRITTEN};
use crate::{EncodedTable, Error, Result, TabularSettings};
use candle_core::Device;
use l0gm_data::Catalogue;
use l0gm_data::rows::Summary;
use l0gm_gate::InferenceGate;
use l0gm_train::{
    Hyperparameter, Located, Methods, ModalityParts, OptimiserConfig, RunSpec, SpecRequest,
    TrainConfig, usual_setting_of,
};
use std::path::Path;

/// Epochs of both profiles, because a run takes only seconds.
pub(crate) const EPOCHS: usize = 18;

/// Classification of tables from the catalogue or from a user's file.
#[derive(Clone, Debug)]
pub struct TabularModality {
    catalogue: Catalogue,
}

impl TabularModality {
    /// Makes the modality; datasets come from `catalogue` or from a path.
    pub fn new(catalogue: Catalogue) -> Self {
        Self { catalogue }
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

impl ModalityParts for TabularModality {
    type Settings = TabularSettings;
    const NAME: &'static str = "tabular";
    const METHODS: &'static Methods<Self> = &METHODS;
    const UNWRITTEN: &'static [&'static str] = &UNWRITTEN;

    fn datasets(&self) -> Vec<String> {
        vec!["adult".into()]
    }

    fn base_settings(&self, _: &SpecRequest<'_>) -> l0gm_train::Result<TabularSettings> {
        Ok(Self::defaults())
    }

    fn train_config(settings: &mut TabularSettings) -> &mut TrainConfig {
        &mut settings.train
    }

    fn default_lambda(settings: &TabularSettings) -> Option<f64> {
        Some(settings.train.objective.lambda)
    }

    fn check_settings(settings: &TabularSettings) -> l0gm_train::Result<()> {
        Ok(settings.check()?)
    }

    fn locate(
        &self,
        request: &SpecRequest<'_>,
        settings: &mut TabularSettings,
    ) -> l0gm_train::Result<Located> {
        let dataset = request.dataset;
        let path = Path::new(dataset);
        if is_table_file(path) {
            if !path.is_file() {
                return Err(Error::file(path, "there is no such file").into());
            }
            if settings.data.label.is_none() {
                return Err(l0gm_train::Error::Setting(format!(
                    "data.label is not set: name the label's column of {dataset}"
                )));
            }
            // Whoever names the test rows means to test on them.
            if settings.data.test_file.is_some()
                && request.overrides.pointer("/data/split").is_none()
            {
                settings.data.split = SplitKind::Official;
            }
            return Ok(Located {
                twin: false,
                source: format!("file {dataset}"),
            });
        }
        let entry = self.catalogue.entry(dataset).map_err(Error::from)?;
        if entry.modality != Self::NAME {
            return Err(l0gm_train::Error::Setting(format!(
                "'{dataset}' is no table but of modality {}; tables: {}",
                entry.modality,
                self.datasets().join(", ")
            )));
        }
        if let Some(twin) = request.expected.missing_twin {
            return Ok(Located {
                twin,
                source: "not at hand".to_owned(),
            });
        }
        let resolved = self.catalogue.dataset(dataset).map_err(Error::from)?;
        Ok(Located {
            twin: resolved.twin,
            source: resolved.source,
        })
    }

    fn setting_of(&self, hyperparameter: Hyperparameter) -> Option<&'static str> {
        match hyperparameter {
            Hyperparameter::Dropout => Some("model.dropout"),
            other => usual_setting_of(other),
        }
    }
}
