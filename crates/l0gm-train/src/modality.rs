//! The interface between the runner and a modality: a request becomes a spec, and a spec becomes a record.

use crate::method::Methods;
use crate::resolve::{Located, SpecRequest, resolve_spec};
use crate::{
    Explanation, MethodInfo, PeerRun, Result, RunContext, RunRecord, RunSpec, TimedRun, TrainConfig,
};
use candle_core::Device;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::Path;
use std::time::Duration;

/// How data were read: rows, columns and their kinds, classes with counts, the split, and remarks.
#[derive(Clone, Debug, PartialEq)]
pub struct DataLook {
    /// For people, a line each.
    pub text: String,
    /// For programs, as in the record of a run.
    pub reading: serde_json::Value,
}

/// One modality, as the runner sees it.
pub trait Modality {
    /// The modality's name: "tabular", "text" or "graph".
    fn name(&self) -> &'static str;
    /// The catalogue names it can run, the default first.
    fn datasets(&self) -> Vec<String>;
    /// The methods it can run, in the order of plans and tables.
    fn methods(&self) -> Vec<MethodInfo>;
    /// Completes a request: the modality's defaults, then the user's settings on top. Also decides whether the twin
    /// must stand in for the data.
    ///
    /// # Errors
    /// An unknown method, setting or dataset (with the nearest known name), a value out of its range, or a twin under
    /// [`Profile::Paper`](crate::Profile::Paper).
    fn spec(&self, request: &SpecRequest<'_>) -> Result<RunSpec>;
    /// Where this modality keeps a searched setting, such as "train.batch-size"; `None` where it has no such setting
    /// or the setting has no effect. Default: those of [`TrainConfig`](crate::TrainConfig) under `train`.
    fn setting_of(&self, hyperparameter: Hyperparameter) -> Option<&'static str> {
        usual_setting_of(hyperparameter)
    }
    /// A rough estimate of the run's time on two CPU cores.
    fn estimate(&self, spec: &RunSpec) -> Result<Duration>;
    /// Work that is done once for all runs with the same key, such as computing a frozen encoder's features. Returns
    /// keys and rough estimates, which [`estimate`](Self::estimate) does not include. Default: none.
    fn shared_work(&self, spec: &RunSpec) -> Result<Vec<(String, Duration)>> {
        let _ = spec;
        Ok(Vec::new())
    }
    /// Reads the spec's data as its run will, without training. The runner asks this of a user's own data while it plans,
    /// so that a wrong column or an impossible split is said once and before anything runs. Returns how the data were read.
    /// Default: does nothing.
    ///
    /// # Errors
    /// No run can use the data as the settings say.
    fn look(&self, spec: &RunSpec) -> Result<Option<DataLook>> {
        let _ = spec;
        Ok(None)
    }
    /// Frees what is kept in memory between runs. The runner calls this when no run follows. Default: does nothing.
    fn rest(&self) {}
    /// Runs the spec, or continues an interrupted run. Writes everything into `context.dir`, the record last.
    fn run(&self, spec: &RunSpec, context: &mut RunContext<'_>) -> Result<RunRecord>;
    /// The models of the finished run in `dir`, built again on `device` to be timed.
    ///
    /// # Errors
    /// [`Error::NoModel`](crate::Error::NoModel) where the run keeps none; otherwise its files are missing or damaged.
    fn timed(&self, spec: &RunSpec, dir: &Path, device: &Device) -> Result<TimedRun>;
    /// Makes the finished run in `dir` ready to be timed beside programs of other projects, and hands it to `time`.
    /// Default: no such programs are known for this modality.
    ///
    /// # Errors
    /// [`Error::NoModel`](crate::Error::NoModel) where the run keeps no compact model or no programs are known; otherwise
    /// its files are missing or damaged.
    fn beside_peers(
        &self,
        spec: &RunSpec,
        dir: &Path,
        time: &mut dyn FnMut(&PeerRun<'_>),
    ) -> Result<()> {
        let _ = (dir, time);
        Err(crate::Error::NoModel(format!(
            "no programs of other projects are known for modality {} ({})",
            self.name(),
            spec.id()
        )))
    }
    /// What each input is worth to the compact model of the finished run in `dir`, found by permuting it
    /// `permutations` times. `None` where inputs have no names, as the dimensions of an embedding. Default: `None`.
    ///
    /// # Errors
    /// The run keeps no compact model, its files are damaged, or its data are gone or have changed.
    fn explain(
        &self,
        spec: &RunSpec,
        dir: &Path,
        device: &Device,
        permutations: usize,
    ) -> Result<Option<Explanation>> {
        let _ = (spec, dir, device, permutations);
        Ok(None)
    }
}

/// What a modality crate defines. [`Modality`] is implemented for it in the same way for every crate.
pub trait ModalityParts: Sized + 'static {
    /// All settings of the modality.
    type Settings: Serialize + DeserializeOwned;
    /// The modality's name: "tabular", "text" or "graph".
    const NAME: &'static str;
    /// The list of its methods.
    const METHODS: &'static Methods<Self>;
    /// Settings ("data.keep") that are not written where they have their defaults, because they came
    /// later and the identities of earlier runs must not change.
    const UNWRITTEN: &'static [&'static str] = &[];

