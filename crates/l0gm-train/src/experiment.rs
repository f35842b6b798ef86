//! How the runner meets a modality: a spec goes in, a record comes out.
use crate::{Progress, Result, RunRecord, StopFlag};
use candle_core::Device;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;
/// Which size of experiment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Profile {
    /// One seed, reduced sizes, minutes.
    #[default]
    Quick,
    /// The whole data, three seeds; refuses twins.
    Paper,
}
/// One run, complete: everything its result depends on (besides the data's bytes).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunSpec {
    /// "tabular", "text" or "graph".
    pub modality: String,
    /// Catalogue name, or the path of a file of one's own.
    pub dataset: String,
    /// "dense" or "l0gm".
    pub method: String,
    /// Weight of the penalty; absent for dense.
    pub lambda: Option<f64>,
    /// Seed of everything random.
    pub seed: u64,
    /// Whether the data is the built-in twin.
    pub twin: bool,
    /// The modality's settings, complete (no default left out).
    pub settings: serde_json::Value,
}
impl RunSpec {
    /// Readable and unique: modality-dataset-method-lambda-seed and the first 10 hex digits of the
    /// sha256 of the spec as canonical JSON.
    pub fn id(&self) -> String {
        todo!()
    }
}
/// Where and how a run happens; nothing here changes its result on the same device.
pub struct RunContext<'a> {
    /// The run's own directory.
    pub dir: PathBuf,
    /// Device.
    pub device: Device,
    /// "cpu" or "cuda:0".
    pub device_name: String,
    /// Threads in use.
    pub threads: usize,
    /// Told about every step.
    pub progress: &'a mut dyn Progress,
    /// Asked before every step.
    pub stop: StopFlag,
}
/// One modality's door for the runner.
pub trait Modality {
    /// "tabular", "text" or "graph".
    fn name(&self) -> &'static str;
    /// Catalogue names it can run, the default first.
    fn datasets(&self) -> Vec<String>;
    /// Methods it can run.
    fn methods(&self) -> Vec<String>;
    /// The complete specs of a dataset under a profile: the modality's defaults, then `overrides`
    /// (a table of this modality's settings; an unknown key is an error with the nearest known name).
    /// Decides whether the twin must stand in; with `Profile::Paper` a twin is an error.
    fn spec(&self, dataset: &str, method: &str, lambda: Option<f64>, seed: u64, profile: Profile, overrides: &serde_json::Value) -> Result<RunSpec>;
    /// A rough estimate on two CPU cores.
    fn estimate(&self, spec: &RunSpec) -> Result<Duration>;
    /// Runs it, or continues it. Writes everything into `context.dir`; the record is written last.
    fn run(&self, spec: &RunSpec, context: &mut RunContext<'_>) -> Result<RunRecord>;
}
/// What every modality does once its task and model stand: train (or continue), predict valid and
/// test, score, measure latency, write `predictions.parquet` and `record.json` into the run's
/// directory. `compact` builds the compact model's summary from the trained model (or `None`).
/// `fields` names the interface's fields ("age", ...), empty for flat interfaces.
pub fn run_experiment<T, E, H>(_spec: &RunSpec, _data: crate::DataSummary, _fields: &[String], _task: &T, _model: &crate::GatedModel<E, H>, _config: &crate::TrainConfig, _sizes: crate::Sizes, _compact: impl FnOnce(&crate::GatedModel<E, H>) -> Result<Option<crate::CompactSummary>>, _context: &mut RunContext<'_>) -> Result<RunRecord>
where
    T: crate::Task,
    E: crate::Encoder<Input = T::Input>,
    H: crate::Head<T::Input>,
{
    todo!()
}
