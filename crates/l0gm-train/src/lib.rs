//! How a gated model is trained and judged, the same for tables, texts and graphs.

mod checkpoint;
mod compact;
mod error;
mod experiment;
mod finite;
mod gates;
mod latency;
pub mod layers;
mod machine;
pub mod metrics;
mod model;
mod nearest;
mod optimiser;
mod predict;
mod predictions;
mod progress;
mod record;
mod robustness;
mod run;
mod run_dir;
pub mod settings;
mod task;
mod timed;
mod trainer;
mod turns;

pub use checkpoint::load_trained;
pub use compact::{
    ClassProbabilities, CompactFolder, CompactHeader, CompactParts, Compacted, FileSum,
};
pub use error::{Error, Result};
pub use experiment::{
    Expected, Hyperparameter, Modality, Profile, RunContext, RunSpec, usual_setting_of,
};
pub use finite::all_finite;
pub use gates::ModelReader;
pub use latency::{
    LATENCY_BATCH, LATENCY_REPEATS, LATENCY_SECONDS, LATENCY_WARMUP, Latency, latency_of,
    latency_rows,
};
pub use model::{Encoder, Forward, GatedModel, Gating, Head, Parameter, ParameterKind, Part};
pub use nearest::nearest_name;
pub use optimiser::{Optimiser, OptimiserConfig, StepOutcome};
pub use predict::predict;
pub use predictions::{PredictionTable, read_predictions, write_predictions};
pub use progress::{BarProgress, LineProgress, Progress, ProgressEvent, StopFlag};
pub use record::{CompactSummary, DataSummary, EpochRecord, Metrics, RunRecord, Sizes};
pub use robustness::{
    Condition, ConditionKind, ConditionResult, Distortion, FeatureScale, Perturbation, Robustness,
    Score,
};
pub use run::{run_experiment, run_experiment_in};
pub use run_dir::{RunDir, finished_record, write_atomically};
pub use task::{Batch, Split, Task};
pub use timed::{CompactPass, Pass, TimedBatch, TimedRun, largest_difference};
pub use trainer::{Outcome, TrainConfig, train};
pub use turns::{THIRD_DIGIT, Timing, Turns, ratio, side_by_side, spread};
