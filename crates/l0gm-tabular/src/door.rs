//! What the runner asks of the modality: names, defaults, checks, where the data are, and the list of methods.

use crate::explain::explain;
use crate::load::is_table_file;
use crate::methods::METHODS;
use crate::settings::{SplitKind, UNWRITTEN};
use crate::{Error, TabularModality, TabularSettings};
use candle_core::Device;
use l0gm_train::{
    DataLook, Explanation, Hyperparameter, Located, Methods, ModalityParts, Profile, RunSpec,
    SpecRequest, TrainConfig, usual_setting_of,
};
use std::path::Path;

impl ModalityParts for TabularModality {
    type Settings = TabularSettings;
    const NAME: &'static str = "tabular";
    const METHODS: &'static Methods<Self> = &METHODS;
    const UNWRITTEN: &'static [&'static str] = &UNWRITTEN;

    fn datasets(&self) -> Vec<String> {
        vec!["adult".into()]
    }

    fn base_settings(&self, request: &SpecRequest<'_>) -> l0gm_train::Result<TabularSettings> {
        let own = is_table_file(Path::new(request.dataset));
        Ok(match own || request.profile == Profile::General {
            true => Self::general_defaults(),
            false => Self::defaults(),
        })
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
        settings.data.take_literally(request.overrides);
        // Whoever says how many epochs there shall be means it.
        let said = |setting| request.overrides.pointer(setting).is_some();
        if said("/train/epochs") && !said("/train/least-steps") {
            settings.train.least_steps = 0;
        }
        let dataset = request.dataset;
        let path = Path::new(dataset);
        if is_table_file(path) {
            if !path.is_file() {
                return Err(Error::file(path, "there is no such file").into());
            }
            if settings.data.label.is_none() {
                return Err(l0gm_train::Error::Setting(format!(
                    "data.label is not set: name the label's column of {dataset}, for example --set tabular.data.label=NAME"
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
        let entry = self.catalogue().entry(dataset).map_err(Error::from)?;
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
        let resolved = self.catalogue().dataset(dataset).map_err(Error::from)?;
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

    fn explain(
        &self,
        spec: &RunSpec,
        dir: &Path,
        device: &Device,
        permutations: usize,
    ) -> l0gm_train::Result<Option<Explanation>> {
        Ok(Some(explain(self, spec, dir, device, permutations)?))
    }

    fn look(&self, spec: &RunSpec) -> l0gm_train::Result<Option<DataLook>> {
        let found = self.summary(spec)?;
        Ok(Some(DataLook {
            text: found.to_string(),
            reading: found.to_value(),
        }))
    }
}
