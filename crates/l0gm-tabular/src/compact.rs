//! A trained gated model made really smaller. z is folded into the embedding tables and into the
//! number fields' maps, the dimensions it closes are dropped from them and from every layer that read
//! them; a field with no open dimension is not looked up at all. No gate is left.

use crate::encoder::{FieldEncoder, NumberEmbedding, periodic_features};
use crate::encoding::Encoding;
use crate::head::{LinearBranch, TabularHead, add_up};
use crate::spline::interpolate;
use crate::task::{NumberInput, TableInput};
use crate::{Error, Result};
use candle_core::{Device, Tensor};
use l0gm_gate::{LinearLayer, Temperature, compact_linear};
use l0gm_train::{Encoder, GatedModel};

/// A model without a gate, narrower where the gate was closed.
pub struct CompactModel<'a> {
    head: &'a TabularHead,
    fields: Vec<CompactField>,
    /// The deep branch's first layer and the gated linear branch, on open dimensions only.
    deep: Option<LinearLayer>,
    linear: Option<LinearLayer>,
    cin: Option<CompactCin>,
    open: Vec<usize>,
}

/// A field with open dimensions: which column of the input, and its folded table.
struct CompactField {
    column: usize,
    /// Row of the shared table this field's rows begin at.
    offset: u32,
    map: FieldMap,
}

enum FieldMap {
    /// (rows of the field, open).
    Categories(Tensor),
    /// (edges + 1, open): running sums.
    PiecewiseLinear(Tensor),
    /// Frequencies (1, 1, n) if periodic, weight (features, open), offset (2, open).
    Dense(Option<Tensor>, Tensor, Tensor),
}

/// The CIN on the fields and coordinates that have anything open.
struct CompactCin {
    /// Column of the open embeddings for each (field, coordinate) left; one past them reads 0.
    gather: Tensor,
    fields: usize,
    dim: usize,
    weights: Vec<Tensor>,
}

impl<'a> CompactModel<'a> {
    /// Folds and drops. The gate is read as it is in evaluation at `temperature`.
    ///
    /// # Errors
    /// Where the model and the encoding do not belong together.
    pub fn new(
        model: &'a GatedModel<FieldEncoder, TabularHead>,
        encoding: &Encoding,
        temperature: Temperature,
    ) -> Result<Self> {
        let l0gm_gate::Interface::Fields { fields, dim } = model.encoder.interface() else {
            return Err(Error::Setting("the interface has no fields".into()));
        };
        let z = model.gate.deterministic(temperature)?;
        let mask: Vec<f32> = z.iter().map(|&z| f32::from(z != 0.0)).collect();
        let open: Vec<usize> = z
            .chunks(dim)
            .map(|field| field.iter().filter(|&&z| z != 0.0).count())
            .collect();
        let mut compact_fields = Vec::new();
        for field in 0..fields {
            if open[field] > 0 {
                let z = &z[field * dim..(field + 1) * dim];
                compact_fields.push(compact_field(&model.encoder, encoding, field, z)?);
            }
        }
        let head = &model.head;
        let any = open.iter().sum::<usize>() > 0;
        // z is in the tables already: the layers behind only lose the closed columns.
        let drop = |layer: LinearLayer| -> Result<LinearLayer> {
            Ok(compact_linear(None, &mask, &layer)?.1)
        };
        let deep = match &head.deep {
            Some(deep) if any => Some(drop(layer(&deep.hidden[0]))?),
            _ => None,
        };
        let linear = match &head.linear {
            LinearBranch::Gated(linear) if any => Some(drop(layer(linear))?),
            _ => None,
        };
        let cin = match &head.cin {
            Some((cin, _)) if any => Some(compact_cin(&cin.weights()?, &mask, fields, dim)?),
            _ => None,
        };
        Ok(Self {
            head,
            fields: compact_fields,
            deep,
            linear,
            cin,
            open,
        })
    }

    /// Open dimensions of each field, in the interface's order.
    pub fn open(&self) -> &[usize] {
        &self.open
    }

