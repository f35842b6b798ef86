//! Fields with open dimensions: from a row's cells to the open embeddings, with z folded in.

use crate::encoder::periodic_features;
use crate::input::{NumberInput, TableInput};
use crate::spline::interpolate;
use candle_core::Tensor;

/// A field with open dimensions: its column of the input and its folded table.
#[derive(Clone, Debug)]
pub(super) struct CompactField {
    pub(super) column: usize,
    /// First row of this field in the shared table.
    pub(super) offset: u32,
    pub(super) map: FieldMap,
}

#[derive(Clone, Debug)]
pub(super) enum FieldMap {
    /// Table of a category field, (rows of the field, open).
    Categories(Tensor),
    /// Running sums of a number field, (edges + 1, open).
    PiecewiseLinear(Tensor),
    /// For other encodings: frequencies (1, 1, n) if periodic, weight (features, open), offset (2, open).
    Dense(Option<Tensor>, Tensor, Tensor),
}

impl CompactField {
    /// Computes the field's open dimensions, (rows, open).
    pub(super) fn forward(&self, input: &TableInput) -> candle_core::Result<Tensor> {
        match (&self.map, &input.categories, &input.numbers) {
            (FieldMap::Categories(table), Some(categories), _) => {
                let ids = self.ids(&categories.ids)?;
                table.index_select(&ids.flatten_all()?, 0)
            }
            (FieldMap::PiecewiseLinear(table), _, Some(numbers)) => {
                interpolate(table, &self.numbers(numbers)?)?.squeeze(1)
            }
            (FieldMap::Dense(frequencies, weight, offset), _, Some(numbers)) => {
                let numbers = self.numbers(numbers)?;
                let features = match frequencies {
                    Some(frequencies) => periodic_features(&numbers.position, frequencies)?,
                    None => numbers.position.clone(),
                };
                let present = offset.index_select(&numbers.lower.flatten_all()?, 0)?;
                let x = (features.squeeze(1)?.matmul(weight)? + present)?;
                if frequencies.is_some() {
                    x.relu()
                } else {
                    Ok(x)
                }
            }
            _ => candle_core::bail!("the input has no column {} of its kind", self.column),
        }
    }

    /// Ids of one column, counted from the field's first row: (rows, 1).
    fn ids(&self, ids: &Tensor) -> candle_core::Result<Tensor> {
        let offset = Tensor::new(&[[self.offset]], ids.device())?;
        ids.narrow(1, self.column, 1)?
            .contiguous()?
            .broadcast_sub(&offset)
    }

    fn numbers(&self, input: &NumberInput) -> candle_core::Result<NumberInput> {
        let column = |x: &Tensor| x.narrow(1, self.column, 1)?.contiguous();
        Ok(NumberInput {
            lower: self.ids(&input.lower)?,
            upper: self.ids(&input.upper)?,
            position: column(&input.position)?,
            rest: column(&input.rest)?,
        })
    }
}
