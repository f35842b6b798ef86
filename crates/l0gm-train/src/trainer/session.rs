//! One sitting of a training run: from the start, or from a checkpoint, to the end or to a stop.

use super::{Outcome, TrainConfig};
use crate::checkpoint::{Checkpoint, Group, Position, first_not_finite};
use crate::predict::predict;
use crate::{
    Encoder, EpochRecord, Error, GatedModel, Head, Optimiser, Parameter, Progress, ProgressEvent,
    Result, RunDir, Split, StepOutcome, StopFlag, Task,
};
use candle_core::{Device, Tensor};
use l0gm_ops::{Generator, Mode};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// A checkpoint may cost this share of the time at most: a large encoder's takes seconds to write.
const CHECKPOINT_SHARE: f64 = 0.05;

pub(super) struct Session<'a, T, E, H> {
    task: &'a T,
    model: &'a GatedModel<E, H>,
    config: &'a TrainConfig,
    device: &'a Device,
    stop: &'a StopFlag,
    root: Generator,
    parameters: Vec<Parameter>,
    optimiser: Optimiser,
    /// Steps in all, as planned for the first epoch.
    steps: usize,
    position: Position,
    /// The selected parameters, one a parameter.
    best: Option<Vec<Tensor>>,
    path: PathBuf,
    made_with: Value,
    /// When this sitting began, and how many seconds of training there were before it.
    began: (Instant, f64),
    /// When the last checkpoint was written, how long that took, and at which step.
    saved: (Instant, Duration, Option<usize>),
    /// For the progress: when the active fraction was last read, and what it was.
    shown: Option<(Instant, f64)>,
}

