//! The compact model's forward pass in one sweep over rows, on the CPU, from ids and positions to logits. The gate leaves
//! different dimensions open in each field, so operations on whole stacks of fields would need padding with zeros. Here,
//! the open columns of each field are looked up directly, and the interaction network multiplies only the open fields of
//! each coordinate.
//!
//! What is linear in the open columns of one field is added up in advance for every row of its table, so that it is
//! looked up with them. The interactions are a polynomial ([`polynomial`]) or, where that would have more monomials than
//! the maps have products, maps whose weights are contracted as far as possible ([`cin`]). The hidden layers are packed
//! ([`PackedLinear`]), and a part of the rows goes through all of them while it is in the cache.

mod cin;
mod input;
mod lookup;
mod polynomial;

use super::{CompactLinear, CompactModel, CompactOutput, RawNumbers};
use crate::encoding::EncodedRows;
use crate::input::TableInput;
use candle_core::{Result, Tensor, bail};
use cin::{BLOCK, FusedCin, Scratch};
use input::{Input, with_input};
use l0gm_ops::PackedLinear;
use lookup::Lookup;
use polynomial::{LANES, Polynomial};
use rayon::prelude::*;

/// Number of rows that a thread takes at once.
const PART: usize = 64;

/// A compact model, arranged for the sweep.
#[derive(Clone, Debug)]
pub(super) struct Fused {
    /// Number of columns of the embeddings.
    open: usize,
    bias: Vec<f32>,
    fields: Vec<Lookup>,
    /// The raw branch: one weight row for each category, and one for each table row of numbers.
    raw_categories: Option<Vec<f32>>,
    raw_numbers: Option<Vec<f32>>,
    interactions: Interactions,
    /// The hidden layers of the deep branch, and its output.
    deep: Vec<PackedLinear>,
}

#[derive(Clone, Debug)]
enum Interactions {
    None,
    Polynomial(Polynomial),
    Maps(FusedCin),
}

/// Buffers for the rows of a part.
#[derive(Default)]
struct Buffers {
    /// Open columns, row by row.
    x: Vec<f32>,
    /// Open columns of [`LANES`] rows side by side.
    across: Vec<[f32; LANES]>,
    /// Units of one hidden layer and of the next, row by row.
    hidden: [Vec<f32>; 2],
    maps: Scratch,
}

impl Fused {
    /// Returns `None` if the model has something that the sweep does not support: numbers without tables, maps with
    /// an activation or a split, or many classes. Branches of rivals and members are not part of it; they read
    /// [`embedded`](Self::embedded).
    pub(super) fn new(model: &CompactModel) -> Result<Option<Self>> {
        let outputs = model.bias.elem_count();
        let values = |tensor: &Tensor| tensor.flatten_all()?.to_vec1::<f32>();
        if !model.bias.device().is_cpu() {
            return Ok(None);
        }
        let Some(fields) = lookup::of_model(model)? else {
            return Ok(None);
        };
        let (mut raw_categories, mut raw_numbers) = (None, None);
        if let CompactLinear::Raw(categories, numbers) = &model.linear {
            raw_categories = categories.as_ref().map(values).transpose()?;
            raw_numbers = match numbers {
                Some(RawNumbers::PiecewiseLinear(table)) => Some(values(table)?),
                Some(RawNumbers::Scaled(_)) => return Ok(None),
                None => None,
            };
        }
        let interactions = match &model.cin {
            None => Interactions::None,
            Some(_) => match Polynomial::new(model, outputs)? {
                Some(polynomial) => Interactions::Polynomial(polynomial),
                None => match FusedCin::new(model, outputs)? {
                    Some(maps) => Interactions::Maps(maps),
                    None => return Ok(None),
                },
            },
        };
        let mut deep = Vec::new();
        if let Some(branch) = &model.deep
            && let CompactOutput::Single(output) = &branch.output
        {
            let Some(first) = &branch.first else {
                return Ok(None);
            };
            deep.push(PackedLinear::new(first, Some(&branch.first_bias))?);
            for layer in &branch.hidden {
                deep.push(PackedLinear::new(&layer.weight, layer.bias.as_ref())?);
            }
            deep.push(PackedLinear::new(output, None)?);
        }
        Ok(Some(Self {
            open: fields.iter().map(Lookup::width).sum(),
            bias: values(&model.bias)?,
            fields,
            raw_categories,
            raw_numbers,
            interactions,
            deep,
        }))
    }

    /// Computes the outputs, (rows, outputs), from tensors.
    pub(super) fn forward(&self, input: &TableInput, rows: usize) -> Result<Tensor> {
        let outputs = self.bias.len();
        let mut sums = vec![0f32; rows * outputs];
        with_input(input, |input| self.sweep(input, &mut sums))?;
        Tensor::from_vec(sums, (rows, outputs), &candle_core::Device::Cpu)
    }

    /// The open columns of the embeddings, (rows, open), for branches that are not part of the sweep.
    pub(super) fn embedded(&self, input: &TableInput, rows: usize) -> Result<Tensor> {
        let mut x = vec![0f32; rows * self.open];
        with_input(input, |input| {
            // What tables add to the outputs is in the sweep's result.
            let mut unused = vec![0f32; self.bias.len()];
            for (row, x) in x.chunks_exact_mut(self.open.max(1)).enumerate() {
                for field in &self.fields {
                    field.look_up(input, row, x, &mut unused)?;
                }
            }
            Ok(())
        })?;
        Tensor::from_vec(x, (rows, self.open), &candle_core::Device::Cpu)
    }

