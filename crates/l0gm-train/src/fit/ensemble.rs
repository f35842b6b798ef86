//! A deep ensemble: the same model trained from several seeds. The mean of its members' probabilities is the prediction.
//!
//! Each member is trained in a folder of its own below the run's, so that an ensemble that was cut off continues with
//! the member it was at.

use super::{GatedFit, GatedPredictor};
use crate::trainer::Outcome;
use crate::{
    Compacted, Condition, Encoder, Error, Fitted, Head, Latency, Offered, Perturbed,
    PredictionTable, Predictor, Result, RunContext, RunDir, Sitting, Sizes, Split, Task,
    latency_of, latency_rows,
};
use l0gm_gate::GateReading;
use l0gm_ops::Generator;

/// The seed of an ensemble's member. The first has the run's own.
pub fn member_seed(seed: u64, member: usize) -> u64 {
    match member {
        0 => seed,
        // Seeds stand in JSON, where numbers are exact up to 2^53.
        _ => {
            Generator::new(seed)
                .stream("member", member as u64)
                .next_u64()
                >> 11
        }
    }
}

/// Fits every member, each from its own seed ([`member_seed`]) and in its own folder.
///
/// # Errors
/// Those of [`GatedFit::fit`]; there is no member.
pub fn fit_ensemble<'a, T, E, H>(
    members: Vec<GatedFit<'a, T, E, H>>,
    sitting: Sitting<'_>,
    context: &mut RunContext<'_>,
) -> Result<Fitted<EnsemblePredictor<'a, T, E, H>>>
where
    T: Task,
    E: Encoder<Input = T::Input>,
    H: Head<T::Input>,
{
    let count = members.len();
    let mut fitted = Vec::with_capacity(count);
    let mut whole: Option<Outcome> = None;
    for (number, member) in members.into_iter().enumerate() {
        let folder = sitting.run.path().join(format!("member-{}", number + 1));
        let run = RunDir::open(&folder)?;
        let seed = member_seed(sitting.spec.seed, number);
        let Fitted { predictor, outcome } =
            member.fit_in(&run, seed, &sitting.data.checksums, context)?;
        fitted.push(predictor);
        // The learning curve is the first member's; time and steps are those of all.
        whole = Some(match whole {
            None => outcome,
            Some(mut whole) => {
                whole.train_seconds += outcome.train_seconds;
                whole.steps += outcome.steps;
                whole
            }
        });
    }
    let mut outcome =
        whole.ok_or_else(|| Error::Task("an ensemble needs at least one member".to_owned()))?;
    outcome.notes.push(format!(
        "{count} members, probabilities averaged; learning curve and selected epoch are the first member's"
    ));
    // What is said of the first member's selection does not hold for the ensemble.
    outcome.selection = None;
    let predictor = EnsemblePredictor { members: fitted };
    Ok(Fitted { predictor, outcome })
}

/// Trained members whose probabilities are averaged.
pub struct EnsemblePredictor<'a, T, E, H> {
    members: Vec<GatedPredictor<'a, T, E, H>>,
}

/// The logarithms of the mean of the members' probabilities, row by row. Each of `members` holds logits, rows x classes.
fn averaged(members: &[Vec<f32>], classes: usize) -> Vec<f32> {
    let length = members.first().map_or(0, Vec::len);
    let mut means = vec![0f64; length];
    for logits in members {
        for (row, mean) in logits.chunks(classes).zip(means.chunks_mut(classes)) {
            let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let exp = |logit: &f32| f64::from(logit - largest).exp();
            let sum: f64 = row.iter().map(exp).sum();
            for (mean, logit) in mean.iter_mut().zip(row) {
                *mean += exp(logit) / sum / members.len() as f64;
            }
        }
    }
    let log = |mean: f64| mean.max(f64::MIN_POSITIVE).ln() as f32;
    means.into_iter().map(log).collect()
}

