//! Calls the compressor of a training, where there is one, at its moments ([`crate::compression`]).

use super::TrainConfig;
use super::session::Session;
use super::session::plan;
use crate::compression::{Compressor, Ingredients, Stage};
use crate::{
    Encoder, Forward, GatedModel, Gating, Head, Parameter, ParameterKind, Part, Result, Split, Task,
};
use candle_core::Tensor;
use candle_core::backprop::GradStore;
use l0gm_ops::{Mode, Tape};
use std::collections::BTreeMap;

/// The compressor that the settings ask for, for a model that has not been trained. Its own tensors join the model's
/// parameters.
pub(super) fn compressor<E: Encoder, H: Head<E::Input>>(
    config: &TrainConfig,
    model: &GatedModel<E, H>,
    parameters: &mut Vec<Parameter>,
) -> Result<Option<Box<dyn Compressor>>> {
    let Some(asked) = &config.compression else {
        return Ok(None);
    };
    // The compressor alone decides what the gate passes.
    for parameter in parameters.iter_mut().filter(|p| p.part == Part::Gate) {
        parameter.kind = ParameterKind::Fixed;
    }
    let compressor = asked.compressor(&Ingredients {
        parameters,
        gate: &model.gate,
        readers: model.head.readers(),
    })?;
    parameters.extend(compressor.state());
    Ok(Some(compressor))
}

impl<T, E, H> Session<'_, T, E, H>
where
    T: Task,
    E: Encoder<Input = T::Input>,
    H: Head<T::Input>,
{
    /// Lets the compressor look at the gradients of some batches before the first step of a run.
    pub(super) fn start_compressing(&mut self) -> Result<()> {
        let Some(compressor) = &self.compressor else {
            return Ok(());
        };
        let gradients = self.probe(compressor.batches_to_probe())?;
        self.compress(0.0, |compressor, stage| compressor.start(stage, &gradients))
    }

    /// The sums of the task loss's gradients over the first batches of training, by parameter. No step is taken. The passes
    /// are those of training, because a head may predict with fitted numbers that hide its weights.
    fn probe(&self, batches: usize) -> Result<BTreeMap<String, Tensor>> {
        let mut sums: BTreeMap<String, Tensor> = BTreeMap::new();
        let batches = match batches {
            0 => Vec::new(),
            n => plan(self.task, self.config, &self.root, 0)
                .into_iter()
                .take(n)
                .collect(),
        };
        for (number, rows) in batches.into_iter().enumerate() {
            let batch = self.task.batch(Split::Train, &rows, self.device)?;
            let mut noise = self.root.stream("probe", number as u64);
            let tape = Tape::start()?;
            let gating = Gating::Deterministic;
            let forward = self
                .model
                .forward(&batch.input, gating, &mut Mode::Train(&mut noise))?;
            let loss = self.model.head.loss(&forward, &batch.labels)?;
            let gradients = tape.backward(&loss)?;
            for parameter in &self.parameters {
                let Some(gradient) = gradients.get(parameter.var.as_tensor()) else {
                    continue;
                };
                let sum = match sums.get(&parameter.name) {
                    Some(sum) => (sum + gradient)?,
                    None => gradient.clone(),
                };
                sums.insert(parameter.name.clone(), sum.detach());
            }
        }
        Ok(sums)
    }

    /// Calls the compressor, if there is one, at this share of training.
    pub(super) fn compress(
        &mut self,
        progress: f64,
        job: impl FnOnce(&mut dyn Compressor, &mut Stage<'_>) -> Result<()>,
    ) -> Result<()> {
        let Some(mut compressor) = self.compressor.take() else {
            return Ok(());
        };
        let mut restart = false;
        let mut stage = Stage {
            optimiser: &mut self.optimiser,
            average: &mut self.average,
            parameters: &self.parameters,
            config: self.config,
            root: &self.root,
            multiplier: &mut self.position.multiplier,
            restart: &mut restart,
            step: self.position.step,
            steps: self.steps,
            progress,
        };
        let result = job(compressor.as_mut(), &mut stage);
        self.position.kept = Some(compressor.kept());
        self.position.compressed = Some(compressor.is_done());
        self.compressor = Some(compressor);
        if restart {
            self.optimiser.forget()?;
            self.position.optimiser_from = self.position.step;
            self.position.average_age = 0;
            self.average = None;
        }
        result
    }

    /// Runs `job`, a validation, with the parameters that prediction would use if training ended now.
    pub(super) fn in_use<R>(&mut self, job: impl FnOnce(&mut Self) -> Result<R>) -> Result<R> {
        let progress = self.position.epoch as f64 / self.epochs as f64;
        self.compress(progress, |compressor, stage| compressor.update(stage))?;
        self.with_average(|session| {
            session.compress(progress, |compressor, stage| compressor.enter_use(stage))?;
            let result = job(session);
            session.compress(progress, |compressor, stage| compressor.leave_use(stage))?;
            result
        })
    }

    /// The gradients of a training step, as the compressor wants the optimiser to see them.
    pub(super) fn compress_gradients(
        &mut self,
        progress: f64,
        gradients: &mut GradStore,
        forward: &Forward,
    ) -> Result<()> {
        let interface = forward.gated.value.detach();
        self.compress(progress, |compressor, stage| {
            compressor.after_backward(stage, gradients, &interface)
        })
    }

    /// Whether the epoch that has just ended may be selected as far as compression is concerned: nothing is removed
    /// any more.
    pub(super) fn is_compressed(&self) -> bool {
        let (epoch, epochs) = (self.position.epoch, self.epochs);
        self.compressor.is_none()
            || epoch == epochs
            || self.config.controller.settled(epoch as f64 / epochs as f64)
    }
}
