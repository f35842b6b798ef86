//! Turns a gated model into a compact one: z is folded into tables and maps, and closed columns are removed from the
//! layers behind them.

use super::stack::{OpenStack, coordinates};
use super::{
    CompactCin, CompactCross, CompactCrossLayer, CompactDeep, CompactField, CompactFm,
    CompactLinear, CompactMembers, CompactModel, CompactOutput, FieldMap, RawNumbers, strangers,
};
use crate::Result;
use crate::cross::CrossNetwork;
use crate::deep::{Deep, Members, Output};
use crate::encoder::{FieldEncoder, NumberEmbedding};
use crate::encoding::Encoding;
use crate::fm::FactorisationMachine;
use crate::head::{self, LinearBranch, RawLinear, TabularHead};
use crate::values::ValueTable;
use candle_core::{Device, Tensor, Var};
use l0gm_gate::{LinearLayer, compact_linear};
use l0gm_train::layers::Linear;
use l0gm_train::{Encoder, GatedModel};

/// Implements [`CompactModel::new`].
pub(super) fn fold(
    model: &GatedModel<FieldEncoder, TabularHead>,
    encoding: &Encoding,
) -> Result<CompactModel> {
    let l0gm_gate::Interface::Fields { fields, dim } = model.encoder.interface() else {
        return Err(strangers("the interface has no fields"));
    };
    model.check_compactable()?;
    let z = model.gate.deterministic()?;
    let mask: Vec<f32> = z.iter().map(|&z| f32::from(z != 0.0)).collect();
    let kept: Vec<Vec<u32>> = z
        .chunks(dim)
        .map(|field| {
            let open = |&d: &u32| field[d as usize] != 0.0;
            (0..dim as u32).filter(open).collect()
        })
        .collect();
    let open: Vec<usize> = kept.iter().map(Vec::len).collect();
    let mut compact_fields = Vec::new();
    for field in 0..fields {
        if open[field] > 0 {
            let z = &z[field * dim..(field + 1) * dim];
            compact_fields.push(compact_field(&model.encoder, encoding, field, z)?);
        }
    }
    let head = &model.head;
    let any = open.iter().sum::<usize>() > 0;
    let linear = match &head.linear {
        LinearBranch::Raw(raw) => raw_linear(raw)?,
        LinearBranch::Gated(linear) if any => CompactLinear::Gated(drop(&mask, linear)?),
        _ => CompactLinear::None,
    };
    let cin = match &head.cin {
        Some((cin, output)) if any => {
            let settings = cin.shape().settings();
            Some(CompactCin {
                shape: cin.shape().clone(),
                weights: cin_weights(&cin.weights()?, &kept)?,
                stack: OpenStack::new(&kept, head.bias.device())?,
                output: weight(output)?,
                settings,
            })
        }
        _ => None,
    };
    let fm = match &head.fm {
        Some(fm) if any => Some(compact_fm(fm, &kept, head.bias.device())?),
        _ => None,
    };
    let cross = match &head.cross {
        Some(cross) if any => Some(compact_cross(cross, &mask)?),
        _ => None,
    };
    let deep = match &head.deep {
        Some(deep) => Some(compact_deep(deep, &mask, any)?),
        None => None,
    };
    CompactModel {
        classes: head.classes,
        bias: own(&head.bias)?,
        fields: compact_fields,
        linear,
        cin,
        fm,
        cross,
        deep,
        dim,
        kept,
        open,
        fused: None,
    }
    .swept()
}

/// The layer's weight on open dimensions. z is in the tables already, so only closed columns are removed.
fn drop(mask: &[f32], linear: &Linear) -> Result<Tensor> {
    let layer = LinearLayer {
        weight: weight(linear)?,
        bias: None,
    };
    Ok(compact_linear(None, mask, &layer)?.1.weight)
}

/// The weights of the coordinates in which some field is open.
fn compact_fm(fm: &FactorisationMachine, kept: &[Vec<u32>], device: &Device) -> Result<CompactFm> {
    let output = match fm.output() {
        Some(output) => {
            let dims = Tensor::new(coordinates(kept), device)?;
            Some(weight(output)?.index_select(&dims, 1)?)
        }
        None => None,
    };
    Ok(CompactFm {
        stack: OpenStack::new(kept, device)?,
        output,
    })
}

