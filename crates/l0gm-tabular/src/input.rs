//! Encoded rows as tensors: what the model reads.

use crate::Result;
use crate::encoding::{EncodedRows, Encoding};
use crate::settings::NumberEncoding;
use candle_core::{Device, Tensor};

/// The category fields of some rows.
#[derive(Clone, Debug)]
pub struct CategoryInput {
    /// Rows of the shared category table, (rows, category fields) u32.
    pub ids: Tensor,
}

/// The number fields of some rows.
#[derive(Clone, Debug)]
pub struct NumberInput {
    /// Rows of the shared number table at the lower ends of bins, (rows, number fields) u32.
    pub lower: Tensor,
    /// Rows of the shared number table at the upper ends of bins, (rows, number fields) u32.
    pub upper: Tensor,
    /// Position within the bin in [0, 1], or the scaled value, (rows, number fields, 1) f32.
    pub position: Tensor,
    /// The value 1 - position, (rows, number fields, 1) f32.
    pub rest: Tensor,
}

/// The model's input for some rows; a kind of field that the table lacks is `None`.
#[derive(Clone, Debug)]
pub struct TableInput {
    /// The category fields.
    pub categories: Option<CategoryInput>,
    /// The number fields.
    pub numbers: Option<NumberInput>,
}

impl TableInput {
    /// Moves encoded rows to a device.
    ///
    /// # Errors
    /// Fails if a tensor cannot be created.
    pub fn new(encoding: &Encoding, rows: &EncodedRows, device: &Device) -> Result<Self> {
        let (n, fc, fn_) = (rows.rows, encoding.categories.len(), encoding.numbers.len());
        let categories = if fc == 0 {
            None
        } else {
            let ids = Tensor::from_slice(&rows.categories, (n, fc), device)?;
            Some(CategoryInput { ids })
        };
        let numbers = if fn_ == 0 {
            None
        } else {
            // The upper end's row follows the lower end's. The row for missing cells is looked up with weight 0
            // there.
            let upper: Vec<u32> = rows.knots.iter().map(|knot| knot + 1).collect();
            let upper = match encoding.kind {
                NumberEncoding::PiecewiseLinear => upper,
                _ => rows.knots.clone(),
            };
            let rest: Vec<f32> = rows.positions.iter().map(|p| 1.0 - p).collect();
            Some(NumberInput {
                lower: Tensor::from_slice(&rows.knots, (n, fn_), device)?,
                upper: Tensor::from_vec(upper, (n, fn_), device)?,
                position: Tensor::from_slice(&rows.positions, (n, fn_, 1), device)?,
                rest: Tensor::from_vec(rest, (n, fn_, 1), device)?,
            })
        };
        Ok(Self {
            categories,
            numbers,
        })
    }

    /// Selects the given rows (u32), in that order.
    ///
    /// # Errors
    /// Fails if a row does not exist.
    pub fn select(&self, rows: &Tensor) -> candle_core::Result<Self> {
        let categories = match &self.categories {
            Some(c) => Some(CategoryInput {
                ids: c.ids.index_select(rows, 0)?,
            }),
            None => None,
        };
        let numbers = match &self.numbers {
            Some(n) => Some(NumberInput {
                lower: n.lower.index_select(rows, 0)?,
                upper: n.upper.index_select(rows, 0)?,
                position: n.position.index_select(rows, 0)?,
                rest: n.rest.index_select(rows, 0)?,
            }),
            None => None,
        };
        Ok(Self {
            categories,
            numbers,
        })
    }
}
