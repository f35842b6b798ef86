//! Makes a trained gated model smaller. z is folded into the embedding tables and into the maps of number fields, and
//! the dimensions that it closes are dropped from them and from every layer that reads them. A field without open
//! dimensions is not looked up at all. The result has no gate.

mod beside_peers;
mod branches;
mod deep;
mod fields;
mod file;
mod fold;
mod fused;
mod linear;
mod onnx;
mod reduce;
mod rows;
mod stack;
mod stream;
mod table;
mod tensors;

pub(crate) use beside_peers::beside_peers;
pub use stream::TableStream;
pub use table::CompactTable;

use crate::encoder::FieldEncoder;
use crate::encoding::{EncodedRows, Encoding};
use crate::head::{TabularHead, add_up};
use crate::input::TableInput;
use crate::{Error, Result};
use branches::{CompactCin, CompactCross, CompactCrossLayer, CompactFm};
use candle_core::Tensor;
use deep::{CompactDeep, CompactMembers, CompactOutput};
use fields::{CompactField, FieldMap};
use fused::Fused;
use l0gm_train::GatedModel;
use linear::{CompactLinear, RawNumbers, raw_terms};
use std::sync::Arc;

/// A model without a gate, with fewer dimensions if gates were closed. It owns all its tensors.
#[derive(Clone, Debug)]
pub struct CompactModel {
    pub(crate) classes: usize,
    /// Bias, (1, outputs).
    bias: Tensor,
    fields: Vec<CompactField>,
    linear: CompactLinear,
    cin: Option<CompactCin>,
    fm: Option<CompactFm>,
    cross: Option<CompactCross>,
    deep: Option<CompactDeep>,
    /// Width of a field's embedding before compaction.
    dim: usize,
    /// The open dimensions of each field, in the order of the interface.
    kept: Vec<Vec<u32>>,
    open: Vec<usize>,
    /// The same model arranged for a single sweep over rows, if that is possible.
    fused: Option<Arc<Fused>>,
}

impl CompactModel {
    /// Makes a trained gated model smaller. The gate has its values of evaluation.
    ///
    /// # Errors
    /// Fails if model and encoding do not belong together, or if the gates depend on their rows or act below the
    /// interface.
    pub fn new(model: &GatedModel<FieldEncoder, TabularHead>, encoding: &Encoding) -> Result<Self> {
        fold::fold(model, encoding)
    }

    /// Arranges the model for the sweep, if that is possible.
    fn swept(mut self) -> Result<Self> {
        self.fused = Fused::new(&self)?.map(Arc::new);
        Ok(self)
    }

    /// Whether predictions use the sweep.
    pub(crate) fn is_swept(&self) -> bool {
        self.fused.is_some()
    }

    /// Number of open dimensions of each field, in the order of the interface.
    pub fn open(&self) -> &[usize] {
        &self.open
    }

    /// The open dimensions of each field.
    pub fn kept(&self) -> &[Vec<u32>] {
        &self.kept
    }

    /// Computes logits, (rows, classes).
    ///
    /// # Errors
    /// Fails if the input has a different encoding.
    pub fn logits(&self, input: &TableInput) -> candle_core::Result<Tensor> {
        self.logits_of(input, rows(input)?)
    }

    /// Like [`logits`](Self::logits), with the number of rows, which an input without fields does not show.
    fn logits_of(&self, input: &TableInput, rows: usize) -> candle_core::Result<Tensor> {
        let Some(fused) = &self.fused else {
            return self.logits_of_by_ops(input, rows);
        };
        let mut sum = fused.forward(input, rows)?;
        let mut terms = Vec::with_capacity(2);
        if !self.is_wholly_swept() {
            let x = fused.embedded(input, rows)?;
            let x = (x.dim(1)? > 0).then_some(x);
            if let (Some(fm), Some(x)) = (&self.fm, &x) {
                sum = l0gm_ops::add(&sum, &fm.forward(x)?)?;
            }
            if let (Some(cross), Some(x)) = (&self.cross, &x) {
                sum = l0gm_ops::add(&sum, &cross.forward(x)?)?;
            }
            let members = self.deep.as_ref().filter(|deep| deep.has_members());
            if let Some(deep) = members {
                terms.push(deep.forward(x.as_ref(), rows)?);
            }
        }
        terms.insert(0, sum);
        // The sweep has added the bias already.
        Ok(add_up(&terms, None, self.classes)?.logits)
    }

