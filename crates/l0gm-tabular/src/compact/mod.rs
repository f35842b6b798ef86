//! Makes a trained gated model smaller. z is folded into the embedding tables and into the maps of number fields, and
//! the dimensions that it closes are dropped from them and from every layer that reads them. A field without open
//! dimensions is not looked up at all. The result has no gate.

mod beside_peers;
mod file;
mod fold;
mod fused;
mod onnx;
mod reduce;
mod rows;
mod stack;
mod stream;
mod table;

pub(crate) use beside_peers::beside_peers;
pub use stream::TableStream;
pub use table::CompactTable;

use crate::cin::CinShape;
use crate::cross::crossed;
use crate::deep::outputs_of_members;
use crate::encoder::{FieldEncoder, periodic_features};
use crate::encoding::{EncodedRows, Encoding};
use crate::head::{TabularHead, add_up, over_fields};
use crate::input::{NumberInput, TableInput};
use crate::spline::interpolate;
use crate::{CinSettings, Error, Result, fm};
use candle_core::Tensor;
use fused::Fused;
use l0gm_gate::LinearLayer;
use l0gm_train::GatedModel;
use stack::OpenStack;
use std::collections::BTreeMap;
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

/// A field with open dimensions: its column of the input and its folded table.
#[derive(Clone, Debug)]
struct CompactField {
    column: usize,
    /// First row of this field in the shared table.
    offset: u32,
    map: FieldMap,
}

#[derive(Clone, Debug)]
enum FieldMap {
    /// Table of a category field, (rows of the field, open).
    Categories(Tensor),
    /// Running sums of a number field, (edges + 1, open).
    PiecewiseLinear(Tensor),
    /// For other encodings: frequencies (1, 1, n) if periodic, weight (features, open), offset (2, open).
    Dense(Option<Tensor>, Tensor, Tensor),
}

/// The input of the linear branch.
#[derive(Clone, Debug)]
enum CompactLinear {
    /// There is no linear branch, or nothing that it reads is open.
    None,
    /// Raw inputs: weights of categories, (rows, outputs), and of numbers.
    Raw(Option<Tensor>, Option<RawNumbers>),
    /// Weights of the open dimensions, (outputs, open).
    Gated(Tensor),
}

#[derive(Clone, Debug)]
enum RawNumbers {
    /// Running sums, (fields * rows per field, outputs).
    PiecewiseLinear(Tensor),
    /// Weights of scaled values, (outputs, fields).
    Scaled(Tensor),
}

/// The CIN on the fields and coordinates with an open dimension.
#[derive(Clone, Debug)]
struct CompactCin {
    shape: CinShape,
    settings: CinSettings,
    stack: OpenStack,
    weights: Vec<Tensor>,
    /// Output weights, (outputs, sums).
    output: Tensor,
}

/// The factorisation machine on the fields and coordinates with an open dimension.
#[derive(Clone, Debug)]
struct CompactFm {
    stack: OpenStack,
    /// Weights of the coordinates, (outputs, coordinates); absent with one output.
    output: Option<Tensor>,
}

/// The cross network on the open dimensions.
#[derive(Clone, Debug)]
struct CompactCross {
    layers: Vec<CompactCrossLayer>,
    /// Output weights, (outputs, open).
    output: Tensor,
}

/// One cross layer on the open dimensions.
#[derive(Clone, Debug)]
struct CompactCrossLayer {
    /// V, (rank, open); absent where W is whole.
    inner: Option<Tensor>,
    /// W, (open, open), or U, (open, rank).
    outer: Tensor,
    /// The bias b, (open,).
    bias: Tensor,
}

/// The deep branch.
#[derive(Clone, Debug)]
struct CompactDeep {
    /// Weights of the first layer, (units, open); `None` if nothing is open.
    first: Option<Tensor>,
    /// Bias of the first layer, (units,).
    first_bias: Tensor,
    hidden: Vec<LinearLayer>,
    output: CompactOutput,
}

/// The output layer of the deep branch.
#[derive(Clone, Debug)]
enum CompactOutput {
    /// Weights of a single member, (outputs, units).
    Single(Tensor),
    /// What several members do not share.
    Members(CompactMembers),
}

/// The factors and output layers of the members.
#[derive(Clone, Debug)]
struct CompactMembers {
    /// Factors on the open dimensions, (members, open); `None` if nothing is open.
    adapter: Option<Tensor>,
    /// Output weights, (members, units) for each output.
    weights: Vec<Tensor>,
    /// Output biases, (members * outputs,).
    bias: Tensor,
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

