//! A trained gated model made really smaller. z is folded into the embedding tables and into the
//! number fields' maps, the dimensions it closes are dropped from them and from every layer that read
//! them; a field with no open dimension is not looked up at all. No gate is left.

mod file;
mod fold;
mod fused;
mod rows;
mod table;

pub use table::CompactTable;

use crate::cin::CinShape;
use crate::encoder::{FieldEncoder, periodic_features};
use crate::encoding::Encoding;
use crate::head::{TabularHead, add_up, as_logits, over_fields};
use crate::spline::interpolate;
use crate::task::{NumberInput, TableInput};
use crate::{CinSettings, Error, Result};
use candle_core::Tensor;
use fused::Fused;
use l0gm_gate::LinearLayer;
use l0gm_train::GatedModel;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A model without a gate, narrower where the gate was closed. It owns all it needs.
#[derive(Clone, Debug)]
pub struct CompactModel {
    pub(crate) classes: usize,
    /// (1, outputs).
    bias: Tensor,
    fields: Vec<CompactField>,
    linear: CompactLinear,
    cin: Option<CompactCin>,
    deep: Option<CompactDeep>,
    /// Width of a field before.
    dim: usize,
    /// The open dimensions of each field, in the interface's order.
    kept: Vec<Vec<u32>>,
    open: Vec<usize>,
    /// The same laid out for one sweep over rows, where that can be done.
    fused: Option<Arc<Fused>>,
}

/// A field with open dimensions: which column of the input, and its folded table.
#[derive(Clone, Debug)]
struct CompactField {
    column: usize,
    /// Row of the shared table this field's rows begin at.
    offset: u32,
    map: FieldMap,
}

#[derive(Clone, Debug)]
enum FieldMap {
    /// (rows of the field, open).
    Categories(Tensor),
    /// (edges + 1, open): running sums.
    PiecewiseLinear(Tensor),
    /// Frequencies (1, 1, n) if periodic, weight (features, open), offset (2, open).
    Dense(Option<Tensor>, Tensor, Tensor),
}

/// What the linear branch reads.
#[derive(Clone, Debug)]
enum CompactLinear {
    /// There is none, or it reads nothing that is open.
    None,
    /// Raw inputs: weights of categories (rows, outputs) and of numbers.
    Raw(Option<Tensor>, Option<RawNumbers>),
    /// The open dimensions: (outputs, open).
    Gated(Tensor),
}

#[derive(Clone, Debug)]
enum RawNumbers {
    /// (fields * rows a field, outputs): running sums.
    PiecewiseLinear(Tensor),
    /// (outputs, fields).
    Scaled(Tensor),
}

/// The CIN on the fields and coordinates that have anything open.
#[derive(Clone, Debug)]
struct CompactCin {
    shape: CinShape,
    settings: CinSettings,
    /// Column of the open embeddings for each (field, coordinate) left; one past them reads 0.
    gather: Tensor,
    fields: usize,
    dim: usize,
    weights: Vec<Tensor>,
    /// (outputs, sums).
    output: Tensor,
}

/// The deep branch.
#[derive(Clone, Debug)]
struct CompactDeep {
    /// (units, open); absent where nothing is open.
    first: Option<Tensor>,
    /// (units,).
    first_bias: Tensor,
    hidden: Vec<LinearLayer>,
    /// (outputs, units).
    output: Tensor,
}

impl CompactModel {
    /// Folds and drops. The gate is read as it is in evaluation.
    ///
    /// # Errors
    /// Where the model and the encoding do not belong together, or the gates read their rows or stand below the
    /// interface.
    pub fn new(model: &GatedModel<FieldEncoder, TabularHead>, encoding: &Encoding) -> Result<Self> {
        fold::fold(model, encoding)
    }

    /// Lays itself out for the sweep.
    fn swept(mut self) -> Result<Self> {
        self.fused = Fused::new(&self)?.map(Arc::new);
        Ok(self)
    }

    /// Whether predictions take the sweep.
    pub(crate) fn is_swept(&self) -> bool {
        self.fused.is_some()
    }

    /// Number of open dimensions of each field, in the interface's order.
    pub fn open(&self) -> &[usize] {
        &self.open
    }

    /// The open dimensions themselves.
    pub fn kept(&self) -> &[Vec<u32>] {
        &self.kept
    }

