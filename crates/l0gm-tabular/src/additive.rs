//! A model that starts from logistic regression: before the first step it predicts what a sum of one effect a field
//! predicts, and training adds what a sum cannot say.
//!
//! Logistic regression is fitted on the same encoding, an L2 penalty chosen on the validation rows. The effect of a
//! field is a number for each of its categories, or a piecewise-linear function of its number: exactly what one column
//! of the field's embedding table can hold. So the first dimension of every field (one for each output) starts as the
//! field's effect, centred over the training rows, and the linear branch adds them up. The deep branch and the
//! interaction network start near zero. Because the effect stands behind the gate like every other dimension, a gate
//! that leaves one dimension a field open can still say what logistic regression says.

use crate::build::TableModel;
use crate::encoder::NumberEmbedding;
use crate::head::{LinearBranch, RawNumbers};
use crate::values::set_columns;
use crate::{EncodedTable, Encoding, NumberEncoding, Result, TabularSettings};
use candle_core::{Tensor, Var};
use l0gm_gate::Interface;
use l0gm_ops::Csr;
use l0gm_train::{
    Encoder, Labelled, LogisticRegression, LogisticSettings, RunContext, fit_logistic,
    layers::Linear,
};

/// Factor on the initial weights of the branches that start near zero. It is not 0, so that their layers get a
/// gradient from the first step on.
const NEAR_ZERO: f64 = 0.01;
/// Largest root mean square of a field's dimension at the start; larger effects are scaled down to it. Among .1, .3 and
/// 1, it had the lowest validation loss on Adult, bank and telescope at 500 and at 2,000 training rows.
const LARGEST: f64 = 0.3;

/// The effects of the fields, as a table for the categories and one for the numbers' edges.
struct Effects {
    outputs: usize,
    /// (category rows, outputs).
    categories: Vec<f64>,
    /// (number fields, 2 + bins, outputs): missing, then each edge.
    numbers: Vec<f64>,
    /// What is added to the sum of all effects.
    intercepts: Vec<f64>,
    /// How many logits one unit of a field's dimension stands for, at least 1: large effects are scaled down, so that
    /// the other branches, which read the same dimensions, are not dominated by them.
    unit: f64,
}

/// Puts a fitted logistic regression into an untrained model. Returns a note for the record, or `None` where the model
/// cannot hold one: numbers that are not encoded piecewise-linearly, no linear branch, more outputs than half of a
/// field's dimensions, or a factorisation machine, whose sum has no weight that could start near zero.
///
/// # Errors
/// The table cannot be encoded, the fit fails, or a stop was requested.
pub(crate) fn start_from_logistic(
    model: &TableModel,
    table: &EncodedTable,
    settings: &TabularSettings,
    seed: u64,
    context: &mut RunContext<'_>,
) -> l0gm_train::Result<Option<String>> {
    let outputs = model.head.bias.elem_count();
    let raw = matches!(model.head.linear, LinearBranch::Raw(_));
    let fits = raw || 2 * outputs <= settings.model.dim;
    if table.encoding.kind != NumberEncoding::PiecewiseLinear
        || matches!(model.head.linear, LinearBranch::None)
        || model.head.fm.is_some()
        || !fits
    {
        return Ok(None);
    }
    let split = table.loaded.split(settings, seed)?;
    let features = |rows: &[u32]| -> Result<(Csr, Vec<u32>)> {
        let encoded = table.encoding.encode(&table.loaded.table, rows)?;
        let labels = rows.iter().map(|&row| table.loaded.labels[row as usize]);
        Ok((table.encoding.sparse(&encoded)?, labels.collect()))
    };
    let (train, valid) = (features(&split.train)?, features(&split.valid)?);
    let fit = fit_logistic(
        labelled(&train),
        labelled(&valid),
        table.classes(),
        &LogisticSettings::default(),
        context.progress,
        &context.stop,
    )?;
    let effects = Effects::centred(&table.encoding, &fit.model, &train.0);
    effects.put_into(model, &table.encoding)?;
    Ok(Some(format!(
        "starts from logistic regression (validation NLL {:.4})",
        fit.chosen.valid_nll
    )))
}

fn labelled((rows, labels): &(Csr, Vec<u32>)) -> Labelled<'_> {
    Labelled {
        rows: rows.into(),
        labels,
    }
}

