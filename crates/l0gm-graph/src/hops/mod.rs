//! Features propagated before training: X, Â X, ..., Â^K X, with Â = D^-1/2 (A + I) D^-1/2 (eq. 2 without weights).
//!
//! They are computed once. A classifier on them needs no edges any more, so it trains in mini-batches of nodes, and no
//! step touches the whole graph. SGC (Wu et al. 2019, arXiv:1902.07153) is a linear classifier on the last of them, SIGN
//! (Frasca et al. 2020, arXiv:2004.11198) a network on all.

mod compact;
mod encoder;
mod settings;
mod task;
#[cfg(test)]
mod tests;

pub(crate) use compact::{CompactHops, compacted};
pub(crate) use encoder::{HopModel, build_hop_model, hop_sizes};
pub(crate) use settings::{SgcSettings, SignSettings, check_memory};
pub(crate) use task::HopTask;

use crate::normalise::select_rows;
use crate::{GraphTensors, NodeId, Result};
use candle_core::{Device, Tensor};
use l0gm_ops::{csr_matmul, embedding};
use std::ops::RangeInclusive;

/// Number of columns that are propagated at a time. What is between two hops is needed for all nodes, and with all columns
/// at once it could be larger than the result. Tests have few columns and propagate fewer at a time.
const COLUMNS: usize = if cfg!(test) { 3 } else { 512 };

/// The matrices Â^k X for every k of `hops`, each f32 (nodes, features) on the graph's device, and for some nodes only
/// where `nodes` names them, in their order.
pub(crate) fn propagate(
    graph: &GraphTensors,
    hops: RangeInclusive<usize>,
    nodes: Option<&[NodeId]>,
) -> Result<Vec<Tensor>> {
    let columns = graph.columns();
    let rows = match nodes {
        Some(nodes) => {
            let ids: Vec<u32> = nodes.iter().map(|node| node.0).collect();
            let ids = Tensor::new(ids.as_slice(), graph.device())?;
            Some((select_rows(graph.propagation().matrix(), nodes)?, ids))
        }
        None => None,
    };
    let count = nodes.map_or(graph.nodes(), <[NodeId]>::len);
    let mut values = vec![vec![0f32; count * columns]; hops.clone().count()];
    for first in (0..columns).step_by(COLUMNS) {
        let width = COLUMNS.min(columns - first);
        let mut h = some_columns(graph, first, width)?; // (nodes, width)
        for hop in 0..=*hops.end() {
            // No hop follows the last one, so it is computed for the wanted nodes alone.
            let last = hop > 0 && hop == *hops.end();
            let kept = match &rows {
                Some((propagation, _)) if last => csr_matmul(propagation, &h)?,
                _ => {
                    if hop > 0 {
                        h = csr_matmul(graph.propagation(), &h)?;
                    }
                    match &rows {
                        Some((_, ids)) if hops.contains(&hop) => embedding(&h, ids)?,
                        _ => h.clone(),
                    }
                }
            };
            if hops.contains(&hop) {
                let into = &mut values[hop - hops.start()];
                place(&kept, into, columns, first)?;
            }
        }
    }
    let tensors = values.into_iter();
    let tensors = tensors.map(|all| Tensor::from_vec(all, (count, columns), graph.device()));
    Ok(tensors.collect::<candle_core::Result<Vec<_>>>()?)
}

/// Some neighbouring columns of X, written out: (nodes, width).
fn some_columns(graph: &GraphTensors, first: usize, width: usize) -> Result<Tensor> {
    // Features that are written out need not be searched for zeros first.
    let stored = match graph.is_sparse() {
        true => graph.sparse()?,
        false => None,
    };
    let Some(features) = stored else {
        return Ok(graph.features()?.narrow(1, first, width)?.contiguous()?);
    };
    let by_column = features.transposed();
    let mut block = vec![0f32; graph.nodes() * width];
    for at in 0..width {
        let span =
            by_column.indptr()[first + at] as usize..by_column.indptr()[first + at + 1] as usize;
        let entries = by_column.indices()[span.clone()].iter();
        for (&node, &value) in entries.zip(&by_column.values()[span]) {
            block[node as usize * width + at] = value;
        }
    }
    Ok(Tensor::from_vec(
        block,
        (graph.nodes(), width),
        graph.device(),
    )?)
}

/// Writes a block, (rows, width), into columns `first..` of a matrix of `columns` columns.
fn place(block: &Tensor, into: &mut [f32], columns: usize, first: usize) -> Result<()> {
    let width = block.dim(1)?;
    let block: Vec<f32> = block.to_device(&Device::Cpu)?.flatten_all()?.to_vec1()?;
    for (row, values) in block.chunks_exact(width).enumerate() {
        let at = row * columns + first;
        into[at..at + width].copy_from_slice(values);
    }
    Ok(())
}
