//! What the runner asks of the modality: names, defaults, checks, where the data are, and the list of methods.

use crate::defaults::profile_settings;
use crate::load::{resolve_split, usual_split};
use crate::methods::METHODS;
use crate::settings::UNWRITTEN;
use crate::{Error, GraphModality, GraphSettings};
use l0gm_train::{
    DataLook, Hyperparameter, Located, Methods, ModalityParts, Profile, RunSpec, SpecRequest,
    TrainConfig, usual_setting_of,
};
use std::path::Path;

/// Names in the catalogue; the default comes first.
const DATASETS: [&str; 4] = [
    "amazon-computers",
    "amazon-photo",
    "coauthor-physics",
    "ogbn-products",
];

impl ModalityParts for GraphModality {
    type Settings = GraphSettings;
    const NAME: &'static str = "graph";
    const METHODS: &'static Methods<Self> = &METHODS;
    const UNWRITTEN: &'static [&'static str] = &UNWRITTEN;

    fn datasets(&self) -> Vec<String> {
        DATASETS.map(String::from).to_vec()
    }

    fn base_settings(&self, request: &SpecRequest<'_>) -> l0gm_train::Result<GraphSettings> {
        let own = !self.catalogue().names("graph").contains(&request.dataset);
        Ok(profile_settings(match own {
            true => Profile::General,
            false => request.profile,
        }))
    }

    fn train_config(settings: &mut GraphSettings) -> &mut TrainConfig {
        &mut settings.train
    }

    fn default_lambda(settings: &GraphSettings) -> Option<f64> {
        Some(settings.train.objective.lambda)
    }

    fn check_settings(settings: &GraphSettings) -> l0gm_train::Result<()> {
        Ok(settings.check()?)
    }

    fn locate(
        &self,
        request: &SpecRequest<'_>,
        settings: &mut GraphSettings,
    ) -> l0gm_train::Result<Located> {
        let dataset = request.dataset;
        if let Some(twin) = request.expected.missing_twin {
            if settings.split.kind == "auto" {
                let entry = self.catalogue().entry(dataset).map_err(Error::from)?;
                settings.split.kind = usual_split(&entry.splits, Path::new(dataset))?;
            }
            return Ok(Located {
                twin,
                source: "not at hand".to_owned(),
            });
        }
        let resolved = self.resolve(dataset)?;
        resolve_split(&resolved.dir, settings)?;
        Ok(Located {
            twin: resolved.twin,
            source: resolved.source,
        })
    }

    fn setting_of(&self, hyperparameter: Hyperparameter) -> Option<&'static str> {
        match hyperparameter {
            Hyperparameter::Dropout => Some("gcn.dropout"),
            // Training uses the full batch.
            Hyperparameter::BatchSize => None,
            other => usual_setting_of(other),
        }
    }

    fn look(&self, spec: &RunSpec) -> l0gm_train::Result<Option<DataLook>> {
        let found = self.summary(spec)?;
        Ok(Some(DataLook {
            text: found.to_string(),
            reading: found.to_value(),
        }))
    }
}
