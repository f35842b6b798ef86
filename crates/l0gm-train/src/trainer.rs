//! The one training loop.
use crate::{Encoder, EpochRecord, GatedModel, Head, OptimiserConfig, Progress, Result, RunDir, StopFlag, Task};
use candle_core::Device;
use l0gm_gate::{Objective, Schedule};
use serde::{Deserialize, Serialize};
/// How to train. Defaults are the documented defaults; each modality has its own on top.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct TrainConfig {
    /// Passes over the training rows.
    pub epochs: usize,
    /// Rows a step (ignored by full-batch tasks).
    pub batch_size: usize,
    /// Rows a step when only predicting.
    pub eval_batch_size: usize,
    /// Learning rates, decay, clipping, warm-up and cosine.
    pub optimiser: OptimiserConfig,
    /// Temperature and lambda over training.
    pub schedule: Schedule,
    /// Lambda.
    pub objective: Objective,
    /// Validate every so many epochs.
    pub validate_every: usize,
    /// Only checkpoints of the last this-much of training may be selected (the gates must be final): (0, 1].
    pub select_from_last: f64,
    /// Stop after so many validations without a better validation loss, counted from when selection starts; 0 = never.
    pub patience: usize,
    /// Save a checkpoint at least every so many seconds (and at every end of an epoch that is that old).
    pub checkpoint_seconds: u64,
}
impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            epochs: 20,
            batch_size: 512,
            eval_batch_size: 4096,
            optimiser: OptimiserConfig::default(),
            schedule: Schedule::default(),
            objective: Objective::default(),
            validate_every: 1,
            select_from_last: 0.25,
            patience: 0,
            checkpoint_seconds: 20,
        }
    }
}
/// What training left: the model holds the selected parameters, these say how it went.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// One entry a validation.
    pub history: Vec<EpochRecord>,
    /// The epoch (from 1) whose parameters were selected.
    pub best_epoch: usize,
    /// Seconds of training over all sittings, without data loading before it.
    pub train_seconds: f64,
    /// Optimiser steps taken.
    pub steps: usize,
}
/// Trains `model` on `task`, checkpointing under `run`; continues from the checkpoint found there to
/// the same result, bit for bit on CPU. On return the model holds the parameters of the best
/// validation loss. `seed` drives shuffling, dropout and gate noise through streams derived per step.
pub fn train<T, E, H>(_task: &T, _model: &GatedModel<E, H>, _config: &TrainConfig, _seed: u64, _device: &Device, _run: &RunDir, _progress: &mut dyn Progress, _stop: &StopFlag) -> Result<Outcome>
where
    T: Task,
    E: Encoder<Input = T::Input>,
    H: Head<T::Input>,
{
    todo!()
}
