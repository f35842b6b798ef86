//! The open embeddings as a stack of fields, which branches on whole fields read.

use candle_core::{Device, Result, Tensor};
use std::collections::BTreeSet;

/// Arranges open dimensions, which lie side by side, as remaining fields of remaining coordinates.
#[derive(Clone, Debug)]
pub(super) struct OpenStack {
    /// Column of the open embeddings for each remaining (field, coordinate); one past the last column gives 0.
    pub(super) gather: Tensor,
    pub(super) fields: usize,
    pub(super) dim: usize,
}

impl OpenStack {
    /// The stack of each field's open dimensions.
    pub(super) fn new(kept: &[Vec<u32>], device: &Device) -> Result<Self> {
        let (gather, fields, dim) = layout(kept);
        Ok(Self {
            gather: Tensor::from_vec(gather, fields * dim, device)?,
            fields,
            dim,
        })
    }

    /// From (rows, open) to (rows, remaining fields, remaining coordinates), with zeros where a gate is closed.
    pub(super) fn of(&self, open: &Tensor) -> Result<Tensor> {
        let rows = open.dim(0)?;
        let zero = Tensor::zeros((rows, 1), open.dtype(), open.device())?;
        Tensor::cat(&[open, &zero], 1)?
            .index_select(&self.gather, 1)?
            .reshape((rows, self.fields, self.dim))
    }
}

/// Column of the open dimensions for each remaining (field, coordinate), or one past the last if its gate is closed; then
/// the numbers of remaining fields and coordinates. `kept` holds each field's open dimensions.
pub(super) fn layout(kept: &[Vec<u32>]) -> (Vec<u32>, usize, usize) {
    let dims = coordinates(kept);
    let closed: u32 = kept.iter().map(|field| field.len() as u32).sum();
    let (mut gather, mut before, mut fields) = (Vec::new(), 0, 0);
    for field in kept.iter().filter(|field| !field.is_empty()) {
        for d in &dims {
            let at = field.iter().position(|open| open == d);
            gather.push(at.map_or(closed, |at| before + at as u32));
        }
        before += field.len() as u32;
        fields += 1;
    }
    (gather, fields, dims.len())
}

/// The coordinates in which some field is open, in ascending order.
pub(super) fn coordinates(kept: &[Vec<u32>]) -> Vec<u32> {
    let dims: BTreeSet<u32> = kept.iter().flatten().copied().collect();
    dims.into_iter().collect()
}