impl<'a, T, E, H> Session<'a, T, E, H>
where
    T: Task,
    E: Encoder<Input = T::Input>,
    H: Head<T::Input>,
{
    pub(super) fn open(
        task: &'a T,
        model: &'a GatedModel<E, H>,
        config: &'a TrainConfig,
        seed: u64,
        device: &'a Device,
        run: &RunDir,
        stop: &'a StopFlag,
    ) -> Result<Self> {
        let parameters = model.parameters();
        let root = Generator::new(seed);
        let batches = plan(task, config, &root, 0).len();
        if batches == 0 || task.rows(Split::Valid) == 0 {
            return Err(Error::Task(format!(
                "training needs rows to train on and rows to validate on; there are {} and {}",
                task.rows(Split::Train),
                task.rows(Split::Valid)
            )));
        }
        let steps = config.epochs * batches;
        let now = Instant::now();
        let mut session = Self {
            task,
            model,
            config,
            device,
            stop,
            root,
            optimiser: Optimiser::new(&parameters, &config.optimiser, steps)?,
            made_with: made_with(task, config, seed, &parameters)?,
            parameters,
            steps,
            position: Position::default(),
            best: None,
            path: run.checkpoint_path(),
            began: (now, 0.0),
            saved: (now, Duration::ZERO, None),
            shown: None,
        };
        if let Some(checkpoint) = Checkpoint::read(&session.path, &session.made_with)? {
            session.restore(&checkpoint)?;
        }
        Ok(session)
    }

    pub(super) fn run(mut self, progress: &mut dyn Progress) -> Result<Outcome> {
        let mut first = true;
        while !self.position.finished {
            let plan = plan(self.task, self.config, &self.root, self.position.epoch);
            while self.position.batch < plan.len() {
                if self.stop.is_set() {
                    self.save()?;
                    return Err(Error::Stopped);
                }
                self.step(&plan, first)?;
                first = false;
                self.show(progress)?;
                self.save_if_due()?;
            }
            self.position.epoch += 1;
            self.position.batch = 0;
            let last = self.position.epoch == self.config.epochs;
            if last
                || self
                    .position
                    .epoch
                    .is_multiple_of(self.config.validate_every)
            {
                self.validate(progress)?;
            }
            let patience = self.config.patience;
            if last || (patience > 0 && self.position.stale >= patience) {
                self.finish()?;
            } else {
                self.save_if_due()?;
            }
        }
        Ok(Outcome {
            history: self.position.history,
            best_epoch: self
                .position
                .best
                .map_or(self.position.epoch, |(epoch, _)| epoch),
            train_seconds: self.position.seconds,
            steps: self.position.step,
        })
    }

    /// One batch: forward, backward, update.
    fn step(&mut self, plan: &[Vec<u32>], first: bool) -> Result<()> {
        let done = self.position.batch as f64 / plan.len() as f64;
        let progress = (self.position.epoch as f64 + done) / self.config.epochs as f64;
        let schedule = self.config.schedule.at(progress);
        let batch = self
            .task
            .batch(Split::Train, &plan[self.position.batch], self.device)?;
        let mut generator = self.root.stream("step", self.position.step as u64);
        let mut mode = Mode::Train(&mut generator);
        let logits = self
            .model
            .logits(&batch.input, schedule.temperature, &mut mode)?;
        let task_loss = l0gm_ops::cross_entropy(&logits, &batch.labels)?;
        let loss = f64::from(
            task_loss
                .to_dtype(candle_core::DType::F32)?
                .to_scalar::<f32>()?,
        );
        if !loss.is_finite() {
            return Err(self.not_finite(&format!("the training loss is {loss}")));
        }
        let objective = self
            .config
            .objective
            .value(&task_loss, &self.model.gate, schedule)?;
        let mut gradients = objective.backward()?;
        match self.optimiser.step(&mut gradients, progress, first)? {
            StepOutcome::Taken { .. } => {}
            StepOutcome::NotFinite { parameter } => {
                return Err(
                    self.not_finite(&format!("the gradient of `{parameter}` is not finite"))
                );
            }
        }
        self.position.loss_sum += loss;
        self.position.loss_count += 1;
        self.position.batch += 1;
        self.position.step += 1;
        Ok(())
    }

    /// Judges the deterministic gate's model as it would be used if training ended here, and selects
    /// it if it is the best of those that may be selected.
    fn validate(&mut self, progress: &mut dyn Progress) -> Result<()> {
        let temperature = self.config.schedule.final_temperature();
        let predicted = predict(
            self.task,
            self.model,
            Split::Valid,
            temperature,
            self.config.eval_batch_size,
            self.device,
            progress,
            // A stop waits for the next step: half a validation is worth nothing.
            &StopFlag::default(),
        )?;
        let valid_loss = predicted.nll();
        if !valid_loss.is_finite() {
            return Err(self.not_finite(&format!("the validation loss is {valid_loss}")));
        }
        let (epoch, epochs) = (self.position.epoch, self.config.epochs);
        let then = self.config.schedule.at(epoch as f64 / epochs as f64);
        let gate = &self.model.gate;
        let active_fraction = gate.active_fraction(temperature)?.0;
        self.shown = Some((Instant::now(), active_fraction));
        let record = EpochRecord {
            epoch,
            train_loss: self.position.loss_sum / self.position.loss_count.max(1) as f64,
            valid_loss,
            valid_accuracy: predicted.accuracy(),
            active_fraction,
            expected_l0: gate.expected_l0(then.temperature)?,
            temperature: then.temperature.0,
            lambda: self.config.objective.lambda * then.lambda_scale,
            seconds: self.seconds(),
        };
        tracing::debug!(epoch, valid_loss, active_fraction, "validated");
        self.position.history.push(record);
        self.position.loss_sum = 0.0;
        self.position.loss_count = 0;
        // The last epoch is always validated, so that something is always selected.
        let from = epochs as f64 * (1.0 - self.config.select_from_last);
        if epoch as f64 > from + 1e-9 {
            if self.position.best.is_none_or(|(_, best)| valid_loss < best) {
                self.position.best = Some((epoch, valid_loss));
                self.position.stale = 0;
                self.best = Some(snapshot(&self.parameters)?);
            } else {
                self.position.stale += 1;
            }
        }
        Ok(())
    }

    /// Puts the selected parameters into the model and writes them as the last checkpoint.
    fn finish(&mut self) -> Result<()> {
        if let Some(best) = &self.best {
            for (parameter, tensor) in self.parameters.iter().zip(best) {
                parameter.var.set(tensor)?;
            }
        }
        self.position.finished = true;
        self.save()
    }

    fn restore(&mut self, checkpoint: &Checkpoint) -> Result<()> {
        self.position = checkpoint.position.clone();
        self.began = (Instant::now(), self.position.seconds);
        self.saved.2 = Some(self.position.step);
        let path = &self.path;
        for parameter in &self.parameters {
            parameter
                .var
                .set(&checkpoint.tensor(Group::Parameter, parameter, path)?)?;
        }
        if self.position.finished {
            return Ok(());
        }
        self.optimiser.restore(self.position.step, |parameter| {
            Ok((
                checkpoint.tensor(Group::First, parameter, path)?,
                checkpoint.tensor(Group::Second, parameter, path)?,
            ))
        })?;
        if self.position.best.is_some() {
            let best = self
                .parameters
                .iter()
                .map(|p| checkpoint.tensor(Group::Best, p, path));
            self.best = Some(best.collect::<Result<_>>()?);
        }
        tracing::info!(
            epoch = self.position.epoch,
            step = self.position.step,
            "continued"
        );
        Ok(())
    }

    fn save_if_due(&mut self) -> Result<()> {
        let (at, took, _) = self.saved;
        let wait = Duration::from_secs(self.config.checkpoint_seconds)
            .max(took.mul_f64(1.0 / CHECKPOINT_SHARE));
        // 0 asks for one every step, whatever that costs.
        if self.config.checkpoint_seconds == 0 || at.elapsed() >= wait {
            self.save()
        } else {
            Ok(())
        }
    }

    fn save(&mut self) -> Result<()> {
        // An update may have left a value that no loss has shown yet: the checkpoint before is good.
        if let Some(parameter) = first_not_finite(&self.parameters)? {
            return Err(self.not_finite(&format!("the parameter `{parameter}` is not finite")));
        }
        let start = Instant::now();
        self.position.seconds = self.seconds();
        let mut checkpoint = Checkpoint::new(self.position.clone());
        for parameter in &self.parameters {
            checkpoint.insert(Group::Parameter, &parameter.name, &parameter.var);
        }
        if !self.position.finished {
            for (name, first, second) in self.optimiser.moments() {
                checkpoint.insert(Group::First, name, first);
                checkpoint.insert(Group::Second, name, second);
            }
            for (parameter, tensor) in self.parameters.iter().zip(self.best.iter().flatten()) {
                checkpoint.insert(Group::Best, &parameter.name, tensor);
            }
        }
        checkpoint.write(&self.path, &self.made_with)?;
        self.saved = (Instant::now(), start.elapsed(), Some(self.position.step));
        Ok(())
    }

    fn show(&mut self, progress: &mut dyn Progress) -> Result<()> {
        let stale = |(at, _): &(Instant, f64)| at.elapsed() >= Duration::from_secs(1);
        if self.shown.as_ref().is_none_or(stale) {
            let temperature = self.config.schedule.final_temperature();
            let active = self.model.gate.active_fraction(temperature)?.0;
            self.shown = Some((Instant::now(), active));
        }
        let position = &self.position;
        progress.event(&ProgressEvent {
            stage: "training",
            step: position.step,
            steps: self.steps,
            loss: (position.loss_count > 0).then(|| position.loss_sum / position.loss_count as f64),
            metric: position.history.last().map(|record| record.valid_accuracy),
            active_fraction: self.shown.map(|(_, active)| active),
        });
        Ok(())
    }

    fn seconds(&self) -> f64 {
        self.began.1 + self.began.0.elapsed().as_secs_f64()
    }

    fn not_finite(&self, what: &str) -> Error {
        let kept = match self.saved.2 {
            Some(step) => {
                format!(
                    "the last good checkpoint, after step {step}, is kept in {}",
                    self.path.display()
                )
            }
            None => "there is no checkpoint yet".to_owned(),
        };
        Error::NotFinite(format!(
            "epoch {}, step {}: {what}; {kept}. A lower learning rate or `optimiser.clip-norm` usually \
             helps",
            self.position.epoch + 1,
            self.position.step + 1
        ))
    }
}

