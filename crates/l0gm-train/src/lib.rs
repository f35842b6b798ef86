//! Trains gated models and judges predictors, in the same way for tables, texts and graphs.

mod blend;
mod checkpoint;
mod compact;
pub mod compression;
mod context;
mod error;
mod explain;
mod external;
mod finite;
mod fit;
mod gates;
mod judge;
mod latency;
pub mod layers;
mod logistic;
mod loss_term;
mod machine;
mod majority;
mod members;
mod method;
pub mod metrics;
mod modality;
mod model;
mod nearest;
mod optimiser;
mod peers;
mod predict;
mod predictions;
mod predictor;
mod progress;
mod record;
mod resolve;
mod robustness;
mod run;
mod run_dir;
pub mod settings;
mod spec;
mod task;
mod timed;
mod trainer;
mod turns;
mod warning;

pub use blend::Blend;
pub use checkpoint::load_trained;
pub use compact::{
    ClassProbabilities, CompactFolder, CompactHeader, CompactParts, Compacted, Decision, FileSum,
    PredictedRows, RowOptions, RowPredictor, Unseen,
};
pub use compression::{Compression, Interior, Kept, Ranking, TECHNIQUES, Technique, Unit};
pub use context::RunContext;
pub use error::{Error, Result};
pub use explain::{Effect, Explanation};
pub use external::{
    ExternalCall, ExternalCells, ExternalColumn, ExternalPart, ExternalPredictor, ExternalRows,
    ExternalSettings, ExternalTool, venv_python,
};
pub use finite::all_finite;
pub use fit::{Compactor, EnsemblePredictor, GatedFit, GatedPredictor, fit_ensemble, member_seed};
pub use gates::ModelReader;
pub use judge::{Judging, judge};
pub use latency::{
    LATENCY_BATCH, LATENCY_REPEATS, LATENCY_SECONDS, LATENCY_WARMUP, Latency, latency_of,
    latency_rows,
};
pub use logistic::{
    ClassScores, FeatureTask, Labelled, LogisticFit, LogisticPredictor, LogisticRegression,
    LogisticSettings, LogisticTrial, RowProducts, Rows, TimedRows, column_scales, fit_logistic,
};
pub use loss_term::LossTerm;
pub use majority::MajorityPredictor;
pub use members::{HeadOutput, loss_of_members, mean_of_members};
pub use method::{Knob, Method, MethodInfo, Methods, Role};
pub use modality::{DataLook, Hyperparameter, Modality, ModalityParts, usual_setting_of};
pub use model::{Encoder, Forward, GatedModel, Gating, Head, Parameter, ParameterKind, Part};
pub use nearest::nearest_name;
pub use optimiser::{Optimiser, OptimiserConfig, StepOutcome};
pub use peers::{CompactBesidePeers, OnePass, PeerRun};
pub use predict::predict;
pub use predictions::{
    Legend, Origins, PredictionTable, RowKeys, RowOrigins, read_predictions, write_predictions,
};
pub use predictor::{Fitted, NotOffered, Offered, Perturbed, PerturbedLogits, Predictor};
pub use progress::{BarProgress, LineProgress, Progress, ProgressEvent, StopFlag};
pub use record::{CompactSummary, DataSummary, EpochRecord, Metrics, RunRecord, Sizes};
pub use resolve::{Expected, Located, SpecRequest};
pub use robustness::{
    Condition, ConditionKind, ConditionResult, Distortion, FeatureScale, Perturbation, Robustness,
    Score, report_condition,
};
pub use run::{Experiment, Sitting};
pub use run_dir::{RunDir, finished_record, write_atomically};
pub use spec::{Profile, RunSpec};
pub use task::{Batch, Split, Task};
pub use timed::{CompactPass, Pass, TimedBatch, TimedRun, largest_difference};
pub use trainer::{
    ClassWeights, LambdaUnit, Outcome, Recipe, SelectBy, Selection, Teacher, TrainConfig, Training,
    train,
};
pub use turns::{
    THIRD_DIGIT, Timing, Turn, Turns, by_turns, own_turn, ratio, side_by_side, spread,
};
pub use warning::{BaselineScore, Evidence, Warning, WarningKind};
