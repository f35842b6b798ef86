//! Every method that ends in a logistic regression: a modality says what the features of a row are, and how they are
//! perturbed; fitting, predicting and timing are the same.

use super::rows::some_rows;
use super::{Labelled, LogisticRegression, LogisticSettings, Rows, fit_logistic};
use crate::{
    Condition, Fitted, LATENCY_BATCH, Latency, Offered, Outcome, Perturbation, Perturbed,
    PerturbedLogits, PredictionTable, Predictor, Result, RunContext, Sitting, Sizes, Split,
    latency_of, report_condition,
};
use std::time::Instant;

/// Rows of three splits as features.
pub trait FeatureTask {
    /// Number of classes.
    fn classes(&self) -> usize;

    /// Features and labels of a split.
    fn split(&self, split: Split) -> Labelled<'_>;

    /// Test rows that the robustness protocol judges. Default: all.
    fn judged_rows(&self) -> Vec<u32> {
        (0..self.split(Split::Test).labels.len() as u32).collect()
    }

    /// Logits of some test rows under a condition, and what was perturbed. How a row is perturbed must depend on the
    /// perturbation and the row alone.
    ///
    /// # Errors
    /// The rows cannot be turned into features.
    fn perturbed(
        &self,
        model: &LogisticRegression,
        rows: &[u32],
        perturbation: &Perturbation,
    ) -> Result<PerturbedLogits>;
}

/// A fitted logistic regression on a task's features.
#[derive(Debug)]
pub struct LogisticPredictor<T> {
    task: T,
    model: LogisticRegression,
}

impl<T: FeatureTask> LogisticPredictor<T> {
    /// Fits on the training rows, and keeps the model in the run's folder. The penalty is chosen on the validation
    /// rows and noted in the outcome.
    ///
    /// # Errors
    /// As [`fit_logistic`], or the model cannot be written.
    pub fn fit(
        task: T,
        settings: &LogisticSettings,
        sitting: Sitting<'_>,
        context: &mut RunContext<'_>,
    ) -> Result<Fitted<Self>> {
        let began = Instant::now();
        let fit = fit_logistic(
            task.split(Split::Train),
            task.split(Split::Valid),
            task.classes(),
            settings,
            context.progress,
            &context.stop,
        )?;
        fit.model.write(sitting.run, &sitting.spec.id())?;
        let mut outcome = Outcome::without_epochs(began.elapsed().as_secs_f64());
        outcome.notes.push(fit.note());
        if !context.device.is_cpu() {
            outcome.notes.push("fitted and timed on the CPU".to_owned());
        }
        Ok(Fitted {
            predictor: Self {
                task,
                model: fit.model,
            },
            outcome,
        })
    }
}

impl<T: FeatureTask> Predictor for LogisticPredictor<T> {
    fn predict(&mut self, split: Split, _: &mut RunContext<'_>) -> Result<PredictionTable> {
        let Labelled { rows, labels } = self.task.split(split);
        Ok(PredictionTable {
            split,
            rows: (0..labels.len() as u32).collect(),
            labels: labels.to_vec(),
            logits: self.model.logits_of(rows)?,
            classes: self.task.classes(),
        })
    }

    fn perturbed(
        &mut self,
        conditions: &[Condition],
        seed: u64,
        context: &mut RunContext<'_>,
    ) -> Result<Offered<Perturbed>> {
        let rows = self.task.judged_rows();
        if rows.is_empty() {
            return Ok(Offered::No("no test rows are set aside for it".to_owned()));
        }
        let mut outcomes = Vec::with_capacity(conditions.len());
        for (step, &condition) in conditions.iter().enumerate() {
            report_condition(context, step, conditions.len())?;
            let perturbation = Perturbation { condition, seed };
            outcomes.push(self.task.perturbed(&self.model, &rows, &perturbation)?);
        }
        Ok(Offered::Yes(Perturbed { rows, outcomes }))
    }

    /// Of the product with ready features.
    fn latency(&mut self, _: &mut RunContext<'_>) -> Result<Offered<Latency>> {
        let all = self.task.split(Split::Test).rows;
        let some = match all {
            Rows::Sparse(test) => {
                let first: Vec<u32> = (0..test.rows().min(LATENCY_BATCH) as u32).collect();
                Some(some_rows(test, &first)?)
            }
            // Products are of all rows together.
            Rows::Dense(_) | Rows::Products(_) => None,
        };
        let rows = some.as_ref().map_or(all, Rows::Sparse);
        let latency = latency_of(rows.count(), || self.model.logits_of(rows).map(|_| ()))?;
        Ok(Offered::Yes(latency))
    }

    fn sizes(&self) -> Offered<Sizes> {
        let rows = self.task.split(Split::Test).rows;
        let entries = rows.multiplications().div_ceil(rows.count().max(1));
        let parameters = self.model.parameters() as u64;
        Offered::Yes(Sizes {
            parameters,
            flops: self.model.flops(entries) as u64,
            bytes: 4 * parameters,
        })
    }
}
