//! Runs the protocol on a trained model.

use super::{Condition, ConditionResult, FeatureScale, Perturbation, Robustness, Score};
use crate::{
    Batch, Encoder, Error, GatedModel, Gating, Head, Metrics, PredictionTable, ProgressEvent,
    Result, RunContext, Split, Task,
};
use candle_core::{DType, Device, Tensor};
use l0gm_gate::calibration::{
    EqualWidth, Predictions, brier_score, ece_noise_floor, expected_calibration_error,
    negative_log_likelihood, scale_logits,
};
use l0gm_ops::{Generator, Mode};
use std::time::Instant;

/// A hidden dimension of the interface is 0: what a closed gate makes of it.
const HIDDEN_DIMENSION: f32 = 0.0;
/// What a perturbed interface is called.
const INTERFACE: &str = "interface";
/// Rows that an interface's spread and range are taken from, where an encoder may take long for more.
const ENOUGH: usize = 2000;
/// Resamples of each noise floor: its mean is wanted, not its tail.
const RESAMPLES: usize = 100;

/// What is judged, and by what.
pub(crate) struct Judged<'a, T, E, H> {
    pub(crate) task: &'a T,
    pub(crate) model: &'a GatedModel<E, H>,
    /// Fitted on validation, divides the logits.
    pub(crate) scaling: f64,
    pub(crate) batch_size: usize,
    pub(crate) seed: u64,
    pub(crate) bins: usize,
}

/// Every condition on the rows that the task gives, or `None` where it gives none. `clean`: the predictions
/// of the whole test split. Errors: a forward pass fails, the task breaks its contract, a stop request.
pub(crate) fn judge<T, E, H>(
    judged: &Judged<'_, T, E, H>,
    clean: &PredictionTable,
    context: &mut RunContext<'_>,
) -> Result<Option<Robustness>>
where
    T: Task,
    E: Encoder<Input = T::Input>,
    H: Head<T::Input>,
{
    let began = Instant::now();
    let plan = judged.task.robustness_plan(judged.batch_size);
    let rows: usize = plan.iter().map(Vec::len).sum();
    if rows == 0 {
        return Ok(None);
    }
    let places: Vec<Option<String>> = Condition::PROTOCOL
        .iter()
        .map(|condition| judged.task.perturbs(condition.kind))
        .collect();
    let steps = Condition::PROTOCOL.len();
    let mut logits = judged.at_the_interface(&plan, &places, context)?;
    let mut conditions = Vec::with_capacity(steps);
    for (step, (condition, place)) in Condition::PROTOCOL.into_iter().zip(places).enumerate() {
        report(context, step, steps)?;
        let of_condition = match &place {
            Some(_) => judged.at_the_input(&plan, condition, context)?,
            None => std::mem::take(&mut logits[step]),
        };
        conditions.push(ConditionResult {
            condition,
            at: place.unwrap_or_else(|| INTERFACE.to_owned()),
            score: judged.score(&plan, of_condition, clean)?,
        });
    }
    let untouched = plan
        .iter()
        .flatten()
        .map(|&row| clean_row(clean, row))
        .collect::<Result<Vec<_>>>()?
        .concat();
    Ok(Some(Robustness {
        rows,
        bins: judged.bins,
        clean: judged.score(&plan, untouched, clean)?,
        conditions,
        seconds: began.elapsed().as_secs_f64(),
    }))
}