    /// (rows, classes).
    ///
    /// # Errors
    /// Where the input was encoded differently.
    pub fn logits(&self, input: &TableInput) -> candle_core::Result<Tensor> {
        let embedded = self.embed(input)?; // (rows, open)
        let mut terms = Vec::with_capacity(3);
        match (&self.head.linear, &self.linear, &embedded) {
            (LinearBranch::Raw(raw), _, _) => terms.push(raw.forward(input)?),
            (LinearBranch::Gated(_), Some(linear), Some(x)) => terms.push(apply(linear, x)?),
            _ => {}
        }
        if let (Some((cin, output)), Some(compact), Some(x)) =
            (&self.head.cin, &self.cin, &embedded)
        {
            let sums = cin
                .shape()
                .forward(&compact.fields_of(x)?, &compact.weights)?;
            terms.push(output.forward(&sums)?);
        }
        if let Some(deep) = &self.head.deep {
            let first = match (&self.deep, &embedded) {
                (Some(layer), Some(x)) => apply(layer, x)?,
                _ => closed_first(deep.hidden[0].bias(), rows(input)?)?,
            };
            terms.push(deep.after_first(&first)?);
        }
        if terms.is_empty() {
            let outputs = self.head.bias.dim(1)?;
            let zeros = Tensor::zeros(
                (rows(input)?, outputs),
                self.head.bias.dtype(),
                self.head.bias.device(),
            )?;
            terms.push(zeros);
        }
        add_up(&terms, &self.head.bias, self.head.classes)
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

    /// Every tensor it needs that the gated model's head does not share unchanged.
    pub(crate) fn own_tensors(&self) -> Vec<&Tensor> {
        let mut all = Vec::new();
        for field in &self.fields {
            match &field.map {
                FieldMap::Categories(table) | FieldMap::PiecewiseLinear(table) => all.push(table),
                FieldMap::Dense(frequencies, weight, offset) => {
                    all.extend(frequencies);
                    all.extend([weight, offset]);
                }
            }
        }
        for layer in [&self.deep, &self.linear].into_iter().flatten() {
            all.push(&layer.weight);
            all.extend(&layer.bias);
        }
        if let Some(cin) = &self.cin {
            all.extend(&cin.weights);
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

fn compact_field(
    encoder: &FieldEncoder,
    encoding: &Encoding,
    field: usize,
    z: &[f32],
) -> Result<CompactField> {
    let kept: Vec<u32> = (0..z.len() as u32)
        .filter(|&d| z[d as usize] != 0.0)
        .collect();
    let scale: Vec<f32> = kept.iter().map(|&d| z[d as usize]).collect();
    let fold = |table: &Tensor, device: &Device| -> candle_core::Result<Tensor> {
        let kept = Tensor::from_slice(&kept, kept.len(), device)?;
        let scale = Tensor::from_slice(&scale, (1, scale.len()), device)?;
        table
            .contiguous()?
            .index_select(&kept, 1)?
            .broadcast_mul(&scale)
    };
    if let (Some(map), Some(table)) = (encoding.categories.get(field), &encoder.categories) {
        let rows = table
            .weight()
            .narrow(0, map.offset as usize, map.rows as usize)?;
        let folded = fold(&rows, rows.device())?.detach();
        return Ok(CompactField {
            column: field,
            offset: map.offset,
            map: FieldMap::Categories(folded),
        });
    }
    let column = field - encoding.categories.len();
    let width = encoding.rows_per_number();
    let first = column * width;
    let map = match &encoder.numbers {
        Some(NumberEmbedding::PiecewiseLinear(spline)) => {
            let used = encoding.numbers[column].edges.len() + 1;
            let rows = spline.table()?.narrow(0, first, used)?;
            FieldMap::PiecewiseLinear(fold(&rows, rows.device())?.detach())
        }
        Some(NumberEmbedding::Periodic(dense) | NumberEmbedding::Scaled(dense)) => {
            let frequencies = match &dense.frequencies {
                Some(all) => Some(all.narrow(1, column, 1)?.contiguous()?.detach()),
                None => None,
            };
            let weight = dense.weight.get(column)?;
            let offset = dense.offset.narrow(0, first, width)?;
            FieldMap::Dense(
                frequencies,
                fold(&weight, weight.device())?.detach(),
                fold(&offset, offset.device())?.detach(),
            )
        }
        None => return Err(Error::Setting("the model has no number fields".into())),
    };
    Ok(CompactField {
        column,
        offset: first as u32,
        map,
    })
}

fn compact_cin(weights: &[Tensor], mask: &[f32], fields: usize, dim: usize) -> Result<CompactCin> {
    let open = |field: usize, d: usize| mask[field * dim + d] != 0.0;
    let kept_fields: Vec<usize> = (0..fields)
        .filter(|&field| (0..dim).any(|d| open(field, d)))
        .collect();
    let kept_dims: Vec<usize> = (0..dim)
        .filter(|&d| (0..fields).any(|field| open(field, d)))
        .collect();
    // Where each open dimension stands among the open ones.
    let mut position = vec![None; fields * dim];
    let mut count = 0u32;
    for (slot, &m) in position.iter_mut().zip(mask) {
        if m != 0.0 {
            *slot = Some(count);
            count += 1;
        }
    }
    let mut gather = Vec::with_capacity(kept_fields.len() * kept_dims.len());
    for &field in &kept_fields {
        for &d in &kept_dims {
            gather.push(position[field * dim + d].unwrap_or(count));
        }
    }
    let device = weights[0].device();
    let index: Vec<u32> = kept_fields.iter().map(|&field| field as u32).collect();
    let index = Tensor::from_vec(index, kept_fields.len(), device)?;
    let weights = weights
        .iter()
        .enumerate()
        .map(|(layer, weight)| {
            let weight = weight.contiguous()?.index_select(&index, 2)?;
            // The first layer's maps before are the fields themselves.
            let weight = if layer == 0 {
                weight.index_select(&index, 1)?
            } else {
                weight
            };
            Ok(weight.contiguous()?.detach())
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(CompactCin {
        gather: Tensor::from_vec(gather, kept_fields.len() * kept_dims.len(), device)?,
        fields: kept_fields.len(),
        dim: kept_dims.len(),
        weights,
    })
}

fn layer(linear: &l0gm_train::layers::Linear) -> LinearLayer {
    LinearLayer {
        weight: linear.weight().as_detached_tensor(),
        bias: linear.bias().map(|bias| bias.as_detached_tensor()),
    }
}

fn apply(layer: &LinearLayer, x: &Tensor) -> candle_core::Result<Tensor> {
    l0gm_ops::linear(x, &layer.weight, layer.bias.as_ref())
}

/// What the deep branch's first layer gives where every dimension is closed: its bias.
fn closed_first(bias: Option<&candle_core::Var>, rows: usize) -> candle_core::Result<Tensor> {
    match bias {
        Some(bias) => bias.as_detached_tensor().unsqueeze(0)?.repeat((rows, 1)),
        None => candle_core::bail!("the deep branch's first layer has no bias"),
    }
}

fn rows(input: &TableInput) -> candle_core::Result<usize> {
    match (&input.categories, &input.numbers) {
        (Some(categories), _) => categories.ids.dim(0),
        (_, Some(numbers)) => numbers.lower.dim(0),
        _ => candle_core::bail!("the input has no fields"),
    }
}