    /// Computes the outputs of encoded rows, row by row.
    pub(super) fn outputs(&self, rows: &EncodedRows) -> Result<Vec<f32>> {
        let mut sums = vec![0f32; rows.rows * self.bias.len()];
        self.sweep(&Input::of(rows), &mut sums)?;
        Ok(sums)
    }

    /// Computes as many rows as `sums` holds, in parts on the threads of the pool.
    fn sweep(&self, input: &Input<'_>, sums: &mut [f32]) -> Result<()> {
        let outputs = self.bias.len();
        if sums.len() <= PART * outputs {
            return self.part(input, 0, sums, &mut Buffers::default());
        }
        sums.par_chunks_mut(PART * outputs)
            .enumerate()
            .try_for_each_init(Buffers::default, |buffers, (number, sums)| {
                self.part(input, number * PART, sums, buffers)
            })
    }

    /// Computes as many rows as `sums` holds, beginning with `first`.
    fn part(
        &self,
        input: &Input<'_>,
        first: usize,
        sums: &mut [f32],
        buffers: &mut Buffers,
    ) -> Result<()> {
        let outputs = self.bias.len();
        for (at, sums) in sums.chunks_exact_mut(outputs).enumerate() {
            sums.copy_from_slice(&self.bias);
            self.raw(input, first + at, sums)?;
        }
        if self.open == 0 {
            return Ok(());
        }
        let rows = sums.len() / outputs;
        buffers.x.resize(rows * self.open, 0.0);
        let lines = buffers.x.chunks_exact_mut(self.open);
        for (at, (x, sums)) in lines.zip(sums.chunks_exact_mut(outputs)).enumerate() {
            for field in &self.fields {
                field.look_up(input, first + at, x, sums)?;
            }
        }
        match &self.interactions {
            Interactions::None => {}
            Interactions::Polynomial(polynomial) => {
                interact(polynomial, &buffers.x, &mut buffers.across, sums, outputs);
            }
            Interactions::Maps(maps) => {
                multiply(
                    maps,
                    &buffers.x,
                    self.open,
                    sums,
                    outputs,
                    &mut buffers.maps,
                );
            }
        }
        self.deep(rows, sums, buffers)
    }

    /// Adds the deep branch.
    fn deep(&self, rows: usize, sums: &mut [f32], buffers: &mut Buffers) -> Result<()> {
        let Some((output, hidden)) = self.deep.split_last() else {
            return Ok(());
        };
        let [from, to] = &mut buffers.hidden;
        for (at, layer) in hidden.iter().enumerate() {
            to.resize(rows * layer.outputs(), 0.0);
            let x = if at == 0 { &buffers.x } else { &*from };
            layer.forward(x, to, true)?;
            std::mem::swap(from, to);
        }
        to.resize(sums.len(), 0.0);
        output.forward(from, to, false)?;
        for (sum, deep) in sums.iter_mut().zip(&*to) {
            *sum += deep;
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
                let position = numbers.position[at];
                add(table, numbers.lower[at], 1.0 - position)?;
                add(table, numbers.lower[at].saturating_add(1), position)?;
            }
        }
        Ok(())
    }
}

/// Adds the polynomial to rows: [`LANES`] at once, and the last few one by one.
fn interact(
    polynomial: &Polynomial,
    x: &[f32],
    across: &mut Vec<[f32; LANES]>,
    sums: &mut [f32],
    outputs: usize,
) {
    let open = x.len() * outputs / sums.len();
    let whole = sums.len() / (LANES * outputs) * LANES;
    let (x, x_rest) = x.split_at(whole * open);
    let (sums, sums_rest) = sums.split_at_mut(whole * outputs);
    across.resize(open, [0.0; LANES]);
    for (x, sums) in x
        .chunks_exact(LANES * open)
        .zip(sums.chunks_exact_mut(LANES * outputs))
    {
        for (column, across) in across.iter_mut().enumerate() {
            *across = std::array::from_fn(|r| x[r * open + column]);
        }
        let mut totals = vec![[0f32; LANES]; outputs];
        polynomial.add(across, &mut totals);
        for (r, sums) in sums.chunks_exact_mut(outputs).enumerate() {
            for (sum, total) in sums.iter_mut().zip(&totals) {
                *sum += total[r];
            }
        }
    }
    for (x, sums) in x_rest
        .chunks_exact(open)
        .zip(sums_rest.chunks_exact_mut(outputs))
    {
        // Rows of one lane are the row itself. Sums begin at 0 as above, for the same bits.
        let mut totals = vec![[0f32; 1]; outputs];
        polynomial.add(x.as_chunks::<1>().0, &mut totals);
        for (sum, total) in sums.iter_mut().zip(&totals) {
            *sum += total[0];
        }
    }
}

/// Adds the maps to rows, a block at once and the last few one by one.
fn multiply(
    maps: &FusedCin,
    x: &[f32],
    open: usize,
    sums: &mut [f32],
    outputs: usize,
    scratch: &mut Scratch,
) {
    for coordinate in &maps.coordinates {
        let xs = x.chunks(BLOCK * open);
        for (x, sums) in xs.zip(sums.chunks_mut(BLOCK * outputs)) {
            if sums.len() == BLOCK * outputs {
                maps.add::<BLOCK>(coordinate, x, open, sums, &mut scratch.four);
                continue;
            }
            let singles = x.chunks_exact(open).zip(sums.chunks_exact_mut(outputs));
            for (x, sums) in singles {
                maps.add::<1>(coordinate, x, open, sums, &mut scratch.one);
            }
        }
    }
}
