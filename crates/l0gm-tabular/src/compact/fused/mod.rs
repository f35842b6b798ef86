//! The compact model's forward pass in one sweep over rows, on the CPU. The gate leaves different dimensions open in
//! each field, so operations on whole stacks of fields would need padding with zeros. Here, the open columns of each
//! field are looked up directly, and the interaction network multiplies only the open fields of each coordinate.
//!
//! Three changes save time without changing a logit. A layer reads x_i x_j and x_j x_i, so their weights are added in
//! advance. The last layer's maps are only summed, so its weights are contracted with the output's. Maps are stored
//! side by side, so one product serves all of them at once.

mod cin;
mod input;

use super::{CompactLinear, CompactModel, FieldMap, RawNumbers};
use crate::input::TableInput;
use candle_core::{Result, Tensor, bail};
use cin::{BLOCK, FusedCin, Scratch};
use input::{Input, with_input};
use rayon::prelude::*;

/// Number of rows that a thread takes at once.
const PART: usize = 64;

/// A compact model without its deep branch, arranged for the sweep.
#[derive(Clone, Debug)]
pub(super) struct Fused {
    /// Number of columns of the embeddings.
    open: usize,
    bias: Vec<f32>,
    fields: Vec<Lookup>,
    /// The raw branch: one weight row for each category, and one for each table row of numbers.
    raw_categories: Option<Vec<f32>>,
    raw_numbers: Option<Vec<f32>>,
    cin: Option<FusedCin>,
}

/// The table of one field, and the columns of the embeddings that it fills.
#[derive(Clone, Debug)]
struct Lookup {
    number: bool,
    column: usize,
    offset: u32,
    width: usize,
    start: usize,
    table: Vec<f32>,
}

impl Fused {
    /// Returns `None` if the model has something that the sweep does not support: numbers without tables, maps with
    /// an activation or a split, or many classes.
    pub(super) fn new(model: &CompactModel) -> Result<Option<Self>> {
        let outputs = model.bias.elem_count();
        let values = |tensor: &Tensor| tensor.flatten_all()?.to_vec1::<f32>();
        if !model.bias.device().is_cpu() {
            return Ok(None);
        }
        let (mut fields, mut start) = (Vec::new(), 0);
        for field in &model.fields {
            let (number, table) = match &field.map {
                FieldMap::Categories(table) => (false, table),
                FieldMap::PiecewiseLinear(table) => (true, table),
                FieldMap::Dense(..) => return Ok(None),
            };
            let width = table.dim(1)?;
            fields.push(Lookup {
                number,
                column: field.column,
                offset: field.offset,
                width,
                start,
                table: values(table)?,
            });
            start += width;
        }
        let (mut raw_categories, mut raw_numbers) = (None, None);
        if let CompactLinear::Raw(categories, numbers) = &model.linear {
            raw_categories = categories.as_ref().map(values).transpose()?;
            raw_numbers = match numbers {
                Some(RawNumbers::PiecewiseLinear(table)) => Some(values(table)?),
                Some(RawNumbers::Scaled(_)) => return Ok(None),
                None => None,
            };
        }
        let cin = match &model.cin {
            None => None,
            Some(_) => match FusedCin::new(model, outputs)? {
                Some(cin) => Some(cin),
                None => return Ok(None),
            },
        };
        Ok(Some(Self {
            open: start,
            bias: values(&model.bias)?,
            fields,
            raw_categories,
            raw_numbers,
            cin,
        }))
    }

    /// Computes the open embeddings, (rows, open), and the sum of bias, raw branch and interactions, (rows, outputs).
    pub(super) fn forward(&self, input: &TableInput, rows: usize) -> Result<(Tensor, Tensor)> {
        let outputs = self.bias.len();
        let mut x = vec![0f32; rows * self.open];
        let mut sums = vec![0f32; rows * outputs];
        with_input(input, |input| {
            let part = |(number, (x, sums)): (usize, (&mut [f32], &mut [f32]))| {
                self.part(input, number * PART, x, sums)
            };
            if self.open == 0 || rows <= PART {
                return self.part(input, 0, &mut x, &mut sums);
            }
            x.par_chunks_mut(PART * self.open)
                .zip(sums.par_chunks_mut(PART * outputs))
                .enumerate()
                .map(part)
                .collect::<Result<()>>()
        })?;
        let device = candle_core::Device::Cpu;
        Ok((
            Tensor::from_vec(x, (rows, self.open), &device)?,
            Tensor::from_vec(sums, (rows, outputs), &device)?,
        ))
    }

