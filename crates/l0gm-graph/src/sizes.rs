//! Parameters, bytes and operations of a graph model.

use crate::GraphModel;
use l0gm_train::Sizes;

/// Parameters, bytes and FLOPs per node of a model, on a graph of `nodes` nodes whose normalised adjacency has
/// `entries` stored entries. A gate's log_alpha counts as a parameter.
pub fn sizes(model: &GraphModel, nodes: usize, entries: usize) -> Sizes {
    let parameters: usize = model.parameters().iter().map(|p| p.var.elem_count()).sum();
    let head = 2 * model.head.linear.weight().elem_count() as u64;
    Sizes {
        parameters: parameters as u64,
        flops: model.encoder.flops(nodes, entries) / nodes.max(1) as u64 + head,
        bytes: 4 * parameters as u64,
    }
}