/// The layers' maps between open dimensions. A closed one is 0 before every layer and behind it.
fn compact_cross(cross: &CrossNetwork, mask: &[f32]) -> Result<CompactCross> {
    let layers = cross.layers.iter().map(|layer| {
        let rows = |tensor: &Tensor| -> Result<Tensor> {
            let open: Vec<u32> = (0..mask.len() as u32)
                .filter(|&d| mask[d as usize] != 0.0)
                .collect();
            let open = Tensor::new(open, tensor.device())?;
            Ok(tensor.index_select(&open, 0)?)
        };
        let bias = layer.outer.bias();
        let bias = bias.ok_or_else(|| strangers("a cross layer has no bias"))?;
        let inner = layer.inner.as_ref();
        let outer = match inner {
            Some(_) => weight(&layer.outer)?,
            None => drop(mask, &layer.outer)?,
        };
        Ok(CompactCrossLayer {
            inner: inner.map(|inner| drop(mask, inner)).transpose()?,
            outer: rows(&outer)?,
            bias: rows(&own(bias)?)?,
        })
    });
    Ok(CompactCross {
        layers: layers.collect::<Result<_>>()?,
        output: drop(mask, &cross.output)?,
    })
}

fn compact_deep(deep: &Deep, mask: &[f32], any: bool) -> Result<CompactDeep> {
    let first = &deep.hidden[0];
    let first_bias = first
        .bias()
        .ok_or_else(|| strangers("deep.0 has no bias"))?;
    Ok(CompactDeep {
        first: if any { Some(drop(mask, first)?) } else { None },
        first_bias: own(first_bias)?,
        hidden: deep.hidden[1..]
            .iter()
            .map(|linear| {
                Ok(LinearLayer {
                    weight: weight(linear)?,
                    bias: linear.bias().map(own).transpose()?,
                })
            })
            .collect::<Result<_>>()?,
        output: match &deep.output {
            Output::Single(linear) => CompactOutput::Single(weight(linear)?),
            Output::Members(members) => CompactOutput::Members(compact_members(members, mask)?),
        },
    })
}

/// The members' factors on open dimensions, and their output layers.
fn compact_members(members: &Members, mask: &[f32]) -> Result<CompactMembers> {
    let open = (0..mask.len() as u32).filter(|&at| mask[at as usize] != 0.0);
    let open: Vec<u32> = open.collect();
    let adapter = match open.is_empty() {
        true => None,
        false => {
            let index = Tensor::from_slice(&open, open.len(), members.adapter.device())?;
            Some(own(&members.adapter)?.index_select(&index, 1)?)
        }
    };
    Ok(CompactMembers {
        adapter,
        weights: members.weights.iter().map(own).collect::<Result<_>>()?,
        bias: own(&members.bias)?,
    })
}

fn raw_linear(raw: &RawLinear) -> Result<CompactLinear> {
    let table = raw.categories.as_ref();
    let categories = table.map(whole).transpose()?;
    let numbers = match &raw.numbers {
        Some(head::RawNumbers::PiecewiseLinear(spline)) => {
            Some(RawNumbers::PiecewiseLinear(spline.table()?.detach()))
        }
        Some(head::RawNumbers::Scaled(linear)) => Some(RawNumbers::Scaled(weight(linear)?)),
        None => None,
    };
    Ok(CompactLinear::Raw(categories, numbers))
}

/// The maps of each layer for the remaining fields.
fn cin_weights(weights: &[Tensor], kept: &[Vec<u32>]) -> Result<Vec<Tensor>> {
    let fields: Vec<u32> = (0..kept.len() as u32)
        .filter(|&field| !kept[field as usize].is_empty())
        .collect();
    weights
        .iter()
        .enumerate()
        .map(|(layer, weight)| {
            let index = Tensor::new(fields.as_slice(), weight.device())?;
            let weight = weight.contiguous()?.index_select(&index, 2)?;
            // The maps before the first layer are the fields themselves.
            let weight = if layer == 0 {
                weight.index_select(&index, 1)?
            } else {
                weight
            };
            Ok(weight.contiguous()?.detach())
        })
        .collect()
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
        let table = table.table()?;
        let rows = table.narrow(0, map.offset as usize, map.rows as usize)?;
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
                Some(all) => Some(all.narrow(1, column, 1)?.copy()?.detach()),
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
        None => return Err(strangers("the model has no number fields")),
    };
    Ok(CompactField {
        column,
        offset: first as u32,
        map,
    })
}

/// A copy of a variable's values, because training continues to change the variable's memory.
fn own(var: &Var) -> Result<Tensor> {
    Ok(var.as_detached_tensor().copy()?)
}

/// A copy of e(v) of every value.
fn whole(table: &ValueTable) -> Result<Tensor> {
    Ok(table.table()?.detach().copy()?)
}

fn weight(linear: &Linear) -> Result<Tensor> {
    own(linear.weight())
}
