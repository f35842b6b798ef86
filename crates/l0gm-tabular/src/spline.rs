//! A linear map of piecewise-linear encodings, without writing the encodings out.
//!
//! A value in bin b at position t is encoded as (1, .., 1, t, 0, .., 0), so a linear map of it is
//! the running sum of the weights up to b, plus t times the next weight: a point on the line between
//! two running sums. One small product with a triangle of ones makes all running sums of a step; a row
//! then costs two lookups a field instead of one multiply-add a bin.

use candle_core::{DType, Device, Result, Tensor, Var};
use l0gm_ops::{Generator, embedding};
use l0gm_train::{Parameter, ParameterKind, Part};

use crate::task::NumberInput;

/// Weight rows before the first bin's: the bias, and what a missing value adds to it.
const RESERVED: usize = 2;

/// One linear map a field from its encoding to `dim` outputs.
#[derive(Clone, Debug)]
pub struct SplineTable {
    name: String,
    part: Part,
    /// (fields, 2 + bins, dim): bias, missing, then one row a bin.
    weight: Var,
    /// (fields, 2 + bins, 2 + bins): which weight rows each table row sums.
    sums: Tensor,
}

impl SplineTable {
    /// Bin weights uniform within 1 / sqrt(bins) times `scale`; bias and missing rows 0.
    ///
    /// # Errors
    /// Where the device refuses.
    pub fn new(
        name: &str,
        part: Part,
        (fields, bins, dim): (usize, usize, usize),
        scale: f64,
        generator: &mut Generator,
        device: &Device,
    ) -> Result<Self> {
        let bound = scale / (bins.max(1) as f64).sqrt();
        let reserved = Tensor::zeros((fields, RESERVED, dim), DType::F32, device)?;
        // Drawn from [-1, 1) and scaled afterwards: a scale of 0 starts every weight at 0.
        let weights =
            generator.uniform_tensor((fields, bins, dim), -1.0, 1.0, DType::F32, device)?;
        let weights = (weights * bound)?;
        let weight = Var::from_tensor(&Tensor::cat(&[&reserved, &weights], 1)?)?;
        let rows = bins + RESERVED;
        let mut sums = vec![0f32; rows * rows];
        sums[0] = 1.0; // the row for missing: bias and missing weight
        sums[1] = 1.0;
        for knot in 0..=bins {
            let row = &mut sums[(knot + 1) * rows..(knot + 2) * rows];
            row[0] = 1.0;
            row[RESERVED..RESERVED + knot].fill(1.0);
        }
        let sums = Tensor::from_vec(sums, (1, rows, rows), device)?
            .expand((fields, rows, rows))?
            .contiguous()?;
        Ok(Self {
            name: name.to_owned(),
            part,
            weight,
            sums,
        })
    }

    /// (rows, fields, dim).
    ///
    /// # Errors
    /// Where an id is out of range.
    pub fn forward(&self, input: &NumberInput) -> Result<Tensor> {
        interpolate(&self.table()?, input)
    }

    /// The running sums, (fields * (2 + bins), dim): row 0 of a field for a missing value, row 1 + k
    /// for a value at edge k.
    ///
    /// # Errors
    /// None beyond the tensor library's own.
    pub fn table(&self) -> Result<Tensor> {
        self.sums.matmul(self.weight.as_tensor())?.flatten(0, 1)
    }

    /// (fields, 2 + bins, dim).
    pub fn weight(&self) -> &Var {
        &self.weight
    }

    /// "NAME.weight" (Weight).
    pub fn parameters(&self) -> Vec<Parameter> {
        vec![Parameter {
            name: format!("{}.weight", self.name),
            var: self.weight.clone(),
            kind: ParameterKind::Weight,
            part: self.part,
        }]
    }
}

/// Points on the lines between two table rows each: (rows, fields, dim).
///
/// # Errors
/// Where an id is out of range.
pub(crate) fn interpolate(table: &Tensor, input: &NumberInput) -> Result<Tensor> {
    let lower = embedding(table, &input.lower)?.broadcast_mul(&input.rest)?;
    let upper = embedding(table, &input.upper)?.broadcast_mul(&input.position)?;
    lower + upper
}
