//! What the runner asks of the modality: names, defaults, checks, where the data are, and the list of methods.

use crate::methods::METHODS;
use crate::settings::UNWRITTEN;
use crate::{TextModality, TextSettings};
use l0gm_train::{
    DataLook, Hyperparameter, Located, Methods, ModalityParts, RunSpec, SpecRequest, TrainConfig,
    usual_setting_of,
};

impl ModalityParts for TextModality {
    type Settings = TextSettings;
    const NAME: &'static str = "text";
    const METHODS: &'static Methods<Self> = &METHODS;
    const UNWRITTEN: &'static [&'static str] = &UNWRITTEN;

    fn datasets(&self) -> Vec<String> {
        Self::datasets(self).into_iter().map(String::from).collect()
    }

    fn base_settings(&self, request: &SpecRequest<'_>) -> l0gm_train::Result<TextSettings> {
        let method = METHODS.find(request.method)?;
        Ok(self.base(request, method.uses_pretrained())?)
    }

    fn train_config(settings: &mut TextSettings) -> &mut TrainConfig {
        &mut settings.train
    }

    fn default_lambda(_: &TextSettings) -> Option<f64> {
        None
    }

    fn check_settings(settings: &TextSettings) -> l0gm_train::Result<()> {
        Ok(settings.check()?)
    }

    fn locate(
        &self,
        request: &SpecRequest<'_>,
        _: &mut TextSettings,
    ) -> l0gm_train::Result<Located> {
        if let Some(twin) = request.expected.missing_twin {
            return Ok(Located {
                twin,
                source: "not at hand".to_owned(),
            });
        }
        Ok(self.located(request.dataset)?)
    }

    fn setting_of(&self, hyperparameter: Hyperparameter) -> Option<&'static str> {
        match hyperparameter {
            Hyperparameter::Dropout => Some("dropout"),
            other => usual_setting_of(other),
        }
    }

    fn rest(&self) {
        self.kept().clear();
    }

    fn look(&self, spec: &RunSpec) -> l0gm_train::Result<Option<DataLook>> {
        let found = self.summary(spec)?;
        Ok(Some(DataLook {
            text: found.to_string(),
            reading: found.to_value(),
        }))
    }
}
