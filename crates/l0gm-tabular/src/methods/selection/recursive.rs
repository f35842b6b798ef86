//! A wrapper: recursive feature elimination (Guyon et al. 2002). A model is fitted, the field that matters least to it is
//! left out, and so on with those that remain, so that of two fields which say the same one stays.
//!
//! The model is a logistic regression on categories and on the numbers' bins, fitted on nine tenths of the training rows.
//! The last tenth chooses its L2 penalty and says what a field matters: how much the loss there rises where the field adds
//! to every row's logits what it adds on average.

use super::TrainingRows;
use crate::{Encoding, NumberEncoding};
use l0gm_ops::Csr;
use l0gm_train::{Error, Labelled, LogisticSettings, Result, RunContext, fit_logistic};

/// Strengths of the L2 penalty that are tried.
const STRENGTHS: [f64; 3] = [30.0, 3.0, 0.3];
/// Largest gradient at which a fit ends; ranking needs no more digits.
const TOLERANCE: f64 = 1e-3;

/// Every field, the last one left first. Elimination ends when `wanted` are left; these follow the order of their
/// worth in the last model.
pub(super) fn rank(
    rows: &TrainingRows<'_>,
    wanted: usize,
    context: &mut RunContext<'_>,
) -> Result<Vec<usize>> {
    let encoding = Encoding {
        kind: NumberEncoding::PiecewiseLinear,
        ..rows.encoding.clone()
    };
    let fields = encoding.fields().len();
    let mut left: Vec<usize> = (0..fields).collect();
    let mut eliminated = Vec::new();
    loop {
        if context.stop.is_set() {
            return Err(Error::Stopped);
        }
        let worth = worth(rows, &encoding.only(|field| left.contains(&field)), context)?;
        let order: Vec<usize> = super::best_first(&worth)
            .into_iter()
            .map(|at| left[at])
            .collect();
        if left.len() <= wanted.max(1) {
            return Ok(order
                .into_iter()
                .chain(eliminated.into_iter().rev())
                .collect());
        }
        let least = order[order.len() - 1];
        left.retain(|&field| field != least);
        eliminated.push(least);
    }
}

/// By how much the loss on the held rows rises without each field.
fn worth(
    rows: &TrainingRows<'_>,
    encoding: &Encoding,
    context: &mut RunContext<'_>,
) -> Result<Vec<f64>> {
    let (train, valid) = rows.parted();
    let part = |at: &[usize]| -> Result<(Csr, Vec<u32>)> {
        let numbers: Vec<u32> = at.iter().map(|&at| rows.numbers[at]).collect();
        let encoded = encoding.encode(rows.table, &numbers)?;
        let labels = at.iter().map(|&at| rows.labels[at]).collect();
        Ok((encoding.sparse(&encoded)?, labels))
    };
    let (train, valid) = (part(&train)?, part(&valid)?);
    let settings = LogisticSettings {
        strengths: STRENGTHS.to_vec(),
        tolerance: TOLERANCE,
        ..LogisticSettings::default()
    };
    let fit = fit_logistic(
        labelled(&train),
        labelled(&valid),
        rows.classes,
        &settings,
        &mut (),
        &context.stop,
    )?;
    let parts = Parts::new(encoding, fit.model.weights(), fit.model.intercepts());
    let means = parts.means(&train.0);
    Ok(parts.rises(&valid.0, &valid.1, &means))
}

fn labelled((rows, labels): &(Csr, Vec<u32>)) -> Labelled<'_> {
    Labelled {
        rows: rows.into(),
        labels,
    }
}

/// The logits of a logistic regression as a sum of parts, one for each field.
struct Parts<'a> {
    weights: &'a [f32],
    intercepts: &'a [f32],
    fields: usize,
    of_column: Vec<usize>,
}

impl<'a> Parts<'a> {
    fn new(encoding: &Encoding, weights: &'a [f32], intercepts: &'a [f32]) -> Self {
        let (fields, of_column) = fields_of_columns(encoding);
        Self {
            weights,
            intercepts,
            fields,
            of_column,
        }
    }

    /// What each field adds to the outputs of one row, (fields, outputs).
    fn of_row(&self, rows: &Csr, row: usize) -> Vec<f64> {
        let outputs = self.intercepts.len();
        let mut parts = vec![0f64; self.fields * outputs];
        let range = rows.indptr()[row] as usize..rows.indptr()[row + 1] as usize;
        let columns = rows.indices()[range.clone()].iter();
        for (&column, &value) in columns.zip(&rows.values()[range]) {
            let field = self.of_column[column as usize];
            for output in 0..outputs {
                let weight = self.weights[column as usize * outputs + output];
                parts[field * outputs + output] += f64::from(value * weight);
            }
        }
        parts
    }

    /// The mean part of each field, (fields, outputs).
    fn means(&self, rows: &Csr) -> Vec<f64> {
        let mut means = vec![0f64; self.fields * self.intercepts.len()];
        for row in 0..rows.rows() {
            let parts = self.of_row(rows, row);
            means.iter_mut().zip(&parts).for_each(|(m, p)| *m += p);
        }
        let n = rows.rows().max(1) as f64;
        means.iter_mut().for_each(|mean| *mean /= n);
        means
    }

    /// By how much the mean loss over rows rises where a field's part is its mean.
    fn rises(&self, rows: &Csr, labels: &[u32], means: &[f64]) -> Vec<f64> {
        let outputs = self.intercepts.len();
        let mut rises = vec![0f64; self.fields];
        for (row, &label) in labels.iter().enumerate() {
            let parts = self.of_row(rows, row);
            let mut logits: Vec<f64> = self.intercepts.iter().map(|b| f64::from(*b)).collect();
            for part in parts.chunks_exact(outputs) {
                logits.iter_mut().zip(part).for_each(|(l, p)| *l += p);
            }
            let with = loss(&logits, label);
            for (field, rise) in rises.iter_mut().enumerate() {
                let range = field * outputs..(field + 1) * outputs;
                let replaced = parts[range.clone()].iter().zip(&means[range]);
                let without: Vec<f64> = logits
                    .iter()
                    .zip(replaced)
                    .map(|(logit, (part, mean))| logit - part + mean)
                    .collect();
                *rise += loss(&without, label) - with;
            }
        }
        rises
    }
}

/// Cross-entropy of one row. A single logit is that of the second of two classes.
fn loss(logits: &[f64], label: u32) -> f64 {
    let pair = [0.0, logits[0]];
    let logits = if logits.len() == 1 { &pair } else { logits };
    let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = logits.iter().map(|logit| (logit - largest).exp()).sum();
    largest + sum.ln() - logits[label as usize]
}

/// The number of fields, and the field of each feature of [`Encoding::sparse`].
fn fields_of_columns(encoding: &Encoding) -> (usize, Vec<usize>) {
    let categories = encoding.categories.iter().map(|field| field.rows as usize);
    let numbers = encoding.numbers.iter().map(|_| encoding.rows_per_number());
    let mut of_column = Vec::new();
    let mut fields = 0;
    for columns in categories.chain(numbers) {
        of_column.extend(std::iter::repeat_n(fields, columns));
        fields += 1;
    }
    (fields, of_column)
}