impl Effects {
    /// The effects of a fitted logistic regression, each field's with mean 0 over the training rows.
    fn centred(encoding: &Encoding, model: &LogisticRegression, train: &Csr) -> Self {
        let outputs = model.intercepts().len();
        let columns = model.columns();
        // Mean of every feature over the training rows: effects are linear in the features.
        let mut means = vec![0f64; columns];
        for (&column, &value) in train.indices().iter().zip(train.values()) {
            means[column as usize] += f64::from(value) / train.rows() as f64;
        }
        let mut weights: Vec<f64> = model.weights().iter().map(|w| f64::from(*w)).collect();
        let mut intercepts: Vec<f64> = model.intercepts().iter().map(|b| f64::from(*b)).collect();
        let first_number = encoding.category_rows();
        let blocks = encoding
            .categories
            .iter()
            .map(|field| field.offset as usize..(field.offset + field.rows) as usize)
            .chain((0..encoding.numbers.len()).map(|field| {
                let block = encoding.rows_per_number();
                first_number + field * block..first_number + (field + 1) * block
            }));
        let mut largest = 0f64;
        for block in blocks {
            for output in 0..outputs {
                let at = |column: usize| column * outputs + output;
                let mean: f64 = block.clone().map(|c| means[c] * weights[at(c)]).sum();
                block.clone().for_each(|column| weights[at(column)] -= mean);
                intercepts[output] += mean;
                let square: f64 = block
                    .clone()
                    .map(|c| means[c] * weights[at(c)].powi(2))
                    .sum();
                largest = largest.max(square.sqrt());
            }
        }
        let numbers = weights.split_off(first_number * outputs);
        Self {
            unit: (largest / LARGEST).max(1.0),
            outputs,
            categories: weights,
            numbers,
            intercepts,
        }
    }

    fn put_into(&self, model: &TableModel, encoding: &Encoding) -> candle_core::Result<()> {
        match &model.head.linear {
            LinearBranch::None => {}
            LinearBranch::Raw(raw) => {
                if let Some(table) = &raw.categories {
                    table.set_columns(&self.categories, encoding)?;
                }
                if let Some(RawNumbers::PiecewiseLinear(spline)) = &raw.numbers {
                    set_columns(spline.weight(), &self.spline_weights(spline)?, self.outputs)?;
                }
            }
            LinearBranch::Gated(linear) => {
                let scaled = |values: &[f64]| -> Vec<f64> {
                    values.iter().map(|value| value / self.unit).collect()
                };
                if let Some(table) = &model.encoder.categories {
                    table.set_columns(&scaled(&self.categories), encoding)?;
                }
                if let Some(NumberEmbedding::PiecewiseLinear(spline)) = &model.encoder.numbers {
                    let weights = scaled(&self.spline_weights(spline)?);
                    set_columns(spline.weight(), &weights, self.outputs)?;
                }
                self.add_up(linear, model)?;
            }
        }
        if let Some((_, output)) = &model.head.cin {
            scale(output.weight())?;
        }
        if let Some(cross) = &model.head.cross {
            scale(cross.output.weight())?;
        }
        if let Some(deep) = &model.head.deep {
            deep.scale_output(NEAR_ZERO)?;
        }
        let bias = &model.head.bias;
        let intercepts: Vec<f32> = self.intercepts.iter().map(|b| *b as f32).collect();
        bias.set(&Tensor::from_vec(intercepts, bias.shape(), bias.device())?)
    }

    /// The linear branch: each output is the sum of its own dimension of every field.
    fn add_up(&self, linear: &Linear, model: &TableModel) -> candle_core::Result<()> {
        let weight = linear.weight();
        let (outputs, width) = weight.dims2()?;
        let fields = match model.encoder.interface() {
            Interface::Fields { fields, .. } => fields,
            // A table's interface has fields; anything else is one.
            Interface::Flat { .. }
            | Interface::ChannelsFirst { .. }
            | Interface::ChannelsLast { .. } => 1,
        };
        let dim = width / fields;
        let mut values = vec![0f32; outputs * width];
        for output in 0..outputs {
            for field in 0..fields {
                values[output * width + field * dim + output] = self.unit as f32;
            }
        }
        weight.set(&Tensor::from_vec(
            values,
            (outputs, width),
            weight.device(),
        )?)
    }

    /// From values at a missing cell and at the edges to the weights of a [`SplineTable`](crate::spline::SplineTable),
    /// whose running sums they are: bias, what missing adds, and the rise over each bin.
    fn spline_weights(&self, spline: &crate::spline::SplineTable) -> candle_core::Result<Vec<f64>> {
        let (fields, rows, _) = spline.weight().dims3()?;
        let block = rows * self.outputs;
        let mut weights = vec![0f64; fields * block];
        for (values, weights) in self.numbers.chunks(block).zip(weights.chunks_mut(block)) {
            let value = |row: usize, output: usize| values[row * self.outputs + output];
            for output in 0..self.outputs {
                let mut put = |row: usize, weight| weights[row * self.outputs + output] = weight;
                put(0, value(1, output));
                put(1, value(0, output) - value(1, output));
                (2..rows).for_each(|row| put(row, value(row, output) - value(row - 1, output)));
            }
        }
        Ok(weights)
    }
}

fn scale(var: &Var) -> candle_core::Result<()> {
    var.set(&(var.as_tensor() * NEAR_ZERO)?)
}
