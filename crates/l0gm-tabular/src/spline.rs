//! A linear map of piecewise-linear encodings that does not store the encodings.
//!
//! A value in bin b at position t is encoded as (1, .., 1, t, 0, .., 0). Thus a linear map of it is the running sum
//! of the weights up to b, plus t times the next weight: a point on the line between two running sums. One small
//! product with a triangular matrix of ones makes all running sums of a step. A row then needs two lookups per field
//! instead of one multiply-add per bin.

use candle_core::{DType, Device, Result, Tensor, Var};
use l0gm_ops::{Generator, embedding};
use l0gm_train::{Parameter, ParameterKind, Part};

use crate::input::NumberInput;

/// Number of weight rows before that of the first bin: the bias, and what a missing value adds to it.
const RESERVED: usize = 2;

/// One linear map for each field, from its encoding to `dim` outputs.
#[derive(Clone, Debug)]
pub struct SplineTable {
    name: String,
    part: Part,
    /// Weights, (fields, 2 + bins, dim): bias, missing, then one row for each bin.
    weight: Var,
    /// The weight rows that each table row sums, (fields, 2 + bins, 2 + bins).
    sums: Tensor,
}

impl SplineTable {
    /// A new map. Bin weights are uniform within 1 / sqrt(bins) times `scale`; bias and missing rows are 0.
    ///
    /// # Errors
    /// Fails if a tensor cannot be created.
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
        // Drawn from [-1, 1) and scaled afterwards, so that a scale of 0 gives weights of 0.
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

    /// The map's outputs, (rows, fields, dim).
    ///
    /// # Errors
    /// Fails if an id is out of range.
    pub fn forward(&self, input: &NumberInput) -> Result<Tensor> {
        interpolate(&self.table()?, input)
    }

    /// The running sums, (fields * (2 + bins), dim). Row 0 of a field is for a missing value, row 1 + k for a value
    /// at edge k.
    ///
    /// # Errors
    /// Fails only if the tensor library does.
    pub fn table(&self) -> Result<Tensor> {
        self.sums.matmul(self.weight.as_tensor())?.flatten(0, 1)
    }

    /// The weights, (fields, 2 + bins, dim).
    pub fn weight(&self) -> &Var {
        &self.weight
    }

    /// The parameter "NAME.weight" (Weight).
    pub fn parameters(&self) -> Vec<Parameter> {
        vec![Parameter {
            name: format!("{}.weight", self.name),
            var: self.weight.clone(),
            kind: ParameterKind::Weight,
            part: self.part,
        }]
    }
}

/// Interpolates between two table rows for each value: (rows, fields, dim).
///
/// # Errors
/// Fails if an id is out of range.
pub(crate) fn interpolate(table: &Tensor, input: &NumberInput) -> Result<Tensor> {
    let lower = embedding(table, &input.lower)?.broadcast_mul(&input.rest)?;
    let upper = embedding(table, &input.upper)?.broadcast_mul(&input.position)?;
    lower + upper
}
