//! Tools that are programs of their own: the boosters of other projects, and any program that speaks the protocol of
//! `docs/external.md`.

use crate::data_summary::{data_summary, found, split_note};
use crate::estimate::Extent;
use crate::external_rows::TableRows;
use crate::{TabularModality, TabularSettings};
use candle_core::Device;
use l0gm_data::rivals_folder;
use l0gm_train::{
    Experiment, ExternalPredictor, ExternalSettings, Knob, Method, MethodInfo, Result, Role,
    RunContext, RunRecord, RunSpec,
};
use serde_json::Value;
use std::time::Duration;

/// A method whose models another program trains.
pub(super) struct External {
    name: &'static str,
    label: &'static str,
    summary: &'static str,
    source: &'static str,
    /// The row of the paper's tables that it is; none for a program that the user names.
    rival_of: Option<&'static str>,
}

/// XGBoost, with categories as they are.
pub(super) const XGBOOST: External = External {
    name: "xgboost",
    label: "XGBoost",
    summary: "XGBoost's own Python package, native categories, early stopping",
    source: "arXiv:1603.02754; package xgboost-cpu",
    rival_of: Some("XGBoost"),
};

/// LightGBM, with categories as they are.
pub(super) const LIGHTGBM: External = External {
    name: "lightgbm",
    label: "LightGBM",
    summary: "LightGBM's own Python package, native categories, early stopping",
    source: "Ke et al. 2017; package lightgbm",
    rival_of: Some("LightGBM"),
};

/// CatBoost, with categories as they are.
pub(super) const CATBOOST: External = External {
    name: "catboost",
    label: "CatBoost",
    summary: "CatBoost's own Python package, native categories, early stopping",
    source: "arXiv:1706.09516; package catboost",
    rival_of: Some("CatBoost"),
};

/// A program that the user names with `method.external.command`.
pub(super) const EXTERNAL: External = External {
    name: "external",
    label: "external tool",
    summary: "a program of your own, named with method.external.command (docs/external.md)",
    source: "the program",
    rival_of: None,
};

impl External {
    fn settings_of(&self, value: &Value) -> Result<ExternalSettings> {
        ExternalSettings::from_value(self.name, value)
    }
}

impl Method<TabularModality> for External {
    fn info(&self) -> MethodInfo {
        MethodInfo {
            name: self.name.into(),
            label: self.label.into(),
            summary: self.summary.into(),
            source: self.source.into(),
            role: Role::Rival,
            gated: false,
            knob: Knob::None,
            rival_of: self.rival_of.map(Into::into),
            needs: Some(match self.rival_of {
                Some(_) => "methods install".into(),
                None => "the program".into(),
            }),
        }
    }

    fn settings(&self) -> Value {
        serde_json::to_value(ExternalSettings::default()).unwrap_or_default()
    }

    fn check(&self, settings: &Value) -> Result<()> {
        let settings = self.settings_of(settings)?;
        let scripts = self.rival_of.map(|_| rivals_folder());
        settings.tool(self.name, scripts.as_deref()).map(|_| ())
    }

    fn estimate(&self, _: &TabularModality, spec: &RunSpec) -> Result<Duration> {
        let settings: TabularSettings = spec.modality_settings()?;
        let own = self.settings_of(&spec.method_settings()?)?;
        Ok(Extent::of(&spec.dataset, &settings).trees() * own.trials as u32)
    }

    fn run(
        &self,
        modality: &TabularModality,
        spec: &RunSpec,
        context: &mut RunContext<'_>,
    ) -> Result<RunRecord> {
        let settings: TabularSettings = spec.modality_settings()?;
        let value: Value = spec.method_settings()?;
        let scripts = self.rival_of.map(|_| rivals_folder());
        let tool = self
            .settings_of(&value)?
            .tool(self.name, scripts.as_deref())?;
        let table = modality.prepare(&spec.dataset, &settings, spec.seed, &Device::Cpu)?;
        spec.check_twin(table.loaded.twin)?;
        context.progress.found(&found(&table).to_string());
        let rows = TableRows::new(&table, &settings, spec.seed)?;
        let robustness = settings.train.robustness;
        let experiment = Experiment {
            spec,
            method: self.info(),
            data: data_summary(&table, Vec::new(), vec![split_note(&settings)]),
            origins: Some(table.origins.clone()),
            robustness,
        };
        experiment.run(
            |sitting, context| {
                ExternalPredictor::fit(&tool, &rows, value, robustness, sitting, context)
            },
            context,
        )
    }
}