    /// Computes as many rows as `sums` holds, beginning with `first`.
    fn part(&self, input: &Input<'_>, first: usize, x: &mut [f32], sums: &mut [f32]) -> Result<()> {
        let outputs = self.bias.len();
        for (at, sums) in sums.chunks_exact_mut(outputs).enumerate() {
            sums.copy_from_slice(&self.bias);
            self.raw(input, first + at, sums)?;
        }
        if self.open == 0 {
            return Ok(());
        }
        for (at, x) in x.chunks_exact_mut(self.open).enumerate() {
            for field in &self.fields {
                field.look_up(
                    input,
                    first + at,
                    &mut x[field.start..field.start + field.width],
                )?;
            }
        }
        if let Some(cin) = &self.cin {
            let mut scratch = Scratch::default();
            for coordinate in &cin.coordinates {
                let xs = x.chunks(BLOCK * self.open);
                for (x, sums) in xs.zip(sums.chunks_mut(BLOCK * outputs)) {
                    if sums.len() == BLOCK * outputs {
                        cin.add::<BLOCK>(coordinate, x, self.open, sums, &mut scratch.four);
                        continue;
                    }
                    let singles = x
                        .chunks_exact(self.open)
                        .zip(sums.chunks_exact_mut(outputs));
                    for (x, sums) in singles {
                        cin.add::<1>(coordinate, x, self.open, sums, &mut scratch.one);
                    }
                }
            }
        }
        Ok(())
    }

    fn raw(&self, input: &Input<'_>, row: usize, sums: &mut [f32]) -> Result<()> {
        let outputs = sums.len();
        let mut add = |table: &[f32], at: u32, weight: f32| -> Result<()> {
            let from = at as usize * outputs;
            let Some(found) = table.get(from..from + outputs) else {
                bail!("row {at} of a table with {} rows", table.len() / outputs);
            };
            for (sum, value) in sums.iter_mut().zip(found) {
                *sum += weight * value;
            }
            Ok(())
        };
        if let (Some(table), Some((ids, count))) = (&self.raw_categories, input.ids) {
            for &id in &ids[row * count..(row + 1) * count] {
                add(table, id, 1.0)?;
            }
        }
        if let (Some(table), Some(numbers)) = (&self.raw_numbers, &input.numbers) {
            for at in row * numbers.count..(row + 1) * numbers.count {
                add(table, numbers.lower[at], numbers.rest[at])?;
                add(table, numbers.upper[at], numbers.position[at])?;
            }
        }
        Ok(())
    }
}

impl Lookup {
    /// Writes the open columns of this field for one row.
    fn look_up(&self, input: &Input<'_>, row: usize, x: &mut [f32]) -> Result<()> {
        let line = |id: u32| -> Result<&[f32]> {
            let at = id.wrapping_sub(self.offset) as usize;
            let from = at.saturating_mul(self.width);
            match self.table.get(from..from.saturating_add(self.width)) {
                Some(line) => Ok(line),
                None => bail!("row {id} is not among the rows of column {}", self.column),
            }
        };
        match (self.number, input.ids, &input.numbers) {
            (false, Some((ids, count)), _) => {
                x.copy_from_slice(line(ids[row * count + self.column])?);
            }
            (true, _, Some(numbers)) => {
                let at = row * numbers.count + self.column;
                let (lower, upper) = (line(numbers.lower[at])?, line(numbers.upper[at])?);
                let (rest, position) = (numbers.rest[at], numbers.position[at]);
                for ((x, lower), upper) in x.iter_mut().zip(lower).zip(upper) {
                    *x = lower * rest + upper * position;
                }
            }
            _ => bail!("the input has no column {} of its kind", self.column),
        }
        Ok(())
    }
}