impl<T, E, H> Judged<'_, T, E, H>
where
    T: Task,
    E: Encoder<Input = T::Input>,
    H: Head<T::Input>,
{
    /// Logits of every condition without a place at the input, in the plan's order; empty for the others. The
    /// encoder runs once a batch for all of them.
    fn at_the_interface(
        &self,
        plan: &[Vec<u32>],
        places: &[Option<String>],
        context: &mut RunContext<'_>,
    ) -> Result<Vec<Vec<f32>>> {
        let mut logits = vec![Vec::new(); places.len()];
        if places.iter().all(Option::is_some) {
            return Ok(logits);
        }
        let scales = self.interface_scales(context)?;
        for rows in plan {
            stopped(context)?;
            let batch = self.task.batch(Split::Test, rows, &context.device)?;
            let r = self.interface(&batch.input)?;
            let values = flat(&r)?;
            for (at, condition) in Condition::PROTOCOL.into_iter().enumerate() {
                if places[at].is_some() {
                    continue;
                }
                let perturbation = self.perturbation(condition);
                let mut values = values.clone();
                for (&row, values) in rows.iter().zip(values.chunks_mut(scales.len())) {
                    perturbation.apply(u64::from(row), values, &scales, HIDDEN_DIMENSION);
                }
                let perturbed =
                    Tensor::from_vec(values, r.shape(), &Device::Cpu)?.to_device(r.device())?;
                let out = self.model.forward_from(
                    &perturbed.to_dtype(r.dtype())?,
                    &batch.input,
                    Gating::Deterministic,
                    &mut Mode::Eval,
                )?;
                logits[at].extend(flat(&out.logits)?);
            }
        }
        Ok(logits)
    }

    /// Logits of a condition with a place at the input, in the plan's order.
    fn at_the_input(
        &self,
        plan: &[Vec<u32>],
        condition: Condition,
        context: &mut RunContext<'_>,
    ) -> Result<Vec<f32>> {
        let perturbation = self.perturbation(condition);
        let mut logits = Vec::new();
        for rows in plan {
            stopped(context)?;
            let batch: Batch<T::Input> =
                self.task
                    .perturbed_batch(rows, &perturbation, &context.device)?;
            let out = self.model.logits(&batch.input)?;
            logits.extend(flat(&out)?);
        }
        Ok(logits)
    }

    fn perturbation(&self, condition: Condition) -> Perturbation {
        Perturbation {
            condition,
            seed: self.seed,
        }
    }

    /// What the encoder makes of a batch, through its own gates; the interface's gate comes after.
    fn interface(&self, input: &T::Input) -> Result<Tensor> {
        let gating = Gating::Deterministic;
        self.model
            .encoder
            .encode_gated(input, gating, &mut Mode::Eval)
    }

    /// Spread and range of every dimension of the interface over validation batches, spread over the split:
    /// all of a small one, else some [`ENOUGH`] rows.
    fn interface_scales(&self, context: &mut RunContext<'_>) -> Result<Vec<FeatureScale>> {
        let width = self.model.encoder.interface().width();
        let every = (self.task.rows(Split::Valid) / ENOUGH).max(1);
        let plan = self.task.plan(Split::Valid, self.batch_size, None);
        let mut values = Vec::new();
        for rows in plan.iter().step_by(every) {
            stopped(context)?;
            let batch = self.task.batch(Split::Valid, rows, &context.device)?;
            values.extend(flat(&self.interface(&batch.input)?)?);
        }
        Ok(FeatureScale::of_columns(&values, width))
    }

    /// `logits` are of the plan's rows, in its order; labels are `clean`'s.
    fn score(&self, plan: &[Vec<u32>], logits: Vec<f32>, clean: &PredictionTable) -> Result<Score> {
        let rows: Vec<u32> = plan.iter().flatten().copied().collect();
        if logits.len() != rows.len() * clean.classes {
            return Err(Error::Task(format!(
                "robustness: {} logits for {} rows of {} classes",
                logits.len(),
                rows.len(),
                clean.classes
            )));
        }
        let labels = rows.iter().map(|row| clean.labels[*row as usize]).collect();
        let table = PredictionTable {
            split: Split::Test,
            rows,
            labels,
            logits,
            classes: clean.classes,
        };
        let metrics = Metrics::from_predictions(&table);
        let raw = table.logits_f64();
        let bins = EqualWidth::new(self.bins)?;
        let of = |logits: &[f64]| Predictions::from_logits(logits, &table.labels, table.classes);
        let trained = of(&raw)?;
        let scaled = of(&scale_logits(&raw, self.scaling)?)?;
        let ece = |p: &Predictions| expected_calibration_error(&bins.sums(&p.top_label()));
        let mut generator = Generator::new(self.seed).stream("noise floor", 0);
        let noise = ece_noise_floor(&trained.top_label(), bins, RESAMPLES, &mut generator)?;
        Ok(Score {
            accuracy: metrics.accuracy,
            auc: metrics.auc,
            macro_f1: metrics.macro_f1,
            nll: negative_log_likelihood(&trained),
            brier: brier_score(&trained),
            ece: ece(&trained),
            ece_noise: noise.mean,
            nll_scaled: negative_log_likelihood(&scaled),
            brier_scaled: brier_score(&scaled),
            ece_scaled: ece(&scaled),
        })
    }
}

/// The whole split's logits stand in row order.
fn clean_row(clean: &PredictionTable, row: u32) -> Result<&[f32]> {
    let start = row as usize * clean.classes;
    clean
        .logits
        .get(start..start + clean.classes)
        .ok_or_else(|| {
            Error::Task(format!(
                "robustness: row {row} is planned, but the test split has {} rows",
                clean.rows.len()
            ))
        })
}

fn flat(tensor: &Tensor) -> Result<Vec<f32>> {
    Ok(tensor.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?)
}

fn stopped(context: &RunContext<'_>) -> Result<()> {
    if context.stop.is_set() {
        return Err(Error::Stopped);
    }
    Ok(())
}

fn report(context: &mut RunContext<'_>, step: usize, steps: usize) -> Result<()> {
    context.progress.event(&ProgressEvent {
        stage: "robustness",
        step,
        steps,
        loss: None,
        metric: None,
        active_fraction: None,
    });
    stopped(context)
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
