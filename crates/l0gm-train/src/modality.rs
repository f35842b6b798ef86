//! How the runner meets a modality: a request becomes a spec, a spec becomes a record.

use crate::method::Methods;
use crate::resolve::{Located, SpecRequest, resolve_spec};
use crate::{MethodInfo, Result, RunContext, RunRecord, RunSpec, TimedRun, TrainConfig};
use candle_core::Device;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::Path;
use std::time::Duration;

/// One modality's door for the runner.
pub trait Modality {
    /// "tabular", "text" or "graph".
    fn name(&self) -> &'static str;
    /// Catalogue names it can run, the default first.
    fn datasets(&self) -> Vec<String>;
    /// Methods it can run, in the order in which plans and tables show them.
    fn methods(&self) -> Vec<MethodInfo>;
    /// The complete spec of what is asked for: the modality's defaults, then the user's settings. Decides whether
    /// the twin must stand in.
    ///
    /// # Errors
    /// An unknown method, setting or dataset (with the nearest known name), a value out of its range, or a twin under
    /// [`Profile::Paper`](crate::Profile::Paper).
    fn spec(&self, request: &SpecRequest<'_>) -> Result<RunSpec>;
    /// The path of a searched setting among this modality's settings, "train.batch-size"; `None` where there
    /// is none or it has no effect. Default: those of [`TrainConfig`](crate::TrainConfig) under `train`.
    fn setting_of(&self, hyperparameter: Hyperparameter) -> Option<&'static str> {
        usual_setting_of(hyperparameter)
    }
    /// A rough estimate on two CPU cores.
    fn estimate(&self, spec: &RunSpec) -> Result<Duration>;
    /// Work that is done once for all runs with the same key, such as a frozen encoder's features: keys and rough
    /// estimates, which [`estimate`](Self::estimate) leaves out. Default: none.
    fn shared_work(&self, spec: &RunSpec) -> Result<Vec<(String, Duration)>> {
        let _ = spec;
        Ok(Vec::new())
    }
    /// Frees what is kept in memory between runs. The runner calls this when no run follows. Default: nothing is
    /// kept.
    fn rest(&self) {}
    /// Runs it, or continues it. Writes everything into `context.dir`; the record is written last.
    fn run(&self, spec: &RunSpec, context: &mut RunContext<'_>) -> Result<RunRecord>;
    /// The models of the finished run in `dir`, built again on `device` to be timed.
    ///
    /// # Errors
    /// The run's files are missing or damaged, or its method keeps no model.
    fn timed(&self, spec: &RunSpec, dir: &Path, device: &Device) -> Result<TimedRun>;
}

/// What a modality crate says of itself. [`Modality`] follows from it, the same way in every crate.
pub trait ModalityParts: Sized + 'static {
    /// The modality's settings.
    type Settings: Serialize + DeserializeOwned;
    /// "tabular", "text" or "graph".
    const NAME: &'static str;
    /// Its methods.
    const METHODS: &'static Methods<Self>;
    /// Settings ("data.keep") that are not written where they have their defaults, because they came
    /// later and the identities of earlier runs must not change.
    const UNWRITTEN: &'static [&'static str] = &[];

    /// Catalogue names it can run, the default first.
    fn datasets(&self) -> Vec<String>;

    /// The defaults that the user's settings are laid over.
    ///
    /// # Errors
    /// A setting that decides about the defaults is wrong, such as an encoder whose weights are not at hand.
    fn base_settings(&self, request: &SpecRequest<'_>) -> Result<Self::Settings>;

    /// The part of the settings that says how to train.
    fn train_config(settings: &mut Self::Settings) -> &mut TrainConfig;

    /// Lambda of a gated method where the user names neither lambda nor target; `None`: one must be named.
    fn default_lambda(settings: &Self::Settings) -> Option<f64>;

    /// Refuses settings that are out of range.
    ///
    /// # Errors
    /// Names the setting, its value and the allowed range.
    fn check_settings(settings: &Self::Settings) -> Result<()>;

    /// Finds the data. May complete the settings by what it finds.
    ///
    /// # Errors
    /// There is no such dataset or file.
    fn locate(&self, request: &SpecRequest<'_>, settings: &mut Self::Settings) -> Result<Located>;

    /// See [`Modality::setting_of`].
    fn setting_of(&self, hyperparameter: Hyperparameter) -> Option<&'static str> {
        usual_setting_of(hyperparameter)
    }

    /// See [`Modality::rest`].
    fn rest(&self) {}
}

impl<P: ModalityParts> Modality for P {
    fn name(&self) -> &'static str {
        P::NAME
    }

    fn datasets(&self) -> Vec<String> {
        ModalityParts::datasets(self)
    }

    fn methods(&self) -> Vec<MethodInfo> {
        P::METHODS.infos()
    }

    fn spec(&self, request: &SpecRequest<'_>) -> Result<RunSpec> {
        resolve_spec(self, request)
    }

    fn setting_of(&self, hyperparameter: Hyperparameter) -> Option<&'static str> {
        ModalityParts::setting_of(self, hyperparameter)
    }

    fn estimate(&self, spec: &RunSpec) -> Result<Duration> {
        P::METHODS.find(&spec.method)?.estimate(self, spec)
    }

    fn shared_work(&self, spec: &RunSpec) -> Result<Vec<(String, Duration)>> {
        P::METHODS.find(&spec.method)?.shared_work(self, spec)
    }

    fn rest(&self) {
        ModalityParts::rest(self);
    }

    fn run(&self, spec: &RunSpec, context: &mut RunContext<'_>) -> Result<RunRecord> {
        P::METHODS.find(&spec.method)?.run(self, spec, context)
    }

    fn timed(&self, spec: &RunSpec, dir: &Path, device: &Device) -> Result<TimedRun> {
        P::METHODS
            .find(&spec.method)?
            .timed(self, spec, dir, device)
    }
}

/// A setting that the paper searches (Table 7), whatever a modality calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hyperparameter {
    /// Peak learning rate of the head.
    LearningRate,
    /// Decoupled weight decay.
    WeightDecay,
    /// The main dropout of the backbone.
    Dropout,
    /// Rows a step.
    BatchSize,
    /// Share of training with lambda 0; of gated methods alone.
    Warmup,
    /// The gate's temperature at the end; of gated methods alone.
    EndTemperature,
}
/// Where [`TrainConfig`](crate::TrainConfig) keeps a searched setting, under a modality's `train`.
pub fn usual_setting_of(hyperparameter: Hyperparameter) -> Option<&'static str> {
    match hyperparameter {
        Hyperparameter::LearningRate => Some("train.optimiser.learning-rate"),
        Hyperparameter::WeightDecay => Some("train.optimiser.weight-decay"),
        Hyperparameter::Dropout => None,
        Hyperparameter::BatchSize => Some("train.batch-size"),
        Hyperparameter::Warmup => Some("train.schedule.warmup"),
        Hyperparameter::EndTemperature => Some("train.schedule.end-temperature"),
    }
}