    /// Every tensor of the model, by a stable name.
    pub(crate) fn tensors(&self) -> BTreeMap<String, Tensor> {
        let mut all = BTreeMap::new();
        let mut add = |name: String, tensor: &Tensor| {
            all.insert(name, tensor.clone());
        };
        add("bias".into(), &self.bias);
        let open = (0..self.open.len()).filter(|&field| self.open[field] > 0);
        for (at, field) in open.zip(&self.fields) {
            // Fields are numbered as in the interface.
            let name = |part: &str| format!("field.{at}.{part}");
            match &field.map {
                FieldMap::Categories(table) | FieldMap::PiecewiseLinear(table) => {
                    add(name("table"), table);
                }
                FieldMap::Dense(frequencies, weight, offset) => {
                    if let Some(frequencies) = frequencies {
                        add(name("frequencies"), frequencies);
                    }
                    add(name("weight"), weight);
                    add(name("offset"), offset);
                }
            }
        }
        match &self.linear {
            CompactLinear::None => {}
            CompactLinear::Raw(categories, numbers) => {
                if let Some(table) = categories {
                    add("linear.categories".into(), table);
                }
                if let Some(RawNumbers::PiecewiseLinear(table) | RawNumbers::Scaled(table)) =
                    numbers
                {
                    add("linear.numbers".into(), table);
                }
            }
            CompactLinear::Gated(weight) => add("linear.weight".into(), weight),
        }
        if let Some(cin) = &self.cin {
            for (layer, weight) in cin.weights.iter().enumerate() {
                add(format!("cin.{layer}"), weight);
            }
            add("cin.output".into(), &cin.output);
        }
        if let Some(CompactFm {
            output: Some(output),
            ..
        }) = &self.fm
        {
            add("fm.output".into(), output);
        }
        if let Some(cross) = &self.cross {
            for (layer, of) in cross.layers.iter().enumerate() {
                if let Some(inner) = &of.inner {
                    add(format!("cross.{layer}.v"), inner);
                }
                let outer = if of.inner.is_some() { "u" } else { "w" };
                add(format!("cross.{layer}.{outer}"), &of.outer);
                add(format!("cross.{layer}.bias"), &of.bias);
            }
            add("cross.output".into(), &cross.output);
        }
        if let Some(deep) = &self.deep {
            if let Some(first) = &deep.first {
                add("deep.0.weight".into(), first);
            }
            add("deep.0.bias".into(), &deep.first_bias);
            for (layer, linear) in deep.hidden.iter().enumerate() {
                add(format!("deep.{}.weight", layer + 1), &linear.weight);
                if let Some(bias) = &linear.bias {
                    add(format!("deep.{}.bias", layer + 1), bias);
                }
            }
            match &deep.output {
                CompactOutput::Single(weight) => add("deep.output".into(), weight),
                CompactOutput::Members(members) => {
                    if let Some(adapter) = &members.adapter {
                        add("deep.adapter".into(), adapter);
                    }
                    for (output, weight) in members.weights.iter().enumerate() {
                        add(format!("deep.output.{output}"), weight);
                    }
                    add("deep.output.bias".into(), &members.bias);
                }
            }
        }
        all
    }

    /// Numbers of fields and coordinates with an open dimension, which CIN and factorisation machine read.
    pub(crate) fn stack_size(&self) -> (usize, usize) {
        let (_, fields, dims) = stack::layout(&self.kept);
        (fields, dims)
    }
}

impl CompactField {
    /// Computes the field's open dimensions, (rows, open).
    fn forward(&self, input: &TableInput) -> candle_core::Result<Tensor> {
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

impl CompactFm {
    /// From (rows, open) to (rows, outputs).
    fn forward(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        fm::add_up(&fm::pairs(&self.stack.of(x)?)?, self.output.as_ref())
    }
}

impl CompactCross {
    /// From (rows, open) to (rows, outputs).
    fn forward(&self, first: &Tensor) -> candle_core::Result<Tensor> {
        let mut x = first.clone();
        for layer in &self.layers {
            let inner = match &layer.inner {
                Some(inner) => l0gm_ops::linear(&x, inner, None)?,
                None => x.clone(),
            };
            let mapped = l0gm_ops::linear(&inner, &layer.outer, Some(&layer.bias))?;
            x = crossed(first, &mapped, &x)?;
        }
        l0gm_ops::linear(&x, &self.output, None)
    }
}

impl CompactDeep {
    /// Whether there are several members.
    fn has_members(&self) -> bool {
        matches!(self.output, CompactOutput::Members(_))
    }

    /// From (rows, open), or `None` if nothing is open, to (rows, outputs), or to (rows, members, outputs) with several
    /// members.
    fn forward(&self, x: Option<&Tensor>, rows: usize) -> candle_core::Result<Tensor> {
        let (x, rows) = match &self.output {
            CompactOutput::Single(_) => (x.cloned(), rows),
            CompactOutput::Members(members) => {
                let rows = rows * members.count();
                (members.inputs(x)?, rows)
            }
        };
        let first = match (&self.first, &x) {
            (Some(weight), Some(x)) => l0gm_ops::linear(x, weight, Some(&self.first_bias))?,
            // If every dimension is closed, the first layer gives its bias.
            _ => self.first_bias.unsqueeze(0)?.repeat((rows, 1))?,
        };
        // candle's own rectifier waits for its threads in a loop, which takes longer than the rest of a batch where
        // other programs use the cores too.
        let mut x = l0gm_ops::relu(&first)?;
        for layer in &self.hidden {
            x = l0gm_ops::relu(&l0gm_ops::linear(&x, &layer.weight, layer.bias.as_ref())?)?;
        }
        match &self.output {
            CompactOutput::Single(weight) => l0gm_ops::linear(&x, weight, None),
            CompactOutput::Members(members) => {
                outputs_of_members(&x, members.weights.iter(), &members.bias)
            }
        }
    }
}

impl CompactMembers {
    /// Number of members.
    fn count(&self) -> usize {
        self.bias.elem_count() / self.weights.len()
    }

    /// Each member's own input, (rows * members, open), from (rows, open).
    fn inputs(&self, x: Option<&Tensor>) -> candle_core::Result<Option<Tensor>> {
        let (Some(adapter), Some(x)) = (&self.adapter, x) else {
            return Ok(None);
        };
        let scaled = l0gm_ops::scale_members(x, adapter)?;
        let (rows, members, open) = scaled.dims3()?;
        scaled.reshape((rows * members, open)).map(Some)
    }
}

/// The terms of the raw branch, (rows, outputs) each.
fn raw_terms(
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