impl<T, E, H> Predictor for EnsemblePredictor<'_, T, E, H>
where
    T: Task,
    E: Encoder<Input = T::Input>,
    H: Head<T::Input>,
{
    fn predict(&mut self, split: Split, context: &mut RunContext<'_>) -> Result<PredictionTable> {
        let mut tables = Vec::with_capacity(self.members.len());
        for member in &mut self.members {
            tables.push(member.predict(split, context)?);
        }
        let logits: Vec<Vec<f32>> = tables.iter().map(|table| table.logits.clone()).collect();
        let mut table = tables.swap_remove(0);
        table.logits = averaged(&logits, table.classes);
        Ok(table)
    }

    fn perturbed(
        &mut self,
        conditions: &[Condition],
        seed: u64,
        context: &mut RunContext<'_>,
    ) -> Result<Offered<Perturbed>> {
        let mut all: Vec<Perturbed> = Vec::with_capacity(self.members.len());
        let mut classes = 1;
        for member in &mut self.members {
            classes = member.model.head.classes();
            match member.perturbed(conditions, seed, context)? {
                Offered::Yes(perturbed) => all.push(perturbed),
                Offered::No(reason) => return Ok(Offered::No(reason)),
            }
        }
        let mut whole = all.first().cloned().ok_or_else(|| {
            Error::Task("an ensemble without members predicts nothing".to_owned())
        })?;
        for (at, outcome) in whole.outcomes.iter_mut().enumerate() {
            let logits: Vec<Vec<f32>> = all
                .iter()
                .map(|member| member.outcomes[at].logits.clone())
                .collect();
            outcome.logits = averaged(&logits, classes);
        }
        Ok(Offered::Yes(whole))
    }

    fn latency(&mut self, context: &mut RunContext<'_>) -> Result<Offered<Latency>> {
        let Some(first) = self.members.first() else {
            return Ok(Offered::No("there is no member to time".to_owned()));
        };
        let rows = latency_rows(first.task, first.batch_size)?;
        let batch = first.task.batch(Split::Test, &rows, &context.device)?;
        let latency = latency_of(rows.len(), || {
            for member in &self.members {
                member.model.logits(&batch.input)?;
            }
            Ok(context.device.synchronize()?)
        })?;
        Ok(Offered::Yes(latency))
    }

    fn sizes(&self) -> Offered<Sizes> {
        let mut whole = Sizes::default();
        for member in &self.members {
            if let Offered::Yes(sizes) = member.sizes() {
                whole.parameters += sizes.parameters;
                whole.flops += sizes.flops;
                whole.bytes += sizes.bytes;
            }
        }
        Offered::Yes(whole)
    }

    fn gate(&mut self) -> Result<GateReading> {
        match self.members.first_mut() {
            Some(member) => member.gate(),
            None => Ok(GateReading::none()),
        }
    }

    fn compact(&mut self, _: &mut RunContext<'_>) -> Result<Offered<Compacted>> {
        Ok(Offered::No(
            "an ensemble's members have no gates to fold away".to_owned(),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_are_averaged_and_not_logits() {
        let ln = |p: f64| p.ln() as f32;
        let members = [
            vec![ln(0.9), ln(0.1), 0.0, 0.0],
            vec![5.0 + ln(0.3), 5.0 + ln(0.7), ln(0.2), ln(0.8)],
        ];
        let found: Vec<f64> = averaged(&members, 2)
            .into_iter()
            .map(|logit| f64::from(logit).exp())
            .collect();
        for (found, expected) in found.iter().zip([0.6, 0.4, 0.35, 0.65]) {
            assert!((found - expected).abs() < 1e-6, "{found} {expected}");
        }
    }

    #[test]
    fn members_have_seeds_of_their_own_and_the_first_has_the_runs() {
        let seeds: std::collections::BTreeSet<u64> = (0..5).map(|m| member_seed(7, m)).collect();
        assert_eq!(seeds.len(), 5);
        assert!(seeds.contains(&7) && seeds.iter().all(|seed| *seed < 1 << 53));
    }
}
