//! The one training loop (Algorithm 1 of the paper), the same for tables, texts and graphs.
//!
//! Everything random is drawn from streams that are derived from (seed, step) or (seed, epoch). So an interrupted run
//! can continue exactly without storing the state of a generator.

mod averaging;
mod class_weights;
mod compressing;
mod config;
mod distillation;
mod force;
mod mixup;
mod pass;
mod saving;
mod selection;
mod session;
mod settling;
mod smoothing;
mod steering;
mod teaching;

pub use class_weights::ClassWeights;
pub use config::{LambdaUnit, Outcome, Recipe, SelectBy, TrainConfig};
pub use distillation::Teacher;
pub use selection::Selection;

use crate::{Encoder, Error, GatedModel, Head, Progress, Result, RunDir, StopFlag, Task};
use candle_core::Device;
use l0gm_gate::Schedule;
use std::collections::BTreeMap;

/// Everything that a training needs.
#[derive(Debug)]
pub struct Training<'a, T, E, H> {
    /// The data, split into training, validation and test rows.
    pub task: &'a T,
    /// The model. After success it holds the selected parameters.
    pub model: &'a GatedModel<E, H>,
    /// The training settings.
    pub config: &'a TrainConfig,
    /// Seed of shuffling, dropout and gate noise, which draw from streams derived for each step.
    pub seed: u64,
    /// The device of the tensors.
    pub device: &'a Device,
}

/// Trains a model on a task, with checkpoints in `run`. Continues from a checkpoint found there to the same result,
/// on CPU bit for bit. On return, the model holds the parameters of the best validation loss.
///
/// Errors: a setting out of range; gates built for another schedule than `config.schedule`; a parameter that no
/// gradient reaches; a loss or gradient that is NaN or infinite (the last good checkpoint is kept); a checkpoint that
/// is damaged or was made with other settings; [`Error::Stopped`](crate::Error::Stopped) after a stop request.
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

/// Like [`train`], for data files with known checksums. A checkpoint made with other data is refused as well.
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
    if let Some(target) = training.config.target {
        l0gm_gate::check_reachable(&training.model.trained_gates(), target)?;
    }
    session::Session::open(checksums, training, run, stop)?.run(progress)
}

/// Refuses gates whose own temperature is not the one that training leads to.
fn check_gates<E: Encoder, H: Head<E::Input>>(
    model: &GatedModel<E, H>,
    schedule: &Schedule,
) -> Result<()> {
    let trained = schedule.final_temperature();
    let other = model
        .trained_gates()
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
