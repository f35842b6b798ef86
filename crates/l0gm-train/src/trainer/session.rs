//! One sitting of a training: from the start or from a checkpoint, until the end or a stop.

use super::compressing;
use super::saving::made_with;
use super::steering::Steering;
use super::{Outcome, Selection, TrainConfig, Training};
use crate::checkpoint::{Checkpoint, Position};
use crate::compression::Compressor;
use crate::{
    Encoder, Forward, GatedModel, Head, Optimiser, Parameter, Progress, ProgressEvent, Result,
    RunDir, Split, StepOutcome, StopFlag, Task,
};
use candle_core::{Device, Tensor};
use l0gm_gate::{Objective, ScheduleStep};
use l0gm_ops::{Generator, Mode, Tape};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

pub(super) struct Session<'a, T, E, H> {
    pub(super) task: &'a T,
    pub(super) model: &'a GatedModel<E, H>,
    pub(super) config: &'a TrainConfig,
    pub(super) device: &'a Device,
    pub(super) stop: &'a StopFlag,
    pub(super) root: Generator,
    pub(super) parameters: Vec<Parameter>,
    pub(super) optimiser: Optimiser,
    /// Number of passes over the training rows.
    pub(super) epochs: usize,
    /// Total number of steps, computed from the number of batches in the first epoch.
    pub(super) steps: usize,
    pub(super) position: Position,
    /// Weight of each class in the training loss. Absent where all rows count the same.
    pub(super) class_weights: Option<Vec<f32>>,
    /// Removes parts of the model during training. Absent where nothing is removed.
    pub(super) compressor: Option<Box<dyn Compressor>>,
    /// The selected parameters, in the order of `parameters`.
    pub(super) best: Option<Vec<Tensor>>,
    /// The running mean of the parameters' values, in their order. Absent before the first step and where none is kept.
    pub(super) average: Option<Vec<Tensor>>,
    pub(super) path: PathBuf,
    pub(super) made_with: Value,
    /// When this sitting began, and the seconds of training in earlier sittings.
    pub(super) began: (Instant, f64),
    /// When the last checkpoint was written, how long writing took, and at which step it was.
    pub(super) saved: (Instant, Duration, Option<usize>),
    /// When the active fraction was last computed for the progress display, and its value.
    pub(super) shown: Option<(Instant, f64)>,
}