    /// The catalogue names it can run, the default first.
    fn datasets(&self) -> Vec<String>;

    /// The settings before the user's are applied.
    ///
    /// # Errors
    /// A setting that decides about other defaults is wrong, such as an encoder whose weights are not available.
    fn base_settings(&self, request: &SpecRequest<'_>) -> Result<Self::Settings>;

    /// The part of the settings that says how to train.
    fn train_config(settings: &mut Self::Settings) -> &mut TrainConfig;

    /// Lambda of a gated method where the user names neither lambda nor target. `None` if one of them must be named.
    fn default_lambda(settings: &Self::Settings) -> Option<f64>;

    /// Refuses settings that are out of range.
    ///
    /// # Errors
    /// Names the setting, its value and the allowed range.
    fn check_settings(settings: &Self::Settings) -> Result<()>;

    /// Finds the data. May complete the settings with what it finds.
    ///
    /// # Errors
    /// There is no such dataset or file.
    fn locate(&self, request: &SpecRequest<'_>, settings: &mut Self::Settings) -> Result<Located>;

    /// See [`Modality::setting_of`].
    fn setting_of(&self, hyperparameter: Hyperparameter) -> Option<&'static str> {
        usual_setting_of(hyperparameter)
    }

    /// See [`Modality::look`].
    ///
    /// # Errors
    /// No run can use the data as the settings say.
    fn look(&self, _spec: &RunSpec) -> Result<Option<DataLook>> {
        Ok(None)
    }

    /// See [`Modality::explain`].
    ///
    /// # Errors
    /// Those of [`Modality::explain`].
    fn explain(
        &self,
        _spec: &RunSpec,
        _dir: &Path,
        _device: &Device,
        _permutations: usize,
    ) -> Result<Option<Explanation>> {
        Ok(None)
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

    fn look(&self, spec: &RunSpec) -> Result<Option<DataLook>> {
        ModalityParts::look(self, spec)
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

    fn beside_peers(
        &self,
        spec: &RunSpec,
        dir: &Path,
        time: &mut dyn FnMut(&PeerRun<'_>),
    ) -> Result<()> {
        P::METHODS
            .find(&spec.method)?
            .beside_peers(self, spec, dir, time)
    }

    fn explain(
        &self,
        spec: &RunSpec,
        dir: &Path,
        device: &Device,
        permutations: usize,
    ) -> Result<Option<Explanation>> {
        ModalityParts::explain(self, spec, dir, device, permutations)
    }
}

/// A setting that the paper searches (Table 7). Each modality may name it differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hyperparameter {
    /// Peak learning rate of the head.
    LearningRate,
    /// Decoupled weight decay.
    WeightDecay,
    /// The main dropout of the backbone.
    Dropout,
    /// Rows per training step.
    BatchSize,
    /// Share of training with lambda 0. Only gated methods have it.
    Warmup,
    /// The gate's temperature at the end of training. Only gated methods have it.
    EndTemperature,
}
/// The path of a searched setting in [`TrainConfig`](crate::TrainConfig), which a modality keeps under `train`.
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
