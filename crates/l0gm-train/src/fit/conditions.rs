//! A gated model under the conditions of the robustness protocol. The input is perturbed where the task supports it,
//! otherwise the interface in front of the gate.

use super::GatedPredictor;
use crate::robustness::report_condition;
use crate::{
    Condition, Encoder, Error, FeatureScale, Gating, Head, Offered, Perturbation, Perturbed,
    PerturbedLogits, Result, RunContext, Split, Task,
};
use candle_core::{DType, Device, Tensor};
use l0gm_ops::Mode;

/// The value of a hidden dimension of the interface. A closed gate has the same effect.
const HIDDEN_DIMENSION: f32 = 0.0;
/// How records name a perturbed interface.
const INTERFACE: &str = "interface";
/// Number of rows from which an interface's spread and range are estimated, because running the encoder on more could
/// take long.
const ENOUGH: usize = 2000;

impl<T, E, H> GatedPredictor<'_, T, E, H>
where
    T: Task,
    E: Encoder<Input = T::Input>,
    H: Head<T::Input>,
{
    /// The logits of every condition, on the rows that the task plans for the protocol.
    pub(super) fn under(
        &self,
        conditions: &[Condition],
        seed: u64,
        context: &mut RunContext<'_>,
    ) -> Result<Offered<Perturbed>> {
        let plan = self.task.robustness_plan(self.batch_size);
        let rows = plan.concat();
        if rows.is_empty() {
            return Ok(Offered::No("no test rows are set aside for it".to_owned()));
        }
        let places: Vec<Option<String>> = conditions
            .iter()
            .map(|condition| self.task.perturbs(condition.kind))
            .collect();
        let perturbations: Vec<Perturbation> = conditions
            .iter()
            .map(|&condition| Perturbation { condition, seed })
            .collect();
        let mut at_the_interface =
            self.at_the_interface(&plan, &perturbations, &places, context)?;
        let mut outcomes = Vec::with_capacity(conditions.len());
        for (step, (perturbation, place)) in perturbations.iter().zip(places).enumerate() {
            report_condition(context, step, conditions.len())?;
            let logits = match &place {
                Some(_) => self.at_the_input(&plan, perturbation, context)?,
                None => std::mem::take(&mut at_the_interface[step]),
            };
            outcomes.push(PerturbedLogits {
                at: place.unwrap_or_else(|| INTERFACE.to_owned()),
                logits,
            });
        }
        Ok(Offered::Yes(Perturbed { rows, outcomes }))
    }

    /// The logits of the conditions that perturb the interface, in the plan's order; empty for the others. The
    /// encoder runs once per batch for all of them.
    fn at_the_interface(
        &self,
        plan: &[Vec<u32>],
        perturbations: &[Perturbation],
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
            for (at, perturbation) in perturbations.iter().enumerate() {
                if places[at].is_some() {
                    continue;
                }
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

    /// The logits of one condition that perturbs the input, in the plan's order.
    fn at_the_input(
        &self,
        plan: &[Vec<u32>],
        perturbation: &Perturbation,
        context: &mut RunContext<'_>,
    ) -> Result<Vec<f32>> {
        let mut logits = Vec::new();
        for rows in plan {
            stopped(context)?;
            let batch = self
                .task
                .perturbed_batch(rows, perturbation, &context.device)?;
            let out = self.model.logits(&batch.input)?;
            logits.extend(flat(&out)?);
        }
        Ok(logits)
    }

    /// The encoder's output for a batch, with the encoder's own gates applied but not yet the interface's gate.
    fn interface(&self, input: &T::Input) -> Result<Tensor> {
        let gating = Gating::Deterministic;
        self.model
            .encoder
            .encode_gated(input, gating, &mut Mode::Eval)
    }

    /// Spread and range of every dimension of the interface. They are computed from whole validation batches: all of
    /// a small split, otherwise about [`ENOUGH`] rows from batches spread evenly over it.
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