    /// Whether the sweep has all branches. Those that only rivals have, and members, are computed by ops.
    fn is_wholly_swept(&self) -> bool {
        let members = self.deep.as_ref().is_some_and(CompactDeep::has_members);
        self.fm.is_none() && self.cross.is_none() && !members
    }

    /// Computes the outputs of encoded rows without tensors, row by row: one logit for each class, or, for two classes,
    /// that of the second. `None` if the sweep does not have the whole model.
    fn outputs_of(&self, rows: &EncodedRows) -> candle_core::Result<Option<Vec<f32>>> {
        let fused = self.fused.as_ref().filter(|_| self.is_wholly_swept());
        fused.map(|fused| fused.outputs(rows)).transpose()
    }

    /// Computes the logits by operations on whole stacks of fields, on any device and for any settings.
    #[cfg(test)]
    pub(crate) fn logits_by_ops(&self, input: &TableInput) -> candle_core::Result<Tensor> {
        self.logits_of_by_ops(input, rows(input)?)
    }

    fn logits_of_by_ops(&self, input: &TableInput, rows: usize) -> candle_core::Result<Tensor> {
        let embedded = self.embed(input)?; // (rows, open)
        let mut terms = Vec::with_capacity(5);
        match (&self.linear, &embedded) {
            (CompactLinear::Raw(categories, numbers), _) => {
                terms.extend(raw_terms(categories.as_ref(), numbers.as_ref(), input)?);
            }
            (CompactLinear::Gated(weight), Some(x)) => {
                terms.push(l0gm_ops::linear(x, weight, None)?);
            }
            _ => {}
        }
        if let (Some(cin), Some(x)) = (&self.cin, &embedded) {
            let sums = cin.shape.forward(&cin.stack.of(x)?, &cin.weights)?;
            terms.push(l0gm_ops::linear(&sums, &cin.output, None)?);
        }
        if let (Some(fm), Some(x)) = (&self.fm, &embedded) {
            terms.push(fm.forward(x)?);
        }
        if let (Some(cross), Some(x)) = (&self.cross, &embedded) {
            terms.push(cross.forward(x)?);
        }
        if let Some(deep) = &self.deep {
            terms.push(deep.forward(embedded.as_ref(), rows)?);
        }
        if terms.is_empty() {
            let shape = (rows, self.bias.dim(1)?);
            terms.push(Tensor::zeros(shape, self.bias.dtype(), self.bias.device())?);
        }
        Ok(add_up(&terms, Some(&self.bias), self.classes)?.logits)
    }

    /// The open embeddings with z folded in, (rows, open); `None` if nothing is open.
    fn embed(&self, input: &TableInput) -> candle_core::Result<Option<Tensor>> {
        let parts = self
            .fields
            .iter()
            .map(|field| field.forward(input))
            .collect::<candle_core::Result<Vec<_>>>()?;
        match parts.as_slice() {
            [] => Ok(None),
            parts => Tensor::cat(parts, 1).map(Some),
        }
    }

    /// Numbers of fields and coordinates with an open dimension, which CIN and factorisation machine read.
    pub(crate) fn stack_size(&self) -> (usize, usize) {
        let (_, fields, dims) = stack::layout(&self.kept);
        (fields, dims)
    }
}

fn rows(input: &TableInput) -> candle_core::Result<usize> {
    match (&input.categories, &input.numbers) {
        (Some(categories), _) => categories.ids.dim(0),
        (_, Some(numbers)) => numbers.lower.dim(0),
        _ => candle_core::bail!("the input has no fields"),
    }
}

/// Makes the error about a model and an encoding that do not belong together.
fn strangers(what: &str) -> Error {
    Error::Setting(format!("the model and the encoding do not fit: {what}"))
}
