//! How a gated model is trained and judged, the same for tables, texts and graphs.

mod checkpoint;
mod error;
mod experiment;
pub mod layers;
mod latency;
pub mod metrics;
mod model;
mod optimiser;
mod predictions;
mod progress;
mod record;
mod run_dir;
pub mod settings;
mod task;
mod trainer;

pub use error::{Error, Result};
pub use experiment::{Modality, Profile, RunContext, RunSpec, run_experiment};
pub use latency::{Latency, measure_latency};
pub use model::{Encoder, GatedModel, Head, Parameter, ParameterKind, Part};
pub use optimiser::{Optimiser, OptimiserConfig};
pub use predictions::{PredictionTable, read_predictions, write_predictions};
pub use progress::{BarProgress, LineProgress, Progress, ProgressEvent, StopFlag};
pub use record::{CompactSummary, DataSummary, EpochRecord, GateSummary, Metrics, RunRecord, Sizes};
pub use run_dir::{RunDir, write_atomically};
pub use task::{Batch, Split, Task};
pub use trainer::{Outcome, TrainConfig, train};
