//! Fits a gated or dense model and turns it into a predictor.

mod conditions;
mod ensemble;

pub use ensemble::{EnsemblePredictor, fit_ensemble, member_seed};

use crate::compression::{Kept, Unit, sparse_sizes};
use crate::predict::predict_and_read;
use crate::trainer::{TrainConfig, Training, train_on};
use crate::{
    Compacted, Condition, Encoder, Error, Fitted, GatedModel, Head, Latency, Offered, Perturbed,
    PredictionTable, Predictor, Result, RunContext, RunDir, Sitting, Sizes, Split, Task,
    latency_of, latency_rows,
};
use l0gm_gate::GateReading;
use std::collections::BTreeMap;

/// Builds the compact model of a trained one. `None` means that it has no compact form.
pub type Compactor<'a, E, H> = Box<dyn FnOnce(&GatedModel<E, H>) -> Result<Option<Compacted>> + 'a>;

/// A gated or dense model and all that is needed to fit it.
pub struct GatedFit<'a, T, E, H> {
    /// The data, split into training, validation and test rows.
    pub task: &'a T,
    /// The untrained model. Its parameters change in place.
    pub model: &'a GatedModel<E, H>,
    /// The training settings.
    pub config: &'a TrainConfig,
    /// Names of the interface's fields ("age", ...). Empty for a flat interface.
    pub fields: &'a [String],
    /// Parameters, FLOPs and bytes of the model, for the record.
    pub sizes: Sizes,
    /// Builds the compact model. Not called for a dense model, nor where the gates cannot be folded into the layer
    /// behind them.
    pub compact: Compactor<'a, E, H>,
}

impl<'a, T, E, H> GatedFit<'a, T, E, H>
where
    T: Task,
    E: Encoder<Input = T::Input>,
    H: Head<T::Input>,
{
    /// A fit of a model with a flat interface, without counted sizes and without a compact form.
    pub fn new(task: &'a T, model: &'a GatedModel<E, H>, config: &'a TrainConfig) -> Self {
        Self {
            task,
            model,
            config,
            fields: &[],
            sizes: Sizes::default(),
            compact: Box::new(|_| Ok(None)),
        }
    }

    /// Trains from the start, or continues from the checkpoint in the run's folder.
    ///
    /// # Errors
    /// Those of [`train`](crate::train).
    pub fn fit(
        self,
        sitting: Sitting<'_>,
        context: &mut RunContext<'_>,
    ) -> Result<Fitted<GatedPredictor<'a, T, E, H>>> {
        let checksums = &sitting.data.checksums;
        self.fit_in(sitting.run, sitting.spec.seed, checksums, context)
    }

    /// Like [`fit`](Self::fit), from a seed and in a folder that need not be the run's.
    fn fit_in(
        self,
        run: &RunDir,
        seed: u64,
        checksums: &BTreeMap<String, String>,
        context: &mut RunContext<'_>,
    ) -> Result<Fitted<GatedPredictor<'a, T, E, H>>> {
        let training = Training {
            task: self.task,
            model: self.model,
            config: self.config,
            seed,
            device: &context.device,
        };
        let outcome = train_on(checksums, training, run, context.progress, &context.stop)?;
        let mut outcome = outcome;
        let mut sizes = self.sizes;
        if let Some(kept) = outcome.kept {
            outcome.notes.push(kept.note());
            if kept.unit == Unit::Weights {
                sizes = sparse_sizes(sizes, &self.model.parameters(), kept)?;
            }
        }
        let predictor = GatedPredictor {
            task: self.task,
            model: self.model,
            batch_size: self.config.eval_batch_size,
            fields: self.fields,
            sizes,
            compact: Some(self.compact),
            refusal: outcome.kept.and_then(Kept::refusal),
            reading: None,
        };
        Ok(Fitted { predictor, outcome })
    }
}

/// A trained gated or dense model, together with the rows on which it is judged.
pub struct GatedPredictor<'a, T, E, H> {
    task: &'a T,
    model: &'a GatedModel<E, H>,
    batch_size: usize,
    fields: &'a [String],
    sizes: Sizes,
    compact: Option<Compactor<'a, E, H>>,
    /// Why there is no compact form, where what was removed leaves none.
    refusal: Option<&'static str>,
    /// What the gates leave open on the test split. Absent until that split has been predicted.
    reading: Option<GateReading>,
}

impl<T, E, H> Predictor for GatedPredictor<'_, T, E, H>
where
    T: Task,
    E: Encoder<Input = T::Input>,
    H: Head<T::Input>,
{
    fn predict(&mut self, split: Split, context: &mut RunContext<'_>) -> Result<PredictionTable> {
        let (table, reading) = predict_and_read(
            self.task,
            self.model,
            split,
            self.batch_size,
            &context.device,
            context.progress,
            &context.stop,
        )?;
        if split == Split::Test {
            self.reading = Some(reading);
        }
        Ok(table)
    }

    fn perturbed(
        &mut self,
        conditions: &[Condition],
        seed: u64,
        context: &mut RunContext<'_>,
    ) -> Result<Offered<Perturbed>> {
        self.under(conditions, seed, context)
    }

    fn latency(&mut self, context: &mut RunContext<'_>) -> Result<Offered<Latency>> {
        let rows = latency_rows(self.task, self.batch_size)?;
        let batch = self.task.batch(Split::Test, &rows, &context.device)?;
        let latency = latency_of(rows.len(), || {
            self.model.logits(&batch.input)?;
            Ok(context.device.synchronize()?)
        })?;
        Ok(Offered::Yes(latency))
    }

    fn sizes(&self) -> Offered<Sizes> {
        Offered::Yes(self.sizes)
    }

    fn gate(&mut self) -> Result<GateReading> {
        let mut reading = self.reading.take().ok_or_else(|| {
            Error::Task("the gates are read on the test split, which was not predicted".to_owned())
        })?;
        if !self.fields.is_empty() {
            reading.count_fields(self.model.gate.interface(), self.fields)?;
        }
        Ok(reading)
    }

    fn compact(&mut self, _: &mut RunContext<'_>) -> Result<Offered<Compacted>> {
        if let Some(reason) = self.refusal {
            return Ok(Offered::No(reason.to_owned()));
        }
        if self.model.gates().is_empty() {
            return Ok(Offered::No(
                "a dense model has no gates to fold away".to_owned(),
            ));
        }
        if let Err(reason) = self.model.check_compactable() {
            return Ok(Offered::No(reason.to_string()));
        }
        let compact = self
            .compact
            .take()
            .map(|build| build(self.model))
            .transpose()?;
        Ok(match compact.flatten() {
            Some(compact) => Offered::Yes(compact),
            None => Offered::No("this modality builds none for such a model".to_owned()),
        })
    }
}

#[cfg(test)]
#[path = "conditions_tests.rs"]
mod tests;
