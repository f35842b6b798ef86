//! The tables of the fields, from which a row's open columns are looked up. What is linear in the columns of one field
//! was added up for every row of its table, so that the linear branch needs no products.

use super::input::Input;
use crate::compact::{CompactLinear, CompactModel, FieldMap};
use candle_core::{Result, bail};

/// The table of one field, and the columns of the embeddings that it fills.
#[derive(Clone, Debug)]
pub(super) struct Lookup {
    number: bool,
    column: usize,
    offset: u32,
    /// Number of open columns, and the first of them.
    width: usize,
    start: usize,
    /// Row by row: the open columns, then what they add to each output.
    table: Vec<f32>,
    /// Number of outputs to which the table adds; 0 without a linear branch behind the gate.
    added: usize,
}

/// The fields of a model; `None` if numbers have no tables.
pub(super) fn of_model(model: &CompactModel) -> Result<Option<Vec<Lookup>>> {
    let linear = match &model.linear {
        CompactLinear::Gated(weight) => weight.to_vec2::<f32>()?, // (outputs, open)
        _ => Vec::new(),
    };
    let (mut fields, mut start) = (Vec::new(), 0);
    for field in &model.fields {
        let (number, table) = match &field.map {
            FieldMap::Categories(table) => (false, table),
            FieldMap::PiecewiseLinear(table) => (true, table),
            FieldMap::Dense(..) => return Ok(None),
        };
        let width = table.dim(1)?;
        let mut rows = Vec::new();
        for row in table.to_vec2::<f32>()? {
            rows.extend(&row);
            rows.extend(linear.iter().map(|weight| {
                let both = row.iter().zip(&weight[start..start + width]);
                both.map(|(x, w)| f64::from(*x) * f64::from(*w))
                    .sum::<f64>() as f32
            }));
        }
        fields.push(Lookup {
            number,
            column: field.column,
            offset: field.offset,
            width,
            start,
            table: rows,
            added: linear.len(),
        });
        start += width;
    }
    Ok(Some(fields))
}

impl Lookup {
    /// Number of open columns.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// Writes the open columns of this field for one row, and adds its part to the outputs.
    #[inline]
    pub(super) fn look_up(
        &self,
        input: &Input<'_>,
        row: usize,
        x: &mut [f32],
        sums: &mut [f32],
    ) -> Result<()> {
        let all = self.width + self.added;
        let x = &mut x[self.start..self.start + self.width];
        let line = |id: u32| -> Result<&[f32]> {
            let at = id.wrapping_sub(self.offset) as usize;
            let from = at.saturating_mul(all);
            match self.table.get(from..from.saturating_add(all)) {
                Some(line) => Ok(line),
                None => bail!("row {id} is not among the rows of column {}", self.column),
            }
        };
        match (self.number, input.ids, &input.numbers) {
            (false, Some((ids, count)), _) => {
                let line = line(ids[row * count + self.column])?;
                x.copy_from_slice(&line[..self.width]);
                for (sum, value) in sums.iter_mut().zip(&line[self.width..]) {
                    *sum += value;
                }
            }
            (true, _, Some(numbers)) => {
                let at = row * numbers.count + self.column;
                let lower = numbers.lower[at];
                let (lower, upper) = (line(lower)?, line(lower.wrapping_add(1))?);
                let position = numbers.position[at];
                let rest = 1.0 - position;
                let (lower, lower_added) = lower.split_at(self.width);
                let (upper, upper_added) = upper.split_at(self.width);
                for ((x, lower), upper) in x.iter_mut().zip(lower).zip(upper) {
                    *x = lower * rest + upper * position;
                }
                for ((sum, lower), upper) in sums.iter_mut().zip(lower_added).zip(upper_added) {
                    *sum += lower * rest + upper * position;
                }
            }
            _ => bail!("the input has no column {} of its kind", self.column),
        }
        Ok(())
    }
}
