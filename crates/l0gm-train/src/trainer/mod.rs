//! The one training loop (Algorithm 1 of the paper), the same for tables, texts and graphs.
//!
//! Everything random is drawn from streams derived from (seed, step) or (seed, epoch), so that a run
//! that was cut off needs no generator's state to go on as if nothing had happened.

mod config;
mod saving;
mod selection;
mod session;
mod steering;

pub use config::{Outcome, TrainConfig};

use crate::{Encoder, Error, GatedModel, Head, Progress, Result, RunDir, StopFlag, Task};
use candle_core::Device;
use l0gm_gate::Schedule;
use std::collections::BTreeMap;

/// What is trained on what, and how.
#[derive(Debug)]
pub struct Training<'a, T, E, H> {
    /// The rows.
    pub task: &'a T,
    /// The model; on success it holds the selected parameters.
    pub model: &'a GatedModel<E, H>,
    /// How to train.
    pub config: &'a TrainConfig,
    /// Drives shuffling, dropout and gate noise through streams derived per step.
    pub seed: u64,
    /// Where the tensors are.
    pub device: &'a Device,
}

/// Trains a model on a task, checkpointing under `run`; continues from the checkpoint found there to
/// the same result, bit for bit on CPU. On return the model holds the parameters of the best
/// validation loss.
///
/// Errors: a setting out of range; gates built for another schedule than `config.schedule`; a parameter that no gradient reaches; a loss or gradient that is
/// not finite (the last good checkpoint is kept); a checkpoint that is damaged or was made with other
/// settings; [`Error::Stopped`](crate::Error::Stopped) after a stop request.
pub fn train<T, E, H>(
    training: Training<'_, T, E, H>,
    run: &RunDir,
    progress: &mut dyn Progress,
    stop: &StopFlag,
) -> Result<Outcome>
where
    T: Task,
    E: Encoder<Input = T::Input>,
    H: Head<T::Input>,
{
    train_on(&BTreeMap::new(), training, run, progress, stop)
}

/// Like [`train`], for data whose files have known checksums: a checkpoint of other data is refused too.
pub(crate) fn train_on<T, E, H>(
    checksums: &BTreeMap<String, String>,
    training: Training<'_, T, E, H>,
    run: &RunDir,
    progress: &mut dyn Progress,
    stop: &StopFlag,
) -> Result<Outcome>
where
    T: Task,
    E: Encoder<Input = T::Input>,
    H: Head<T::Input>,
{
    training.config.check()?;
    check_gates(training.model, &training.config.schedule)?;
    session::Session::open(checksums, training, run, stop)?.run(progress)
}

/// Refuses gates that would be used at another temperature than the one they are trained towards.
fn check_gates<E: Encoder, H: Head<E::Input>>(
    model: &GatedModel<E, H>,
    schedule: &Schedule,
) -> Result<()> {
    let trained = schedule.final_temperature();
    let other = model
        .gates()
        .into_iter()
        .filter_map(|gate| gate.temperature())
        .find(|&used| used != trained);
    match other {
        None => Ok(()),
        Some(used) => Err(Error::Setting(format!(
            "the model's gates are for use at temperature {}, but `train.schedule` ends at {}; build them with the \
             schedule that trains them",
            used.0, trained.0
        ))),
    }
}