/// An epoch's batches; the order depends on the seed and the epoch alone.
fn plan<T: Task>(task: &T, config: &TrainConfig, root: &Generator, epoch: usize) -> Vec<Vec<u32>> {
    let mut generator = root.stream("epoch", epoch as u64);
    task.plan(Split::Train, config.batch_size, Some(&mut generator))
}

/// Deep copies of every parameter.
fn snapshot(parameters: &[Parameter]) -> Result<Vec<Tensor>> {
    parameters
        .iter()
        .map(|p| Ok(p.var.as_tensor().detach().copy()?))
        .collect()
}

/// Everything a training's result depends on, as far as it is known here.
fn made_with<T: Task>(
    task: &T,
    config: &TrainConfig,
    seed: u64,
    parameters: &[Parameter],
) -> Result<Value> {
    let mut train = serde_json::to_value(config)
        .map_err(|e| Error::Setting(format!("the settings cannot be written: {e}")))?;
    if let Some(table) = train.as_object_mut() {
        // How often a checkpoint is written changes nothing.
        table.remove("checkpoint-seconds");
    }
    let model: serde_json::Map<String, Value> = parameters
        .iter()
        .map(|p| (p.name.clone(), json!(p.var.dims())))
        .collect();
    Ok(json!({
        "train": train,
        "seed": seed,
        "model": model,
        "classes": task.classes(),
        "rows": { "train": task.rows(Split::Train), "valid": task.rows(Split::Valid) },
    }))
}