impl<'a, T, E, H> Session<'a, T, E, H>
where
    T: Task,
    E: Encoder<Input = T::Input>,
    H: Head<T::Input>,
{
    pub(super) fn open(
        checksums: &BTreeMap<String, String>,
        training: Training<'a, T, E, H>,
        run: &RunDir,
        stop: &'a StopFlag,
    ) -> Result<Self> {
        let Training {
            task,
            model,
            config,
            seed,
            device,
        } = training;
        let mut parameters = model.parameters();
        let compressor = compressing::compressor(config, model, &mut parameters)?;
        let root = Generator::new(seed);
        let first = plan(task, config, &root, 0);
        let batches = first.len();
        if batches == 0 || task.rows(Split::Valid) == 0 {
            return Err(crate::Error::Task(format!(
                "training needs rows to train on and rows to validate on; there are {} and {}",
                task.rows(Split::Train),
                task.rows(Split::Valid)
            )));
        }
        let epochs = config.epochs_of(batches);
        let steps = epochs * batches;
        let now = Instant::now();
        let mut session = Self {
            task,
            model,
            config,
            device,
            stop,
            root,
            optimiser: Optimiser::new(&parameters, &config.optimiser, steps)?,
            made_with: made_with(
                checksums,
                task,
                config,
                seed,
                model.gates().first().and_then(|gate| gate.config()),
                &parameters,
            )?,
            parameters,
            class_weights: config.class_weights.of(task, &first, device)?,
            epochs,
            compressor,
            steps,
            position: Position::default(),
            best: None,
            average: None,
            path: run.checkpoint_path(),
            began: (now, 0.0),
            saved: (now, Duration::ZERO, None),
            shown: None,
        };
        match Checkpoint::read(&session.path, &session.made_with)? {
            Some(checkpoint) => session.restore(&checkpoint)?,
            None => session.start_compressing()?,
        }
        Ok(session)
    }

    pub(super) fn run(mut self, progress: &mut dyn Progress) -> Result<Outcome> {
        let mut first = true;
        if self.config.recipe.settles()
            && self.position.step == 0
            && self.position.start_loss.is_none()
            && self.compressor.is_none()
        {
            // The untrained model may be the best one, where it starts from something fitted.
            self.consider(progress)?;
            self.position.start_loss = self.position.best.map(|(_, loss)| loss);
        }
        while !self.position.finished {
            let plan = plan(self.task, self.config, &self.root, self.position.epoch);
            while self.position.batch < plan.len() {
                if self.stop.is_set() {
                    self.save()?;
                    return Err(crate::Error::Stopped);
                }
                self.step(&plan, first, progress)?;
                first = false;
                self.show(progress)?;
                self.save_if_due()?;
            }
            self.position.epoch += 1;
            self.position.batch = 0;
            let last = self.position.epoch == self.epochs;
            if last
                || self
                    .position
                    .epoch
                    .is_multiple_of(self.config.validate_every)
            {
                self.validate(progress)?;
            }
            if last {
                self.settle_at_the_end(progress)?;
            }
            let patience = self.config.patience;
            if last || (patience > 0 && self.may_select() && self.position.stale >= patience) {
                self.finish()?;
            } else {
                self.save_if_due()?;
            }
        }
        let selection = Selection::of(&self.position, self.config.select_by);
        Ok(Outcome {
            history: self.position.history,
            best_epoch: self
                .position
                .best
                .map_or(self.position.epoch, |(epoch, _)| epoch),
            selection,
            train_seconds: self.position.seconds,
            steps: self.position.step,
            kept: self.position.kept,
            notes: Vec::new(),
        })
    }

    /// Processes one batch: forward, backward, update.
    fn step(&mut self, plan: &[Vec<u32>], first: bool, console: &mut dyn Progress) -> Result<()> {
        let done = self.position.batch as f64 / plan.len() as f64;
        let progress = (self.position.epoch as f64 + done) / self.epochs as f64;
        let steering = self.steer(progress, console)?;
        let batch = self
            .task
            .batch(Split::Train, &plan[self.position.batch], self.device)?;
        self.compress(progress, |compressor, stage| {
            compressor.update(stage)?;
            compressor.before_pass(stage)
        })?;
        let mut generator = self.root.stream("step", self.position.step as u64);
        let mut mode = Mode::Train(&mut generator);
        let tape = Tape::start()?;
        let mixing = self.mixing(batch.rows.len());
        let forward = self.pass(&batch, mixing.as_ref(), steering.gating(), &mut mode)?;
        let task_loss = self.task_loss(&forward, &batch, mixing.as_ref())?;
        let loss = f64::from(
            task_loss
                .to_dtype(candle_core::DType::F32)?
                .to_scalar::<f32>()?,
        );
        if !loss.is_finite() {
            return Err(self.not_finite(&format!("the training loss is {loss}")));
        }
        let objective = self.objective(&task_loss, &forward, &batch.labels, steering)?;
        let mut gradients = tape.backward(&objective)?;
        self.note(&forward.gated)?;
        self.compress_gradients(progress, &mut gradients, &forward)?;
        // Settled gates get no gradient. Whether one reaches them was checked before they settled.
        let all = first && !steering.settled;
        let along = self.config.along_the_phase(progress, steering.settled);
        match self.optimiser.step(&mut gradients, along, all)? {
            StepOutcome::Taken { .. } => {}
            StepOutcome::NotFinite { parameter } => {
                return Err(
                    self.not_finite(&format!("the gradient of `{parameter}` is not finite"))
                );
            }
        }
        self.compress(progress, |compressor, stage| compressor.after_step(stage))?;
        self.position.loss_sum += loss;
        self.position.loss_count += 1;
        self.position.batch += 1;
        self.position.step += 1;
        self.update_average(plan.len())
    }

    /// J = task + lambda * penalty + weight * coupling.
    fn objective(
        &self,
        task_loss: &Tensor,
        forward: &Forward,
        labels: &Tensor,
        steering: Steering,
    ) -> Result<Tensor> {
        let config = &self.config.objective;
        let temperature = steering.temperature;
        let penalty = if steering.lambda > 0.0 {
            self.model.penalty(&forward.gated, temperature)?
        } else {
            None
        };
        let objective = Objective {
            lambda: steering.lambda,
            coupling: config.coupling.clone(),
        };
        let now = ScheduleStep {
            temperature,
            lambda_scale: 1.0,
        };
        let value = objective.total(task_loss, penalty.as_ref(), now)?;
        match config.coupling.value(&forward.logits, labels)? {
            Some(coupling) => Ok((&value + coupling.to_dtype(value.dtype())?)?),
            None => Ok(value),
        }
    }

    fn show(&mut self, progress: &mut dyn Progress) -> Result<()> {
        let stale = |(at, _): &(Instant, f64)| at.elapsed() >= Duration::from_secs(1);
        if self.shown.as_ref().is_none_or(stale) {
            let active = self.active_now()?;
            self.shown = Some((Instant::now(), active));
        }
        let position = &self.position;
        let gates = self.model.gates();
        let gated = gates.iter().any(|gate| gate.config().is_some());
        progress.event(&ProgressEvent {
            stage: "training",
            step: position.step,
            steps: self.steps,
            loss: (position.loss_count > 0).then(|| position.loss_sum / position.loss_count as f64),
            metric: position.history.last().map(|record| record.valid_accuracy),
            active_fraction: self.shown.map(|(_, active)| active).filter(|_| gated),
        });
        Ok(())
    }

    pub(super) fn seconds(&self) -> f64 {
        self.began.1 + self.began.0.elapsed().as_secs_f64()
    }
}

/// The batches of an epoch. Their order depends only on the seed and the epoch.
pub(super) fn plan<T: Task>(
    task: &T,
    config: &TrainConfig,
    root: &Generator,
    epoch: usize,
) -> Vec<Vec<u32>> {
    let mut generator = root.stream("epoch", epoch as u64);
    task.plan(Split::Train, config.batch_size, Some(&mut generator))
}
