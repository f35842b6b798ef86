//! Removes whole dimensions of the interface by closing them in a fixed gate, and knows how much of the head reads each.

use super::masks::flat;
use super::ranking::keep_largest;
use super::{Ingredients, Kept, Unit};
use crate::{Error, Parameter, ParameterKind, Part, Result};
use candle_core::{DType, Tensor, Var};
use l0gm_gate::Gate;

/// The dimensions of an interface behind a fixed gate.
#[derive(Debug)]
pub(crate) struct Dimensions {
    gate: Gate,
    /// Weights of (outputs, columns), whose columns belong to the first dimensions of the interface.
    readers: Vec<Var>,
    pub(crate) kept: usize,
    pub(crate) of: usize,
}

impl Dimensions {
    /// All dimensions of the interface, open at first.
    ///
    /// # Errors
    /// No layer of the head is known to read single dimensions.
    pub(crate) fn new(technique: &str, model: &Ingredients<'_>) -> Result<Self> {
        if model.readers.is_empty() {
            return Err(Error::Setting(format!(
                "method {technique} ranks the interface's dimensions by the weights that read them, and no layer of \
                 this head has weights for single dimensions; add a deep branch or a linear one behind the gate"
            )));
        }
        let of = model.gate.interface().width();
        Ok(Self {
            gate: model.gate.clone(),
            readers: model.readers.clone(),
            kept: of,
            of,
        })
    }

    /// How many are kept, and of how many.
    pub(crate) fn kept(&self) -> Kept {
        Kept {
            unit: Unit::Dimensions,
            kept: self.kept,
            of: self.of,
        }
    }

    /// Takes over what a checkpoint says; the gate itself is among the model's parameters.
    pub(crate) fn restored(&mut self, kept: Kept) {
        self.kept = kept.kept;
    }

    /// The L2 norm of all weights that read a dimension, for each dimension.
    pub(crate) fn norms(&self) -> Result<Vec<f32>> {
        let mut squares = vec![0f64; self.of];
        for reader in &self.readers {
            let columns = reader.dim(1)?;
            for row in flat(reader)?.chunks(columns) {
                for (square, value) in squares.iter_mut().zip(row) {
                    *square += f64::from(*value).powi(2);
                }
            }
        }
        Ok(squares
            .into_iter()
            .map(|square| square.sqrt() as f32)
            .collect())
    }

    /// Multiplies the weights that read a dimension with its factor, one for each dimension.
    pub(crate) fn scale_readers(&self, factors: &[f32]) -> Result<()> {
        for reader in &self.readers {
            let columns = reader.dim(1)?;
            let factors = Tensor::new(&factors[..columns], reader.device())?;
            let factors = factors.to_dtype(reader.dtype())?;
            reader.set(&reader.as_detached_tensor().broadcast_mul(&factors)?)?;
        }
        Ok(())
    }

    /// Leaves the `keep` open dimensions with the largest scores. One that was closed stays so.
    pub(crate) fn keep(&mut self, mut scores: Vec<f32>, keep: usize) -> Result<()> {
        for (score, open) in scores.iter_mut().zip(self.gate.hard_mask()?) {
            if !open {
                *score = f32::NEG_INFINITY;
            }
        }
        let mask = keep_largest(&[scores], keep);
        let open: Vec<bool> = mask[0].iter().map(|mask| *mask != 0.0).collect();
        self.gate.set_open(&open)?;
        self.kept = open.iter().filter(|open| **open).count();
        Ok(())
    }
}

/// The running mean square of every dimension of the interface, over about a hundred batches.
#[derive(Debug)]
pub(crate) struct MeanSquare(Parameter);

/// How much of the mean a new batch is.
const SHARE: f64 = 0.01;

impl MeanSquare {
    /// A mean of nothing yet, which is 0.
    pub(crate) fn new(model: &Ingredients<'_>) -> Result<Self> {
        let device = match model.readers.first() {
            Some(reader) => reader.device(),
            None => &candle_core::Device::Cpu,
        };
        let width = model.gate.interface().width();
        Ok(Self(Parameter {
            name: "compression.mean-square".to_owned(),
            var: Var::zeros(width, DType::F32, device)?,
            kind: ParameterKind::Fixed,
            part: Part::Gate,
        }))
    }

    /// The mean, as checkpoints keep it.
    pub(crate) fn state(&self) -> Vec<Parameter> {
        vec![self.0.clone()]
    }

    /// Adds a batch of representations, (rows, width) or (rows, fields, dim).
    pub(crate) fn add(&self, interface: &Tensor) -> Result<()> {
        let rows = interface.dim(0)?;
        let width = self.0.var.elem_count();
        let flat = interface.detach().to_dtype(DType::F32)?;
        let flat = flat.reshape((rows, width))?;
        // A product with a row of ones sums over rows much faster than candle's sum does.
        let mean = Tensor::full(1.0 / rows as f32, (1, rows), flat.device())?;
        let now = mean.matmul(&flat.sqr()?)?.reshape(width)?;
        let before = self.0.var.as_detached_tensor();
        Ok(self
            .0
            .var
            .set(&((before * (1.0 - SHARE))? + (now * SHARE)?)?)?)
    }

    /// The root of the mean for each dimension. The mean of a short training is too small by the same factor
    /// everywhere.
    pub(crate) fn roots(&self) -> Result<Vec<f32>> {
        let values = flat(&self.0.var)?;
        Ok(values.into_iter().map(f32::sqrt).collect())
    }
}
