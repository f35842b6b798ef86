//! The linear branch of a compact model.

use crate::head::over_fields;
use crate::input::TableInput;
use crate::spline::interpolate;
use candle_core::Tensor;

/// The input of the linear branch.
#[derive(Clone, Debug)]
pub(super) enum CompactLinear {
    /// There is no linear branch, or nothing that it reads is open.
    None,
    /// Raw inputs: weights of categories, (rows, outputs), and of numbers.
    Raw(Option<Tensor>, Option<RawNumbers>),
    /// Weights of the open dimensions, (outputs, open).
    Gated(Tensor),
}

#[derive(Clone, Debug)]
pub(super) enum RawNumbers {
    /// Running sums, (fields * rows per field, outputs).
    PiecewiseLinear(Tensor),
    /// Weights of scaled values, (outputs, fields).
    Scaled(Tensor),
}

/// The terms of the raw branch, (rows, outputs) each.
pub(super) fn raw_terms(
    categories: Option<&Tensor>,
    numbers: Option<&RawNumbers>,
    input: &TableInput,
) -> candle_core::Result<Vec<Tensor>> {
    let mut terms = Vec::with_capacity(2);
    if let (Some(table), Some(categories)) = (categories, &input.categories) {
        terms.push(over_fields(l0gm_ops::embedding(table, &categories.ids)?)?);
    }
    if let (Some(numbers), Some(input)) = (numbers, &input.numbers) {
        terms.push(match numbers {
            RawNumbers::PiecewiseLinear(table) => over_fields(interpolate(table, input)?)?,
            RawNumbers::Scaled(weight) => {
                l0gm_ops::linear(&input.position.squeeze(2)?, weight, None)?
            }
        });
    }
    Ok(terms)
}
