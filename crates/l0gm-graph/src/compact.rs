//! A trained gated GCN made really smaller. z goes into the classifier's columns and closed columns go.
//! Without a normalisation on the last layer, that layer's weight loses its closed channels too, and
//! with them a share of the sparse product; with one, the normalisation still needs every channel to
//! normalise, so the weight stays whole and only scale, shift and classifier shrink.
use crate::gcn::GcnLayer;
use crate::{Gcn, LinearHead, Result};
use candle_core::{Tensor, Var};
use l0gm_gate::{Gate, LinearLayer, Temperature, compact_linear};
use l0gm_train::{Encoder, GatedModel, Sizes};

/// The compact model (its gate is the identity), or `None` where every channel is closed: nothing is
/// left to compute then but the classifier's bias.
pub fn compact(
    model: &GatedModel<Gcn, LinearHead>,
    temperature: Temperature,
) -> Result<Option<GatedModel<Gcn, LinearHead>>> {
    let z = model.gate.deterministic(temperature)?;
    if z.iter().all(|&z| z == 0.0) {
        return Ok(None);
    }
    let mut encoder = model.encoder.clone();
    let after = LinearLayer {
        weight: model.head.linear.weight().as_tensor().clone(),
        bias: model.head.linear.bias().map(|b| b.as_tensor().clone()),
    };
    let Some(last) = encoder.layers.last_mut() else {
        return Ok(None);
    };
    let before = LinearLayer {
        weight: last.weight.as_tensor().clone(),
        bias: Some(last.bias.as_tensor().clone()),
    };
    let separable = last.norm.is_none();
    let (before, after, kept) = compact_linear(separable.then_some(&before), &z, &after)?;
    let kept = Tensor::new(kept, last.weight.device())?;
    *last = shrink(last, before, kept)?;
    // The compact model is for use: its variables are its own, not shared with the gated one.
    let head = LinearHead::from_tensors(&after.weight, after.bias.as_ref())?;
    let gate = Gate::identity(encoder.interface());
    Ok(Some(GatedModel {
        encoder,
        gate,
        head,
    }))
}

fn shrink(layer: &GcnLayer, before: Option<LinearLayer>, kept: Tensor) -> Result<GcnLayer> {
    let mut small = layer.clone();
    if let Some(before) = before {
        small.weight = Var::from_tensor(&before.weight)?;
        if let Some(bias) = before.bias {
            small.bias = Var::from_tensor(&bias)?;
        }
    }
    if let Some((scale, shift)) = &layer.norm {
        let select = |v: &Var| -> Result<Var> {
            Ok(Var::from_tensor(&v.as_tensor().index_select(&kept, 0)?)?)
        };
        small.norm = Some((select(scale)?, select(shift)?));
    }
    small.kept = Some(kept);
    Ok(small)
}

/// Parameters, bytes and FLOPs a node of a model on a graph of `nodes` nodes and `entries` stored
/// entries of the normalised adjacency. A gate's log_alpha counts as a parameter.
pub fn sizes(model: &GatedModel<Gcn, LinearHead>, nodes: usize, entries: usize) -> Sizes {
    let parameters: usize = model.parameters().iter().map(|p| p.var.elem_count()).sum();
    let head = 2 * model.head.linear.weight().elem_count() as u64;
    Sizes {
        parameters: parameters as u64,
        flops: model.encoder.flops(nodes, entries) / nodes.max(1) as u64 + head,
        bytes: 4 * parameters as u64,
    }
}