    /// (rows, classes).
    ///
    /// # Errors
    /// Where the input was encoded differently.
    pub fn logits(&self, input: &TableInput) -> candle_core::Result<Tensor> {
        let Some(fused) = &self.fused else {
            return self.logits_by_ops(input);
        };
        let rows = rows(input)?;
        let (x, mut sum) = fused.forward(input, rows)?;
        let x = (x.dim(1)? > 0).then_some(x);
        if let (CompactLinear::Gated(weight), Some(x)) = (&self.linear, &x) {
            sum = l0gm_ops::add(&sum, &l0gm_ops::linear(x, weight, None)?)?;
        }
        if let Some(deep) = &self.deep {
            sum = l0gm_ops::add(&sum, &deep.forward(x.as_ref(), rows)?)?;
        }
        as_logits(sum, self.classes)
    }

    /// The same by ops on whole stacks of fields: on any device, for any settings.
    pub(crate) fn logits_by_ops(&self, input: &TableInput) -> candle_core::Result<Tensor> {
        let embedded = self.embed(input)?; // (rows, open)
        let mut terms = Vec::with_capacity(3);
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
            let sums = cin.shape.forward(&cin.fields_of(x)?, &cin.weights)?;
            terms.push(l0gm_ops::linear(&sums, &cin.output, None)?);
        }
        if let Some(deep) = &self.deep {
            terms.push(deep.forward(embedded.as_ref(), rows(input)?)?);
        }
        if terms.is_empty() {
            let shape = (rows(input)?, self.bias.dim(1)?);
            terms.push(Tensor::zeros(shape, self.bias.dtype(), self.bias.device())?);
        }
        add_up(&terms, &self.bias, self.classes)
    }

    /// The open embeddings, z folded in: (rows, open), `None` where nothing is open.
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

    /// Every tensor it needs, by a stable name.
    pub(crate) fn tensors(&self) -> BTreeMap<String, Tensor> {
        let mut all = BTreeMap::new();
        let mut add = |name: String, tensor: &Tensor| {
            all.insert(name, tensor.clone());
        };
        add("bias".into(), &self.bias);
        let open = (0..self.open.len()).filter(|&field| self.open[field] > 0);
        for (at, field) in open.zip(&self.fields) {
            // Numbered as in the interface.
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
            add("deep.output".into(), &deep.output);
        }
        all
    }

    /// (fields, coordinates) the CIN still works on.
    pub(crate) fn cin_size(&self) -> (usize, usize) {
        self.cin
            .as_ref()
            .map_or((0, 0), |cin| (cin.fields, cin.dim))
    }
}

impl CompactField {
    /// (rows, open).
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

    /// One column's ids, counted from the field's own first row: (rows, 1).
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

impl CompactCin {
    /// (rows, open) to (rows, fields left, coordinates left), zeros where a gate is closed.
    fn fields_of(&self, open: &Tensor) -> candle_core::Result<Tensor> {
        let rows = open.dim(0)?;
        let zero = Tensor::zeros((rows, 1), open.dtype(), open.device())?;
        Tensor::cat(&[open, &zero], 1)?
            .index_select(&self.gather, 1)?
            .reshape((rows, self.fields, self.dim))
    }
}

impl CompactDeep {
    /// (rows, open), absent where nothing is open, to (rows, outputs).
    fn forward(&self, x: Option<&Tensor>, rows: usize) -> candle_core::Result<Tensor> {
        let first = match (&self.first, x) {
            (Some(weight), Some(x)) => l0gm_ops::linear(x, weight, Some(&self.first_bias))?,
            // Every dimension is closed: the first layer gives its bias.
            _ => self.first_bias.unsqueeze(0)?.repeat((rows, 1))?,
        };
        let mut x = first.relu()?;
        for layer in &self.hidden {
            x = l0gm_ops::linear(&x, &layer.weight, layer.bias.as_ref())?.relu()?;
        }
        l0gm_ops::linear(&x, &self.output, None)
    }
}

/// The raw branch's terms, (rows, outputs) each.
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

/// An error about a model and an encoding that do not belong together.
fn strangers(what: &str) -> Error {
    Error::Setting(format!("the model and the encoding do not fit: {what}"))
}
