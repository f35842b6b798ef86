//! Saves the state of a session to disk and restores it.

use super::TrainConfig;
use super::session::Session;
use crate::checkpoint::{Checkpoint, Group, first_not_finite};
use crate::{Encoder, Error, Head, Parameter, Result, Split, Task};
use l0gm_gate::GateConfig;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Largest share of the time that writing checkpoints may take. A large encoder's checkpoint takes seconds.
const CHECKPOINT_SHARE: f64 = 0.05;

impl<T, E, H> Session<'_, T, E, H>
where
    T: Task,
    E: Encoder<Input = T::Input>,
    H: Head<T::Input>,
{
    pub(super) fn restore(&mut self, checkpoint: &Checkpoint) -> Result<()> {
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
        if let (Some(compressor), Some(kept)) = (&mut self.compressor, self.position.kept) {
            compressor.restored(kept, self.position.compressed);
        }
        let taken = self.position.step - self.position.optimiser_from;
        self.optimiser.restore(taken, |parameter| {
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
        if self.position.average_age > 0 {
            let average = self
                .parameters
                .iter()
                .map(|p| checkpoint.tensor(Group::Average, p, path));
            self.average = Some(average.collect::<Result<_>>()?);
        }
        tracing::info!(
            epoch = self.position.epoch,
            step = self.position.step,
            "continued"
        );
        Ok(())
    }

    pub(super) fn save_if_due(&mut self) -> Result<()> {
        let (at, took, _) = self.saved;
        let wait = Duration::from_secs(self.config.checkpoint_seconds)
            .max(took.mul_f64(1.0 / CHECKPOINT_SHARE));
        // The setting 0 asks for a checkpoint after every step, whatever that costs.
        if self.config.checkpoint_seconds == 0 || at.elapsed() >= wait {
            self.save()
        } else {
            Ok(())
        }
    }

    pub(super) fn save(&mut self) -> Result<()> {
        // The last update may have produced a bad value that no loss has shown yet. The checkpoint before it is good
        // and must be kept.
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
            for (group, values) in [(Group::Best, &self.best), (Group::Average, &self.average)] {
                for (parameter, tensor) in self.parameters.iter().zip(values.iter().flatten()) {
                    checkpoint.insert(group, &parameter.name, tensor);
                }
            }
        }
        checkpoint.write(&self.path, &self.made_with)?;
        self.saved = (Instant::now(), start.elapsed(), Some(self.position.step));
        Ok(())
    }

    pub(super) fn not_finite(&self, what: &str) -> Error {
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

/// Everything known here that the result of a training depends on.
pub(super) fn made_with<T: Task>(
    checksums: &BTreeMap<String, String>,
    task: &T,
    config: &TrainConfig,
    seed: u64,
    gate: Option<&GateConfig>,
    parameters: &[Parameter],
) -> Result<Value> {
    let unwritable = |e| Error::Setting(format!("the settings cannot be written: {e}"));
    let mut train = serde_json::to_value(config).map_err(unwritable)?;
    if let Some(table) = train.as_object_mut() {
        // The checkpoint interval does not change the result.
        table.remove("checkpoint-seconds");
    }
    let model: serde_json::Map<String, Value> = parameters
        .iter()
        .map(|p| (p.name.clone(), json!(p.var.dims())))
        .collect();
    let mut made = json!({
        "train": train,
        "seed": seed,
        "gate": serde_json::to_value(gate).map_err(unwritable)?,
        "model": model,
        "data": checksums,
        "classes": task.classes(),
        "rows": { "train": task.rows(Split::Train), "valid": task.rows(Split::Valid) },
    });
    if let Some(teacher) = task.teacher() {
        made["teacher"] = json!(teacher.identity());
    }
    Ok(made)
}
